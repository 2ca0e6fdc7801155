"""The sample rate that the arrival of audio implies.

A microphone delivers as many samples a second as its rate says, whatever the session declares:
4096 samples each 85.3 ms are 48 kHz. A program that sends a file can do so at any pace, often at
a multiple of the real one. So a pace alone is evidence only where nobody would choose it; for
simple multiples, the size of chunks or the pitch of the voice has to agree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wsproxy.statistics import median

from .regions import Locator
from .report import WRONG_RATE, AudioFault, RateEstimate
from .voice_pitch import VoicePitch

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RATES = (8000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000, 192_000)
_CAPTURE_RATES = (44_100, 48_000)  # of the sound cards of computers and phones
_BUCKET_NS = 1_000_000_000
_TOLERANCE = 0.03  # of one bucket, for the jitter of timers
_FIRM = 0.015  # of all of them
_MIN_BUCKETS = 3
_MAX_GAP_NS = 4 * _BUCKET_NS
_WRONG = 0.07  # of the declared rate, from which on another one is reported
_LOW_VOICE, _HIGH_VOICE = 72.0, 260.0  # Hz; hardly any voice is lower or higher
_MAX_FILE_PACE = 4.0  # times real time; hardly any program paces a file faster
_SIZES = tuple(128 << n for n in range(1, 8))  # chunks of Web Audio, in samples
_MAX_SIZES = 256  # different sizes of chunks that are counted
_MAX_RUNS = 400


@dataclass(slots=True)
class _Run:
    """Consecutive buckets with the same implied rate.

    Attributes:
        rate: a standard rate.
        declared: the declared one.
        start_s, end_s: positions, by the declared rate.
        audio_s, wall_s: sums of the buckets.
        buckets: their number.
        sizes: how many chunks have which number of samples of one channel.
    """

    rate: int
    declared: int
    start_s: float
    end_s: float
    audio_s: float = 0.0
    wall_s: float = 0.0
    buckets: int = 0

    @property
    def factor(self) -> float:
        """Seconds of audio, by the declared rate, that arrive in a second."""
        return self.audio_s / self.wall_s

    @property
    def arrival_rate(self) -> float:
        return self.factor * self.declared


class ArrivalRate:
    """Estimates the real sample rate of a stream.

    Args:
        locator: finds the frames of positions.
        pitch: of the voice in the same stream.
    """

    def __init__(self, locator: Locator, pitch: VoicePitch) -> None:
        self._locator = locator
        self._pitch = pitch
        self._runs: list[_Run] = []
        self._regions: dict[int, tuple[int, int, int]] = {}
        self._mixed: tuple[float, float, float] | None = None  # of the latest bucket without a rate
        self._bucket: list[float] | None = None  # its first time, first position, audio
        self._sizes: Counter[int] = Counter()
        self._intervals: list[float] = []
        # Whether audio of the latest chunks came at another pace than the declared rate says.
        # Only then does the pitch of voices matter.
        self.is_doubtful = False

    def feed(
        self,
        times: NDArray[np.int64],
        starts: NDArray[np.float64],
        seconds: NDArray[np.float64],
        rate: int,
    ) -> None:
        """Add chunks.

        Args:
            times: when each one arrived, ns.
            starts: their positions, s.
            seconds: their durations by the declared rate.
            rate: the declared rate.
        """
        self._count_sizes(times, seconds, rate)
        self.is_doubtful = False
        buckets = times // _BUCKET_NS
        firsts = np.append(0, np.flatnonzero(buckets[1:] != buckets[:-1]) + 1)
        sums = np.add.reduceat(seconds, firsts)
        # A bucket ends with the first chunk of the next one.
        for at, total in zip(firsts.tolist(), sums.tolist(), strict=True):
            t_ns, start = int(times[at]), float(starts[at])
            if self._bucket is None:
                self._bucket = [t_ns, start, total]
            elif t_ns // _BUCKET_NS == int(self._bucket[0]) // _BUCKET_NS:
                self._bucket[2] += total
            else:
                self._end_bucket(t_ns, start, rate)
                self._bucket = [t_ns, start, total]

    def _count_sizes(
        self, times: NDArray[np.int64], seconds: NDArray[np.float64], rate: int
    ) -> None:
        samples, counts = np.unique(np.rint(seconds * rate), return_counts=True)
        for size, count in zip(samples.astype(np.int64).tolist(), counts.tolist(), strict=True):
            if size in self._sizes or len(self._sizes) < _MAX_SIZES:
                self._sizes[size] += count
        if len(self._intervals) < 1000:
            self._intervals += (np.diff(times)[:1000] / 1e6).tolist()

    def _end_bucket(self, t_ns: int, position: float, rate: int) -> None:
        assert self._bucket is not None
        begun, start, audio = self._bucket
        wall = t_ns - begun
        if wall > _MAX_GAP_NS or audio <= 0:
            self._mixed = None
            return
        factor = audio / wall * 1e9
        found = _standard(factor * rate, _TOLERANCE)
        if abs(found / rate - 1) >= _WRONG:
            self.is_doubtful = True
        run = self._runs[-1] if self._runs else None
        if not found:
            self._mixed = (start, position, factor)
            if run is not None and run.end_s == start:
                run.end_s = start  # extended when the next bucket is known
            return
        if run is None or run.rate != found or run.declared != rate:
            start = self._split(run, factor, start, found / rate)
            if len(self._runs) >= _MAX_RUNS:
                del self._runs[1]
            run = _Run(found, rate, start, position)
            self._runs.append(run)
        run.end_s = position
        run.audio_s += audio
        run.wall_s += wall / 1e9
        run.buckets += 1
        self._mixed = None

    def _split(self, run: _Run | None, factor: float, start: float, new: float) -> float:
        """Where a new pace begins in the bucket in which it changed."""
        if self._mixed is None or run is None or self._mixed[1] != start:
            return start
        begin, end, mixed = self._mixed
        old = run.factor
        if abs(new - old) < 0.05:
            return start
        share = min(1.0, max(0.0, (mixed - old) / (new - old)))  # of the time, at the new pace
        wall = (end - begin) / mixed
        at = end - share * wall * new
        run.end_s = at
        return at

    # -- results

    def estimate(self) -> RateEstimate | None:
        """The rate that most of the stream implies; None if it has no steady pace."""
        walls: defaultdict[int, float] = defaultdict(float)
        for run in self._runs:
            walls[run.rate] += run.wall_s
        rate = max(walls, key=lambda rate: walls[rate], default=0)
        runs = [run for run in self._runs if run.rate == rate]  # before a pause, and after it
        if sum(run.buckets for run in runs) < _MIN_BUCKETS or not self._intervals:
            return None
        arrival_rate = sum(run.audio_s * run.declared for run in runs) / walls[rate]
        size = self._sizes.most_common(1)[0][0]
        interval = median(self._intervals)
        return RateEstimate(rate, round(arrival_rate, 0), size, round(interval, 1))

    def faults(self) -> list[AudioFault]:
        """The stretches whose rate is not the declared one."""
        estimate = self.estimate()
        if estimate is None:
            return []
        out = []
        for run in self._merged():
            if self._is_wrong(run, estimate.chunk_samples):
                figures: dict[str, float | str] = {
                    "declared_hz": float(run.declared),
                    "found_hz": float(run.rate),
                    "arrival_hz": round(run.arrival_rate),
                    "pace": round(run.factor, 2),
                    "chunk_samples": float(estimate.chunk_samples),
                    "interval_ms": round(1000 * estimate.chunk_samples / run.arrival_rate, 1),
                }
                out.append(
                    AudioFault(WRONG_RATE, self._locator.region(run.start_s, run.end_s), figures)
                )
        return out

    def _merged(self) -> list[_Run]:
        out: list[_Run] = []
        for run in self._runs:
            last = out[-1] if out else None
            if (
                last is not None
                and (last.rate, last.declared) == (run.rate, run.declared)
                and run.start_s - last.end_s < 5.0
            ):
                last.end_s = run.end_s
                last.audio_s += run.audio_s
                last.wall_s += run.wall_s
                last.buckets += run.buckets
            else:
                out.append(_Run(**{name: getattr(run, name) for name in run.__slots__}))
        return out

    def _is_wrong(self, run: _Run, chunk: int) -> bool:
        ratio = run.rate / run.declared
        if run.buckets < _MIN_BUCKETS or abs(ratio - 1) < _WRONG:
            return False
        if abs(run.arrival_rate / run.rate - 1) > _FIRM:
            return False
        captured = chunk in _SIZES and run.rate in _CAPTURE_RATES
        voice = self._pitch.median(run.start_s, run.end_s)
        if voice is not None and 1.9 < ratio < _MAX_FILE_PACE and voice * ratio > _HIGH_VOICE:
            return False
        if captured:
            return True
        if ratio > _MAX_FILE_PACE and voice is not None:
            # The pitch of a voice that is played so slowly is lost among its overtones.
            return not _LOW_VOICE <= voice <= _HIGH_VOICE
        if ratio.is_integer() or ratio < 1:  # a file may be sent at so many times its pace
            return voice is not None and (voice < _LOW_VOICE if ratio > 1 else voice > _HIGH_VOICE)
        return True


def _standard(rate: float, tolerance: float) -> int:
    """The standard rate near this one, 0 if there is none."""
    at = bisect_left(_RATES, rate)
    for standard in _RATES[max(0, at - 1) : at + 1]:  # far more than this tolerance apart
        if abs(standard - rate) <= tolerance * standard:
            return standard
    return 0
