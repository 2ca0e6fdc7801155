"""Levels of decoded audio over a complete stream: silence, clipping, offset, speech.

The stream is measured in steps of 25 ms. What holds for consecutive steps becomes a region.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .regions import Locator, RegionCollector, stretches_of
from .report import (
    CLIPPING,
    DC_OFFSET,
    DIGITAL_SILENCE,
    NEAR_SILENCE,
    AudioFault,
    Region,
    Regions,
    SpeechSoFar,
)
from .rows import row_means, row_products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.int16] | NDArray[np.float32]

STEP_S = 0.025
FULL_SCALE = 32768.0
SILENT_FAULT_S = 3.0  # of digital silence, from which on it is a fault
_SILENT_REGION_S = 0.2
# By how much rounding may make the RMS of a step exceed its span, at most: of it, and of the mean.
_ROUNDING, _ROUNDING_SHARE = 1.0, 0.02
_QUIET_RMS = 33.0  # -60 dBFS: speech below is lost in any recognizer
_QUIET_REGION_S = 2.0
_MIN_QUIET_SOUNDS = 0.25  # share of near-silence that is not digital silence
_QUIET_FAULT_S = 8.0  # a shorter one may be a pause
_QUIET_STREAM_S = 3.0  # the same for a stream that has nothing else
_MIN_QUIET_RMS = 0.5  # less is digital silence with a few bits set
# Mean square of the levels over the square of their mean: 1.0 for the noise of a room, and higher
# where sounds and pauses alternate.
_MODULATION = 1.3
_LOW_RATE = 11_025  # Hz up to which a run of one less counts
_LOWEST_HZ = 50.0  # of a voice
_PEAK_ANGLE = math.radians(28)  # of a sine at full scale, at the highest code of G.711
_CLIP_GAP_S = 1.5  # between words
_OFFSET = 655.0  # 2 % of full scale
_OFFSET_STEPS = 21  # over which an offset is averaged, about half a second
_OFFSET_OVER_RUMBLE = 3.0
_OFFSET_REGION_S = 1.0
_FLOOR_STEPS = 400  # of which the background level is estimated: 10 s
_SPEECH_DB = 9.0  # above the background
_SPEECH_RMS = 58.0  # -55 dBFS
_MIN_SPEECH_S, _SPEECH_GAP_S = 0.1, 0.3


@dataclass(frozen=True, slots=True)
class Scale:
    """What full scale and silence are in samples of an encoding, in units of 16-bit samples.

    Attributes:
        top: the lowest magnitude that counts as full scale.
        silent_span: the largest difference between samples of digital silence.
        clipped: the share of samples at full scale from which on a stretch is clipped.
        run: consecutive samples at full scale that count; a single one may be a peak.
        rounded: whether full scale stands for a range of samples, in which a round peak may be.
    """

    top: float = 32767.0
    silent_span: float = 0.0
    clipped: float = 0.01
    run: int = 3
    rounded: bool = False


@dataclass(frozen=True, slots=True)
class StepLevels:
    """Consecutive steps of a stream.

    Attributes:
        energy: sum of the squares of the samples of each step.
        means: mean of the samples of each.
        samples: number of samples of each, those of all channels.
    """

    energy: NDArray[np.float64]
    means: NDArray[np.float32]
    samples: int


@dataclass(frozen=True, slots=True)
class Levels:
    """What a `SignalMeter` has measured; the attributes are those of `AudioReport`."""

    rms_dbfs: float | None
    peak_dbfs: float | None
    speech_dbfs: float | None
    dc_offset: float
    clipped_share: float
    silence: Regions
    near_silence: Regions
    clipping: Regions
    speech: Regions
    channel_correlation: float | None
    quieter_channel_dbfs: float | None
    faults: tuple[AudioFault, ...]


def dbfs(rms: float) -> float | None:
    """A magnitude as decibels below full scale, None for zero."""
    return round(20 * math.log10(rms / FULL_SCALE), 1) if rms > 0 else None


class SignalMeter:
    """Measures a stream of samples, block by block, in bounded memory.

    Args:
        locator: finds the frames of positions.
    """

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._samples = 0
        self._energy = 0.0
        self._sum = 0.0
        self._peak = 0.0
        self._clipped = 0
        self._clip_share = Scale().clipped
        self._speech_energy = self._speech_steps = 0.0
        self._seconds = 0.0
        self._cross = np.zeros(3)  # sums of LL, RR and LR
        self._crossed = 0  # samples of each channel in them
        self._recent = np.empty(0, np.float32)  # RMS of the latest steps
        self._recent_means = np.empty(0, np.float32)
        self._silence = RegionCollector(_SILENT_REGION_S, 0.0)
        self._quiet = RegionCollector(_QUIET_REGION_S, 0.0)
        self._clipping = RegionCollector(0.1, _CLIP_GAP_S)
        self._offset = RegionCollector(_OFFSET_REGION_S, 0.3)
        self._speech = RegionCollector(_MIN_SPEECH_S, _SPEECH_GAP_S)

    def feed(
        self,
        samples: Samples,
        floats: NDArray[np.float32],
        channels: int,
        rate: int,
        start_s: float,
        scale: Scale,
    ) -> StepLevels | None:
        """Measure the next samples.

        Args:
            samples: interleaved samples in units of 16-bit samples, also where they are floats; a
                part of a step at the end is counted but has no place.
            floats: the same as floats.
            channels: their number.
            rate: samples of one channel a second.
            start_s: position of the first one.
            scale: what is full scale.

        Returns:
            The levels of the steps; None if there is no complete one.
        """
        step = step_samples(rate) * channels
        count = len(samples) // step
        if count == 0:
            return None
        block = samples[: count * step].reshape(count, step)
        floats = floats[: count * step].reshape(count, step)
        energy = row_products(floats, floats).astype(np.float64)
        means = row_means(floats)
        high, low = float(block.max()), float(block.min())
        step_s = step_samples(rate) / rate
        self._total(energy, means, step)
        self._peak = max(self._peak, high, -low)
        self._seconds = start_s + count * step_s
        # Without the offset: a constant is silence.
        rms = np.sqrt(np.maximum(energy / step - means.astype(np.float64) ** 2, 0.0))
        silent = _silent_steps(block, rms, means, scale.silent_span)
        self._silence.feed(silent, start_s, step_s, self._locator)
        self._find_quiet(rms, silent, start_s, step_s)
        self._find_offset(means, start_s, step_s)
        self._find_speech(rms, start_s, step_s)
        self._clip_share = scale.clipped
        if high >= scale.top or low <= -scale.top:
            least = scale.run if rate > _LOW_RATE else max(1, scale.run - 1)
            self._find_clipping(block, channels, scale, least, start_s, step_s)
        if channels >= 2:
            self._correlate(floats.reshape(-1, channels))
        return StepLevels(energy, means, step)

    def _total(self, energy: NDArray[np.float64], means: NDArray[np.float32], step: int) -> None:
        self._samples += len(energy) * step
        self._energy += float(energy.sum())
        self._sum += float(means.sum(dtype=np.float64)) * step

    def _find_quiet(
        self, rms: NDArray[np.float64], silent: NDArray[np.bool_], start_s: float, step_s: float
    ) -> None:
        quiet = rms < _QUIET_RMS
        if not quiet.any():
            return

        def weigh() -> tuple[NDArray[np.float64], ...]:
            return rms * step_s, rms**2 * step_s, (~silent).astype(np.float64) * step_s

        self._quiet.feed(quiet, start_s, step_s, self._locator, weigh)

    def _find_offset(self, means: NDArray[np.float32], start_s: float, step_s: float) -> None:
        joined = np.concatenate((self._recent_means, means))
        known = len(self._recent_means)
        self._recent_means = joined[-_OFFSET_STEPS + 1 :]
        if len(joined) < _OFFSET_STEPS:
            return
        average, spread = _moving(joined, _OFFSET_STEPS)
        middle = start_s + (_OFFSET_STEPS // 2 - known) * step_s
        # The rumble of wind and rooms varies as much as it offsets.
        offset = np.abs(average) > np.maximum(_OFFSET, _OFFSET_OVER_RUMBLE * spread)
        self._offset.feed(offset, middle, step_s, self._locator, lambda: (average,))

    def _find_speech(self, rms: NDArray[np.float64], start_s: float, step_s: float) -> None:
        recent = np.concatenate((self._recent, rms.astype(np.float32)))[-_FLOOR_STEPS:]
        self._recent = recent
        floor = float(np.partition(recent, len(recent) // 10)[len(recent) // 10])
        least = max(_SPEECH_RMS, floor * 10 ** (_SPEECH_DB / 20))
        loud = rms > least
        self._speech.feed(loud, start_s, step_s, self._locator)
        self._speech_energy += float((rms[loud] ** 2).sum())
        self._speech_steps += float(loud.sum())

    def _find_clipping(
        self,
        block: Samples,
        channels: int,
        scale: Scale,
        least: int,
        start_s: float,
        step_s: float,
    ) -> None:
        marks = np.zeros(block.size, np.bool_)
        flat = block.reshape(-1)
        for sign in (1, -1):
            for channel in range(channels):
                samples = flat[channel::channels]
                found = _runs(samples >= scale.top if sign > 0 else samples <= -scale.top, least)
                if scale.rounded:
                    longest = (
                        block.shape[1] / channels / STEP_S / _LOWEST_HZ * _PEAK_ANGLE / math.tau
                    )
                    found = _flat_runs(found, samples * (sign / scale.top), longest)
                marks[channel::channels] |= found
        counts = marks.reshape(block.shape).sum(axis=1)
        total = int(counts.sum())
        if not total:
            return
        self._clipped += total
        share = counts / block.shape[1]
        self._clipping.feed(counts > 0, start_s, step_s, self._locator, lambda: (share * step_s,))

    def _correlate(self, frames: NDArray[np.float32]) -> None:
        left, right = frames[:, 0], frames[:, 1]
        self._cross += (left @ left, right @ right, left @ right)
        self._crossed += len(left)

    def result(self) -> Levels:
        """The result for all samples so far."""
        count = max(1, self._samples)
        speech_rms = (
            math.sqrt(self._speech_energy / self._speech_steps) if self._speech_steps else 0
        )
        power = float(np.sqrt(self._cross[0] * self._cross[1]))
        quieter = math.sqrt(float(min(self._cross[:2])) / max(1, self._crossed))
        clipping = [
            s.where
            for s in self._clipping.stretches()
            if _is_clipped(s.weights[0], s.where, self._clip_share)
        ]
        return Levels(
            rms_dbfs=dbfs(math.sqrt(self._energy / count)),
            peak_dbfs=dbfs(min(self._peak, FULL_SCALE)),
            speech_dbfs=dbfs(speech_rms),
            dc_offset=self._sum / count / FULL_SCALE,
            clipped_share=self._clipped / count,
            silence=self._silence.regions(),
            near_silence=_as_regions([where for where, _, _ in self._quiet_regions()]),
            clipping=_as_regions(clipping),
            speech=self._speech.regions(),
            channel_correlation=float(self._cross[2]) / power if power else None,
            quieter_channel_dbfs=dbfs(quieter),
            faults=tuple(self._faults()),
        )

    def speech_until(self, at_s: float) -> SpeechSoFar:
        """The speech up to a position, one of the latest ones."""
        seconds, end_s = self._speech.until(at_s)
        last_ns = None if end_s is None else self._locator.frame_at(end_s - 1e-3)[1]
        return SpeechSoFar(seconds, last_ns)

    def _faults(self) -> list[AudioFault]:
        out = [
            AudioFault(DIGITAL_SILENCE, region, {"seconds_s": round(region.seconds, 2)})
            for region in self._silence.regions().kept
            if region.seconds >= SILENT_FAULT_S
        ]
        out += self._quiet_faults()
        for stretch in self._clipping.stretches():
            if _is_clipped(stretch.weights[0], stretch.where, self._clip_share):
                percent = 100 * stretch.weights[0] / stretch.where.seconds
                out.append(
                    AudioFault(CLIPPING, stretch.where, {"clipped_percent": round(percent, 2)})
                )
        for stretch in self._offset.stretches():
            steps = max(1, round(stretch.held / STEP_S))
            percent = 100 * stretch.weights[0] / steps / FULL_SCALE
            out.append(AudioFault(DC_OFFSET, stretch.where, {"offset_percent": round(percent, 1)}))
        return out

    def _quiet_regions(self) -> list[tuple[Region, float, float]]:
        """Stretches of near-silence, with the mean of their levels and its modulation."""
        out = []
        for stretch in self._quiet.stretches():
            seconds, (levels, squares, sounds) = stretch.where.seconds, stretch.weights
            mean = levels / seconds
            if mean >= _MIN_QUIET_RMS and sounds >= _MIN_QUIET_SOUNDS * seconds:
                out.append((stretch.where, mean, squares / seconds / mean**2))
        return out

    def _quiet_faults(self) -> list[AudioFault]:
        out = []
        for where, mean, modulation in self._quiet_regions():
            complete = where.seconds >= 0.9 * self._seconds
            least = _QUIET_STREAM_S if complete else _QUIET_FAULT_S
            if where.seconds >= least and modulation >= _MODULATION:
                level = math.sqrt(modulation) * mean
                figures = {"level_dbfs": dbfs(level) or 0.0, "seconds_s": round(where.seconds, 2)}
                out.append(AudioFault(NEAR_SILENCE, where, figures))
        return out


def _silent_steps(
    block: Samples, rms: NDArray[np.float64], means: NDArray[np.float32], span: float
) -> NDArray[np.bool_]:
    """Which steps are digital silence: their samples differ by no more than a span.

    The samples are looked at only where the RMS, which rounding makes inexact, is low enough.
    """
    out: NDArray[np.bool_] = rms <= span + _ROUNDING + _ROUNDING_SHARE * np.abs(means)
    low = np.flatnonzero(out)
    if len(low):
        steps = block[low]
        out[low] = steps.max(axis=1).astype(np.float32) - steps.min(axis=1) <= span
    return out


def _moving(
    values: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each `count` consecutive values."""
    means = []
    for summed in (values, np.square(values, dtype=np.float64)):
        sums = np.concatenate(([0.0], np.cumsum(summed, dtype=np.float64)))
        means.append((sums[count:] - sums[:-count]) / count)
    return means[0], np.sqrt(np.maximum(means[1] - means[0] ** 2, 0.0))


