"""Percentiles of any number of values, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wsproxy.statistics import nearest_rank

_BITS = 10  # of a value that are kept: it is off by less than 1 in 512
PERCENTILES = (0.5, 0.9, 0.99)


@dataclass(slots=True)
class Histogram:
    """Counts values by their size, so that those of several processes can be put together.

    Attributes:
        counts: how many values there are, by the value in µs, rounded down to ten bits.
        most: the largest, µs.
    """

    counts: dict[int, int] = field(default_factory=dict)
    most: int = 0

    def add(self, values_ns: Iterable[int]) -> None:
        """Take values; a negative one counts as 0."""
        counts = self.counts
        for value_ns in values_ns:
            value = max(0, value_ns) // 1000
            self.most = max(self.most, value)
            shift = max(0, value.bit_length() - _BITS)
            key = value >> shift << shift
            counts[key] = counts.get(key, 0) + 1

    def merge(self, other: Histogram) -> None:
        """Take the values of another."""
        for key, count in other.counts.items():
            self.counts[key] = self.counts.get(key, 0) + count
        self.most = max(self.most, other.most)

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.counts.values())

    def at(self, *parts: float) -> list[float]:
        """The percentiles of these parts (0 to 1), ms; 0 where there are no values."""
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
        """Percentiles in ms, and how many values there are."""
        p50, p90, p99 = self.at(*PERCENTILES)
        return {
            "p50": p50,
            "p90": p90,
            "p99": p99,
            "max": self.most / 1000,
            "count": self.count,
        }
