"""How fast a replay goes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from wsproxy.errors import UsageError

_SPEED = re.compile(r"x(\d+(?:\.\d+)?|\.\d+)")
_SLOWEST, _FASTEST = 0.01, 1000.0


@dataclass(frozen=True, slots=True)
class Pace:
    """When a step is due.

    Attributes:
        kind: "recorded" (at its time), "fast" (as soon as what preceded it is there) or
            "causal" (the recorded time after what preceded it from the other side).
        speed: of the replay's clock; 2.0 is twice as fast as recorded.
    """

    kind: str = "recorded"
    speed: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Pace:
        """Read `recorded`, `fast`, `causal`, or a speed: `x2`, `x0.5`.

        Raises:
            UsageError: it is none of these.
        """
        if text in ("recorded", "fast", "causal"):
            return cls(text)
        found = _SPEED.fullmatch(text)
        if found is None:
            raise UsageError(f"pace {text!r}: give recorded, fast, causal, or a speed such as x2")
        speed = float(found[1])
        if not _SLOWEST <= speed <= _FASTEST:
            raise UsageError(f"pace {text!r}: from x{_SLOWEST:g} to x{_FASTEST:g}")
        return cls("recorded", speed)

    @property
    def fast(self) -> bool:
        return self.kind == "fast"

    @property
    def causal(self) -> bool:
        return self.kind == "causal"

    @property
    def by_clock(self) -> bool:
        """Whether what comes of it depends on the time that steps take."""
        return not self.fast

    @property
    def as_recorded(self) -> bool:
        """Whether spans of time are the recorded ones."""
        return not self.fast and math.isclose(self.speed, 1.0)

    def scaled(self, ns: int) -> int:
        """A recorded span of time at this speed, ns."""
        return round(ns / self.speed)

    def __str__(self) -> str:
        return self.kind if math.isclose(self.speed, 1.0) else f"x{self.speed:g}"


RECORDED = Pace()
