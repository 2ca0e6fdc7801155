"""The pace of a replay."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from wsproxy.errors import UsageError

_SPEED = re.compile(r"x(\d+(?:\.\d+)?|\.\d+)")
_SLOWEST, _FASTEST = 0.01, 1000.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Determines when a step is due.

    Attributes:
        kind: "recorded" (at its recorded time), "fast" (as soon as its prerequisite is met) or
            "causal" (the recorded delay after its prerequisite is met).
        speed: of the replay's clock; 2.0 is twice as fast as recorded.
    """

    kind: str = "recorded"
    speed: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Pace:
        """Read `recorded`, `fast`, `causal`, or a speed: `x2`, `x0.5`.

        Raises:
            UsageError: the text is none of these.
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
        """Whether steps are due without delay."""
        return self.kind == "fast"

    @property
    def causal(self) -> bool:
        """Whether steps are due after a delay from their prerequisite."""
        return self.kind == "causal"

    @property
    def depends_on_clock(self) -> bool:
        """Whether the result depends on the time that steps take."""
        return not self.fast

    @property
    def is_recorded_speed(self) -> bool:
        """Whether durations are the recorded ones."""
        return not self.fast and math.isclose(self.speed, 1.0)

    def scaled(self, ns: int) -> int:
        """A recorded duration at this speed, ns."""
        return round(ns / self.speed)

    def __str__(self) -> str:
        return self.kind if math.isclose(self.speed, 1.0) else f"x{self.speed:g}"


RECORDED_PACE = Pace()
