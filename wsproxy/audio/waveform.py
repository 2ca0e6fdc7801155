"""The waveform of a stream: the lowest and the highest sample of each short interval."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .signal_meter import Samples

PER_SECOND = 50.0  # intervals of a stream that is not long
MAX_INTERVALS = 30_000  # beyond, pairs of intervals are joined
FULL = 127  # full scale of a peak


class Waveform:
    """Collects peaks while a stream is decoded, in bounded memory.

    Attributes:
        per_second: intervals in a second of audio; halved whenever there are too many.
    """

    def __init__(self) -> None:
        self.per_second = PER_SECOND
        self._seconds = 0.0
        self._low, self._high = array("b"), array("b")

    def add(self, samples: Samples, channels: int, rate: int) -> None:
        """Add samples; arguments as for `SampleListener.add_samples`."""
        by_time = samples[: len(samples) // channels * channels].reshape(-1, channels)
        count = len(by_time)
        if not count:
            return
        begin, self._seconds = self._seconds, self._seconds + count / rate
        first = int(begin * self.per_second + 1e-6)
        last = int(self._seconds * self.per_second - 1e-6)
        edges = np.arange(first, last + 1) / self.per_second
        starts = np.clip(np.ceil((edges - begin) * rate - 1e-3), 0, count - 1).astype(np.intp)
        lows = np.minimum.reduceat(by_time.min(axis=1), starts)
        highs = np.maximum.reduceat(by_time.max(axis=1), starts)
        self._merge(first, _scaled(np.floor(lows / 256.0)), _scaled(np.ceil(highs / 256.0)))
        while len(self._low) > MAX_INTERVALS:
            self._halve()

    def _merge(self, first: int, lows: list[int], highs: list[int]) -> None:
        """Add intervals from a number on; the first of them may have been begun before."""
        if first < len(self._low):
            self._low[-1] = min(self._low[-1], lows.pop(0))
            self._high[-1] = max(self._high[-1], highs.pop(0))
        self._low.extend(lows)
        self._high.extend(highs)

    def _halve(self) -> None:
        self.per_second /= 2
        for peaks, pick in ((self._low, min), (self._high, max)):
            peaks[:] = array("b", [pick(peaks[at : at + 2]) for at in range(0, len(peaks), 2)])

    @property
    def low(self) -> array[int]:
        """The lowest sample of each interval, -127 to 127 at full scale."""
        return self._low

    @property
    def high(self) -> array[int]:
        """The highest sample of each interval, likewise."""
        return self._high


def _scaled(peaks: NDArray[np.floating]) -> list[int]:
    out: list[int] = np.clip(peaks, -FULL, FULL).astype(int).tolist()
    return out
