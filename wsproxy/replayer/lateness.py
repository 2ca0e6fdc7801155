"""How late a replay sent its steps, and whether it kept its pace."""

from __future__ import annotations

from dataclasses import dataclass

from wsproxy.statistics import percentile

from .schedule import Schedule

# A replay whose p99 lateness exceeds this has not kept its pace, ns.
LATE_NS = 250_000_000


def is_late(ns: float) -> bool:
    """Whether a step at this distance from its time, ns, may change the result."""
    return ns > LATE_NS


@dataclass(frozen=True, slots=True)
class Lateness:
    """How long after their due time the steps were sent, ms."""

    p50: float = 0.0
    p99: float = 0.0
    max: float = 0.0

    @classmethod
    def of(cls, schedule: Schedule) -> Lateness:
        values = sorted(schedule.lateness)
        if not values:
            return cls()
        p50, p99, most = (round(percentile(values, part) / 1e6, 3) for part in (0.5, 0.99, 1.0))
        return cls(p50, p99, most)

    @property
    def late(self) -> bool:
        """Whether the replay did not keep its pace."""
        return is_late(self.p99 * 1e6)