def _as_regions(kept: list[Region]) -> Regions:
    return Regions(len(kept), sum(region.seconds for region in kept), tuple(kept))


def step_samples(rate: int) -> int:
    """Samples of one channel in a step."""
    return max(1, round(rate * STEP_S))


def _is_clipped(weight: float, where: Region, share: float) -> bool:
    return where.seconds >= 0.2 and weight >= share * where.seconds


def _runs(marks: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Only those marks that are in runs of at least `least`."""
    if len(marks) < least:
        return np.zeros_like(marks)
    inside = marks[least - 1 :].copy()
    for shift in range(least - 1):
        inside &= marks[shift : len(marks) - least + 1 + shift]
    out = np.zeros_like(marks)
    for shift in range(least):
        out[shift : shift + len(inside)] |= inside
    return out


def _flat_runs(
    marks: NDArray[np.bool_], levels: NDArray[np.floating], longest: float
) -> NDArray[np.bool_]:
    """Only those runs at full scale that are not the peak of a sine.

    A sine is at the highest code of G.711 for _PEAK_ANGLE. From the length of a run follows how
    far the samples beside it can be below full scale; those beside a cut peak are lower.

    Args:
        marks: the runs.
        levels: samples as shares of full scale, with the sign of these runs.
        longest: samples of the longest run that a voice can have unclipped.
    """
    begins, ends = stretches_of(marks)
    beside = np.minimum(
        levels[np.maximum(begins - 1, 0)], levels[np.minimum(ends, len(levels) - 1)]
    )
    step = _PEAK_ANGLE / np.maximum(ends - begins - 1, 1)
    out = np.zeros_like(marks)
    cut = (beside < np.cos(_PEAK_ANGLE / 2 + step)) | (ends - begins > longest)
    for begin, end in zip(begins[cut].tolist(), ends[cut].tolist(), strict=True):
        out[begin:end] = True
    return out
