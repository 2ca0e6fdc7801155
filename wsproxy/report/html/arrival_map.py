"""When each position of a stream of audio was carried: a curve of few points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_POINTS = 4000  # beyond, the tolerance is doubled
_TOLERANCE_S = 0.04  # of the time at a position
_GAP_S = 0.25  # without audio, beyond the duration of the chunk before: nothing was carried

Point = tuple[float, float, int]  # seconds of audio, seconds of the session, frame


@dataclass(slots=True)
class _Chunk:
    start_s: float
    t: float
    frame: int


class ArrivalMap:
    """Follows the chunks of a stream.

    Between two points the time is linear. Two points at the same position are a time in which
    nothing was carried.

    Attributes:
        halvings: how often half of the points were dropped, because there were too many.
    """

    def __init__(self) -> None:
        self.halvings = 0
        self._points: list[Point] = []  # rounded
        self._anchor = (0.0, 0.0)  # the last one, not rounded: seconds of audio, and of the session
        self._tolerance = _TOLERANCE_S
        self._last: _Chunk | None = None
        self._slopes = (0.0, float("inf"))  # that fit all chunks since the last point

    def add_chunks(
        self, starts_s: Sequence[float], frames: Sequence[int], times: Sequence[int]
    ) -> None:
        """Add chunks; arguments as for `SampleListener.add_chunks`."""
        for start_s, frame, t_ns in zip(starts_s, frames, times, strict=True):
            self._add(_Chunk(start_s, t_ns / 1e9, frame))

    def _add(self, chunk: _Chunk) -> None:
        last, self._last = self._last, chunk
        if last is None:
            self._begin(chunk.start_s, chunk.t, chunk.frame)
            return
        duration = chunk.start_s - last.start_s
        if chunk.t - last.t > duration + _GAP_S:
            self._append(chunk.start_s, last.t + duration, last.frame)
            self._begin(chunk.start_s, chunk.t, chunk.frame)
            return
        if duration <= 0:
            return
        start_s, t = self._anchor
        ahead = chunk.start_s - start_s
        low = (chunk.t - self._tolerance - t) / ahead
        high = (chunk.t + self._tolerance - t) / ahead
        slopes = max(self._slopes[0], low), min(self._slopes[1], high)
        if slopes[0] <= slopes[1]:
            self._slopes = slopes
            return
        self._begin(last.start_s, max(t, last.t), last.frame)
        self._slopes = (
            max(0.0, (chunk.t - self._tolerance - last.t) / duration),
            (chunk.t + self._tolerance - last.t) / duration,
        )

    def _begin(self, start_s: float, t: float, frame: int) -> None:
        self._append(start_s, t, frame)
        self._anchor = start_s, t
        self._slopes = (0.0, float("inf"))
        if len(self._points) > MAX_POINTS:
            self._points = [*self._points[:-1:2], self._points[-1]]
            self._tolerance *= 2
            self.halvings += 1

    def _append(self, start_s: float, t: float, frame: int) -> None:
        point = (round(start_s, 3), round(t, 3), frame)
        if not self._points or self._points[-1] != point:
            self._points.append(point)

    @property
    def settled(self) -> int:
        """How many of the points stay as they are, until half of them are dropped."""
        return len(self._points)

    def points(self, end_s: float, start: int = 0) -> list[Point]:
        """The curve, to the end of the stream at a position.

        Args:
            start: index of the first point that is wanted.
        """
        if self._last is None:
            return []
        last, rest = self._last, max(0.0, end_s - self._last.start_s)
        points = self._points[start:]
        before = self._points[-1]
        for a, t in ((last.start_s, last.t), (end_s, last.t + rest)):
            end = (round(a, 3), round(t, 3), last.frame)
            if end != before:
                points.append(end)
            before = end
        return points
