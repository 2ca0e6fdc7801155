"""Connections of a command that went past the recorder, and what is reported about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from wsproxy.system.address import authority
from wsproxy.wording import plural

MAX_LINES = 10  # kinds of connections; the others are counted together


@dataclass(frozen=True, slots=True)
class PastConnection:
    """A kind of connection that went past the recorder.

    Attributes:
        address: (host, port) of the server; None if it is unknown.
        program: the name of the program; empty if it is unknown.
        why: the reason; empty if it is unknown.
    """

    address: tuple[str, int] | None
    program: str
    why: str = ""

    @property
    def text(self) -> str:
        """It completes "went past the recorder: 2 connections"."""
        where = authority(*self.address) if self.address is not None else "an unknown address"
        by = f" by {self.program}" if self.program else ""
        return f"to {where}{by}" + (f": {self.why}" if self.why else "")


def lines(counts: Mapping[PastConnection, int]) -> list[str]:
    """What to print at the end of a run."""
    ordered = Counter(counts).most_common()
    found = [
        f"went past the recorder: {plural(count, 'connection')} {kind.text}"
        for kind, count in ordered[:MAX_LINES]
    ]
    if others := sum(count for _, count in ordered[MAX_LINES:]):
        found.append(f"went past the recorder: {plural(others, 'connection')} to other addresses")
    return found
