"""Stretches of a stream for which something holds, collected while the stream is read."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from .report import Region, Regions

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEPT = 500  # regions at each end of a stream
_MAX_MARKS = 20_000  # chunks whose place is known, the latest ones
_MAX_SURPLUS = 10_000  # others that are still in memory
_ROUNDING_S = 1e-6


def stretches_of(holds: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where the stretches begin in which something holds, and where each of them ends."""
    padded = np.zeros(len(holds) + 2, np.bool_)
    padded[1:-1] = holds
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return edges[::2], edges[1::2]


def _sums(
    weight: NDArray[np.float64], begins: NDArray[np.intp], ends: NDArray[np.intp]
) -> list[float]:
    """The sum of a weight in each stretch."""
    sums = np.concatenate(([0.0], np.cumsum(weight)))
    out: list[float] = (sums[ends] - sums[begins]).tolist()
    return out


class Locator:
    """Which frame a position is in; known for the latest chunks only."""

    def __init__(self) -> None:
        self._starts = array("d")
        self._frames = array("q")
        self._times = array("q")
        self._first = 0  # index of the first that counts: not each `extend` moves the others

    def extend(
        self, starts: NDArray[np.float64], frames: NDArray[np.int64], times: NDArray[np.int64]
    ) -> None:
        """Add chunks: the position in seconds, the frame number and the time of each."""
        self._starts.frombytes(starts.tobytes())
        self._frames.frombytes(frames.tobytes())
        self._times.frombytes(times.tobytes())
        surplus = self._first = max(0, len(self._starts) - _MAX_MARKS)
        if surplus > _MAX_SURPLUS:
            del self._starts[:surplus], self._frames[:surplus], self._times[:surplus]
            self._first = 0

    def frame_at(self, seconds: float) -> tuple[int, int]:
        """Number and time of the frame with the audio at this position."""
        if not self._starts:
            return 0, 0
        at = max(self._first, bisect_right(self._starts, seconds + 1e-6, self._first) - 1)
        return self._frames[at], self._times[at]

    def start_of(self, frame: int) -> float | None:
        """The position of the first chunk from a frame on; None if none of them is known."""
        at = bisect_left(self._frames, frame, self._first)
        return self._starts[at] if at < len(self._starts) else None

    def region(self, start_s: float, end_s: float) -> Region:
        """The region between two positions."""
        frame, t_ns = self.frame_at(start_s)
        return Region(start_s, end_s, frame, t_ns, self.frame_at(end_s - 1e-3)[1])


@dataclass(slots=True)
class Stretch:
    """A region while it may still grow.

    Attributes:
        where: its bounds.
        held: seconds in which the condition holds; the rest are bridged gaps.
        weights: the sum of each kind of weight.
    """

    where: Region
    held: float
    weights: list[float]

    def grow(self, later: Stretch) -> None:
        """Add a later one that is a part of the same region."""
        self.where = self.where.until(later.where)
        self.held += later.held
        self.weights = [a + b for a, b in zip(self.weights, later.weights, strict=True)]


