"""How much is kept of the sessions, and how safely."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wsproxy.wire import MAX_PAYLOAD

from . import Policy

LEAST_SIZE = 1 << 20  # bytes; a part holds at least a few blocks

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)(b?)\s*", re.IGNORECASE)
_UNITS = ("", "k", "m", "g", "t")


class InvalidLimit(ValueError):
    """A limit that cannot be.

    Attributes:
        name: of the limit, as in Keeping.
        problem: what is wrong with it.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


@dataclass(frozen=True, slots=True)
class RecorderLimits:
    """What the recorder keeps.

    Attributes:
        max_payload: bytes kept of the payload of one frame.
        max_size: bytes after which a trace goes on in another file; None: never.
        max_folder: bytes of all traces over which the oldest finished ones are removed;
            None: never.
        fsync: when what was written is brought to the disk itself.
        strict: refuse new sessions while traces cannot be written.
    """

    max_payload: int = MAX_PAYLOAD
    max_size: int | None = None
    max_folder: int | None = None
    fsync: Policy = "end"
    strict: bool = False

    @classmethod
    def parse(
        cls, max_payload: str, max_size: str, max_folder: str, fsync: Policy, *, strict: bool
    ) -> RecorderLimits:
        """From the words of options; of the last two sizes an empty one is no limit.

        Raises:
            BadLimit: one of them cannot be.
        """
        return cls(
            _limit("max_payload", max_payload, 0, MAX_PAYLOAD),
            _limit("max_size", max_size, LEAST_SIZE) if max_size else None,
            _limit("max_folder", max_folder, LEAST_SIZE) if max_folder else None,
            fsync,
            strict,
        )

    def options(self) -> dict[str, str | bool]:
        """The mitmproxy options of the recording addon that say the same."""
        return {
            "wsproxy_max_payload": str(self.max_payload),
            "wsproxy_max_size": str(self.max_size or ""),
            "wsproxy_max_folder": str(self.max_folder or ""),
            "wsproxy_fsync": self.fsync,
            "wsproxy_strict": self.strict,
        }


def parse_size(text: str) -> int:
    """Bytes of a size: 1500, 64kB, 100MB, 1.5GiB; kB is 1000 bytes, KiB 1024.

    Raises:
        ValueError: it is no size.
    """
    match = _SIZE.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        raise ValueError(f"{text!r} is no size: give one like 500kB, 100MB or 1.5GiB")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _UNITS.index(match[2].lower()))


def _limit(name: str, text: str, least: int, most: int | None = None) -> int:
    try:
        size = parse_size(text)
    except ValueError as error:
        raise InvalidLimit(name, str(error)) from None
    if size < least:
        raise InvalidLimit(name, f"{text} is less than {_spelt(least)}")
    if most is not None and size > most:
        raise InvalidLimit(
            name, f"{text} is more than {_spelt(most)}, the most that a trace can hold"
        )
    return size


def _spelt(size: int) -> str:
    return f"{size >> 20} MiB"
