"""A histogram of any number of values in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wsproxy.statistics import nearest_rank

_PRECISION_BITS = 10  # bits of a value that are kept: the error is less than 1/512
PERCENTILES = (0.5, 0.9, 0.99)


@dataclass(slots=True)
class Histogram:
    """Counts values by size; the histograms of several processes can be merged.

    Attributes:
        counts: number of values by value in µs, rounded down to ten bits.
        maximum: the largest value, µs.
    """

    counts: dict[int, int] = field(default_factory=dict)
    maximum: int = 0

    def add(self, values_ns: Iterable[int]) -> None:
        """Add values; negative ones count as 0."""
        counts = self.counts
        for value_ns in values_ns:
            value = max(0, value_ns) // 1000
            self.maximum = max(self.maximum, value)
            shift = max(0, value.bit_length() - _PRECISION_BITS)
            key = value >> shift << shift
            counts[key] = counts.get(key, 0) + 1

    def merge(self, other: Histogram) -> None:
        """Add the values of another histogram."""
        for key, count in other.counts.items():
            self.counts[key] = self.counts.get(key, 0) + count
        self.maximum = max(self.maximum, other.maximum)

    @property
    def count(self) -> int:
        """Number of values."""
        return sum(self.counts.values())

    def percentiles(self, *parts: float) -> list[float]:
        """Percentiles in ms; `parts` are from 0 to 1. Without values they are 0."""
        wanted = {part: nearest_rank(self.count, part) for part in parts}
        found = dict.fromkeys(parts, 0.0)
        before = 0
        for key in sorted(self.counts):
            after = before + self.counts[key]
            for part, rank in wanted.items():
                if before <= rank < after:
                    found[part] = key / 1000
            before = after
        return [found[part] for part in parts]

    def as_json(self) -> Mapping[str, float]:
        """Percentiles and maximum in ms, and the number of values."""
        p50, p90, p99 = self.percentiles(*PERCENTILES)
        return {
            "p50": p50,
            "p90": p90,
            "p99": p99,
            "max": self.maximum / 1000,
            "count": self.count,
        }