class RegionCollector:
    """Collects the regions in which a condition holds.

    Args:
        min_s: shorter regions do not count.
        bridge_s: gaps up to this long are part of a region.
    """

    def __init__(self, min_s: float, bridge_s: float) -> None:
        self._min_s = min_s
        self._bridge_s = bridge_s
        self._open: Stretch | None = None
        self._count = 0
        self._seconds = 0.0
        self._first: list[Stretch] = []
        self._last: deque[Stretch] = deque(maxlen=_KEPT)

    def feed(
        self,
        holds: NDArray[np.bool_],
        start_s: float,
        step_s: float,
        locator: Locator,
        weigh: Callable[[], tuple[NDArray[np.float64], ...]] = tuple,
    ) -> None:
        """Add consecutive steps of the stream.

        Args:
            holds: for each step, whether the condition holds.
            start_s: position of the first step.
            step_s: duration of a step.
            locator: finds their frames.
            weigh: returns, of each kind of weight, a number for each step; called only where a
                region may count.
        """
        if not holds.any():
            return  # often
        begins, ends = stretches_of(holds)
        if not self._bridge_s:
            may_count = self._may_count(begins, ends, len(holds), step_s)
            begins, ends = begins[may_count], ends[may_count]
        if not len(begins):
            return
        sums = [_sums(weight, begins, ends) for weight in weigh()]
        for begin, end, held, weights in self._joined(
            begins.tolist(), ends.tolist(), zip(*sums, strict=True) if sums else repeat(()), step_s
        ):
            where = locator.region(start_s + begin * step_s, start_s + end * step_s)
            self._add(Stretch(where, held * step_s, weights))

    def _joined(
        self,
        begins: list[int],
        ends: list[int],
        weights: Iterable[tuple[float, ...]],
        step_s: float,
    ) -> Iterator[tuple[int, int, int, list[float]]]:
        """Stretches of a block, those joined that are one region: only its bounds are located.

        Yields:
            Its first step, the one after its last, the number of those in which the condition
            holds, and the sum of each kind of weight.
        """
        longest = self._bridge_s + _ROUNDING_S
        first, last, held, sums = begins[0], begins[0], 0, None
        for begin, end, added in zip(begins, ends, weights, strict=False):
            if (begin - last) * step_s > longest:
                yield first, last, held, sums or []
                first, held, sums = begin, 0, None
            last = end
            held += end - begin
            sums = list(added) if sums is None else list(map(add, sums, added))
        yield first, last, held, sums or []

    def _may_count(
        self, begins: NDArray[np.intp], ends: NDArray[np.intp], steps: int, step_s: float
    ) -> NDArray[np.bool_]:
        """Which stretches of a block are long enough, or may go on in another block."""
        out: NDArray[np.bool_] = (ends - begins) * step_s >= self._min_s - _ROUNDING_S
        out |= (begins == 0) | (ends == steps)
        return out

    def _add(self, new: Stretch) -> None:
        """Add a stretch that begins after the previous ones."""
        grown = self._open
        if (
            grown is not None
            and new.where.start_s - grown.where.end_s <= self._bridge_s + _ROUNDING_S
        ):
            grown.grow(new)
            return
        self._close()
        self._open = new

    def _counts(self, stretch: Stretch) -> bool:
        return stretch.where.seconds >= self._min_s - _ROUNDING_S

    def _close(self) -> None:
        stretch, self._open = self._open, None
        if stretch is None or not self._counts(stretch):
            return
        self._count += 1
        self._seconds += stretch.where.seconds
        if len(self._first) < _KEPT:
            self._first.append(stretch)
        else:
            self._last.append(stretch)

    def stretches(self) -> Iterator[Stretch]:
        """The first and the last regions, the one that has not ended included."""
        yield from self._first
        yield from self._last
        if self._open is not None and self._counts(self._open):
            yield self._open

    def until(self, at_s: float) -> tuple[float, float | None]:
        """What there was up to a position, one of the latest ones.

        Returns:
            Seconds of the regions, and where the last of them ended; None if there was none.
        """
        growing = [self._open] if self._open is not None and self._counts(self._open) else []
        total = self._seconds + sum(stretch.where.seconds for stretch in growing)
        for stretch in chain(growing, reversed(self._last), reversed(self._first)):
            where = stretch.where
            if where.start_s < at_s:
                end = min(where.end_s, at_s)
                return total - (where.end_s - end), end
            total -= where.seconds
        return total, None

    def regions(self) -> Regions:
        """The result so far."""
        kept = tuple(stretch.where for stretch in self.stretches())
        counted = self._open is not None and self._counts(self._open)
        extra = self._open.where.seconds if self._open is not None and counted else 0.0
        return Regions(self._count + counted, self._seconds + extra, kept)
