"""The clock of a session, and its first record."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from wsproxy import __version__
from wsproxy.trace import VERSION, Start


@dataclass(frozen=True, slots=True)
class Clock:
    """Monotonic time since the start of a session.

    Attributes:
        started_at_ns: Unix time of the session's start, ns.
        origin_ns: the monotonic clock at the session's start, ns.
    """

    started_at_ns: int
    origin_ns: int

    @classmethod
    def start(cls) -> Clock:
        return cls(time.time_ns(), time.monotonic_ns())

    def now(self) -> int:
        """Nanoseconds since the session's start."""
        return time.monotonic_ns() - self.origin_ns


def new_start(clock: Clock, **values: object) -> Start:
    """The first record of a new session, with a new random id."""
    fields: dict[str, object] = {"wsproxy": __version__, **values}
    return Start(
        t_ns=0,
        version=VERSION,
        session=secrets.token_hex(8),
        started_at_ns=clock.started_at_ns,
        **fields,  # type: ignore[arg-type]  # checked by Start's own callers
    )
