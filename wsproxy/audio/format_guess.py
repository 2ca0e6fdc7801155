"""What raw samples really are, window by window of a complete stream.

A sample of audio can be predicted from those before it. Bytes that are decoded as something else
are noise. Where another encoding than the declared one gives audio that is much better to predict,
the samples are in that other encoding. Noise and silence are alike in all, and decide nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .encodings import Encoding, encoding_named
from .pcm_decoding import decode_pcm
from .predictability import alternation, level_and_smoothness, prediction_errors
from .regions import Locator, RegionCollector
from .report import (
    BYTE_ORDER,
    COMPANDED_AS_PCM,
    FLOAT_AS_INT,
    INT_AS_FLOAT,
    OTHER_FLOAT,
    OTHER_LAW,
    PCM_AS_COMPANDED,
    STEREO_AS_MONO,
    AudioFault,
    Region,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .signal_meter import Samples

    Windows = NDArray[np.float32]

_QUIET = 100.0  # RMS of the declared decoding below which a window decides nothing: -50 dBFS
_SMOOTH = 0.8  # correlation of neighbors from which on samples are not examined further
_PREDICTABLE = 0.25  # error of a prediction below which the declared encoding is right
_MAX_ERROR = 0.35  # of another encoding
_MIN_GAIN = 0.4  # of the errors of another encoding and of the declared one
_LAW_WINDOWS, _LAW_GAIN = 5, 0.75  # the same for the two laws of G.711, which are alike
_MAX_LAW_ERROR = 0.5
_STEREO_ERROR, _STEREO_GAIN = 0.5, 0.7
_ALTERNATING, _PERHAPS_ALTERNATING = 0.3, 0.7
_PAIR_SAMPLES = 1024  # of a window, in which pairs are examined
_LOUD_FLOATS = 4.0 * 32768 * 0.99
_MIN_FAULT_S = {STEREO_AS_MONO: 1.5}
_MIN_OTHER_FAULT_S = 0.7
_MIN_SHARE = {STEREO_AS_MONO: 0.5}  # of the windows of a fault in which it is found
_MIN_OTHER_SHARE = 0.3
_BRIDGE_S = 2.5  # of windows that decide nothing
_RIGHT_WINDOWS = 2  # in the declared format, which end a fault
_REMEMBERED = 16  # windows that decide nothing, before a fault that may belong to it
_HUSH = 10.0  # times that a pause is quieter in the right encoding

# The laws of G.711 last: in the other one, anything is a little better that is wrong in both.
_ALTERNATIVES = (
    "linear16", "pcm_s16be", "float32", "float64", "pcm_f32be", "mulaw", "alaw",
)  # fmt: skip


def _guesses(declared: Encoding) -> dict[str, Encoding]:
    found = {name: encoding_named(name) for name in _ALTERNATIVES}
    return {n: e for n, e in found.items() if e is not None and e is not declared}


class FormatGuess:
    """Finds the windows that are in another format than the declared one.

    Args:
        encoding: the declared encoding.
        name: its name.
        channels: the declared number of channels.
        locator: finds the frames of positions.
    """

    def __init__(self, encoding: Encoding, name: str, channels: int, locator: Locator) -> None:
        self._declared = encoding
        self._name = name
        self._channels = channels
        self._locator = locator
        self._guesses = _guesses(encoding)
        self._collectors: dict[str, RegionCollector] = {}
        self._undecided: deque[tuple[float, frozenset[str], Region]] = deque(maxlen=_REMEMBERED)
        self._last = ""  # the fault that has not ended yet
        self._right = 0  # windows in the declared format since then

    def feed(
        self, raw: bytes, samples: Samples, count: int, start_s: float, window_s: float
    ) -> None:
        """Examine the next windows.

        Args:
            raw: their bytes.
            samples: the same, decoded as declared.
            count: their number.
            start_s: position of the first one.
            window_s: duration of each.
        """
        windows = samples.reshape(count, -1).astype(np.float32, copy=False)
        rms, smooth = level_and_smoothness(windows, self._channels)
        sound = rms > _QUIET
        right = sound & (smooth >= _SMOOTH)
        labels = ["ok" if is_right else "" for is_right in right.tolist()]
        hushed: dict[int, frozenset[str]] = {}
        rows = np.frombuffer(raw, np.uint8).reshape(count, -1)
        # The laws of G.711 are so alike that samples are smooth in both.
        examined = np.flatnonzero(sound if self._declared.law else sound & ~right)
        if len(examined):
            hushed = self._classify(rows, windows, examined, labels)
            # Some windows may be smooth in the declared encoding by chance.
            if len(examined) < sound.sum() and (self._last or set(labels) - {"", "ok"}):
                hushed = self._classify(rows, windows, np.flatnonzero(sound), labels)
        if self._channels == 1:
            self._label_pairs(windows, np.flatnonzero(sound), labels)
        self._collect(labels, sound.tolist(), hushed, start_s, window_s)

    def _label_pairs(self, windows: Windows, numbers: NDArray[np.intp], labels: list[str]) -> None:
        """Label windows in which two similar channels alternate."""
        if not len(numbers):
            return
        ratios = alternation(windows[numbers, :_PAIR_SAMPLES])
        for at, ratio in zip(numbers.tolist(), ratios.tolist(), strict=True):
            if labels[at] not in ("", "ok"):
                continue
            if ratio < _ALTERNATING:
                labels[at] = STEREO_AS_MONO
            elif ratio < _PERHAPS_ALTERNATING and self._last == STEREO_AS_MONO:
                labels[at] = ""

    def _classify(
        self,
        all_rows: NDArray[np.uint8],
        all_windows: Windows,
        examined: NDArray[np.intp],
        labels: list[str],
    ) -> dict[int, frozenset[str]]:
        """Label windows by the encoding in which they are the best to predict.

        Returns:
            The encodings in which windows are quiet that are loud as declared.
        """
        rows, windows, numbers = all_rows[examined], all_windows[examined], examined.tolist()
        levels, errors, second_errors = prediction_errors(windows)
        best = np.minimum(errors * _MIN_GAIN, _MAX_ERROR)
        found = [""] * len(rows)
        quiet: dict[int, set[str]] = {}
        for name, encoding in self._guesses.items():
            other_levels, other_errors = _try(rows, encoding)
            if encoding.law is not None and self._declared.law is not None:
                _label_law(errors, other_errors, name, found)
                continue
            for at in np.flatnonzero(other_errors < best).tolist():
                best[at] = other_errors[at]
                found[at] = name
            for at in np.flatnonzero(other_levels < np.minimum(levels / _HUSH, _QUIET)).tolist():
                quiet.setdefault(numbers[at], set()).add(name)
        stereo = (second_errors < _STEREO_ERROR) & (errors > _STEREO_GAIN * second_errors)
        for at, number in enumerate(numbers):
            if found[at]:
                labels[number] = found[at]
            elif labels[number] == "" and self._channels == 1 and stereo[at]:
                labels[number] = STEREO_AS_MONO
            elif labels[number] == "" and errors[at] < _PREDICTABLE:
                labels[number] = "ok"
        return {at: frozenset(names) for at, names in quiet.items()}

    def _collect(
        self,
        labels: list[str],
        sound: list[bool],
        hushed: dict[int, frozenset[str]],
        start_s: float,
        window_s: float,
    ) -> None:
        for number, label in enumerate(labels):
            first = start_s + number * window_s
            if label in ("", "ok"):
                self._note_other(number, label, sound[number], hushed, first, window_s)
                continue
            where = self._locator.region(first, first + window_s)
            if label != self._last:
                where = self._extended_back(label, where)
                self._last = label
            self._undecided.clear()
            self._right = 0
            self._collector(label).add(where, window_s)

    def _note_other(
        self,
        number: int,
        label: str,
        sound: bool,
        hushed: dict[int, frozenset[str]],
        first: float,
        window_s: float,
    ) -> None:
        if label == "ok":
            self._undecided.clear()
            self._right += 1
            if self._last and self._right >= _RIGHT_WINDOWS:
                self._collector(self._last).split()
                self._last = ""
        elif sound:
            where = self._locator.region(first, first + window_s)
            names = hushed.get(number, frozenset())
            self._undecided.append((first, names, where))
            # A pause of what was found before.
            if self._last in names:
                self._collector(self._last).add(where)

    def _extended_back(self, label: str, where: Region) -> Region:
        """The region with the pauses before it that are quiet in the same encoding."""
        for _, names, before in reversed(self._undecided):
            if label not in names or where.start_s - before.end_s > _BRIDGE_S:
                break
            where = Region(before.start_s, where.end_s, before.frame, before.t_ns, where.end_t_ns)
        return where

    def _collector(self, label: str) -> RegionCollector:
        found = self._collectors.get(label)
        if found is None:
            found = self._collectors[label] = RegionCollector(0.0, _BRIDGE_S)
        return found

    def faults(self) -> list[AudioFault]:
        """The faults so far."""
        found = [
            _Found(label, stretch.where, stretch.weight)
            for label, collector in self._collectors.items()
            for stretch in collector.stretches()
        ]
        found.sort(key=lambda one: one.where.start_s)
        out = []
        for label, where, weight in _joined(found):
            share = _MIN_SHARE.get(label, _MIN_OTHER_SHARE)
            least = _MIN_FAULT_S.get(label, _MIN_OTHER_FAULT_S)
            if weight >= max(least, share * where.seconds):
                out.append(AudioFault(self._kind(label), where, self._figures(label)))
        return out

    def _figures(self, label: str) -> dict[str, float | str]:
        if label == STEREO_AS_MONO:
            return {"declared": self._name, "declared_channels": 1.0, "found_channels": 2.0}
        return {"declared": self._name, "found": label}

    def _kind(self, label: str) -> str:
        if label == STEREO_AS_MONO:
            return STEREO_AS_MONO
        found = encoding_named(label)
        assert found is not None
        declared = self._declared
        if found.is_float:
            return OTHER_FLOAT if declared.is_float else FLOAT_AS_INT
        if declared.is_float:
            return INT_AS_FLOAT
        if declared.law is not None:
            return OTHER_LAW if found.law is not None else PCM_AS_COMPANDED
        return COMPANDED_AS_PCM if found.law is not None else BYTE_ORDER


class _Found(NamedTuple):
    """A stretch in another format, and the seconds of it in which the format was recognized."""

    label: str
    where: Region
    weight: float


def _joined(found: list[_Found]) -> list[_Found]:
    """Stretches that are interrupted by shorter ones of other formats, as one."""
    out: list[_Found] = []
    for one in found:
        last = out[-1] if out else None
        if last is None or one.where.start_s - last.where.end_s > _BRIDGE_S:
            out.append(one)
            continue
        small, large = sorted((last, one), key=lambda each: each.weight)
        if small.label != large.label and small.weight > _MIN_OTHER_SHARE * large.weight:
            out.append(one)
            continue
        end = max(last.where, one.where, key=lambda where: where.end_s)
        where = replace(last.where, end_s=end.end_s, end_t_ns=end.end_t_ns)
        out[-1] = _Found(large.label, where, last.weight + one.weight)
    return out


def _label_law(
    errors: NDArray[np.float64], other_errors: NDArray[np.float64], name: str, found: list[str]
) -> None:
    """Label windows that are better in the other law, with those around them."""
    gains = np.log(other_errors / errors)
    kernel = np.ones(min(_LAW_WINDOWS, len(gains)))
    mean = np.convolve(gains, kernel, "same") / np.convolve(np.ones(len(gains)), kernel, "same")
    for at in np.flatnonzero((mean < np.log(_LAW_GAIN)) & (other_errors < _MAX_LAW_ERROR)).tolist():
        found[at] = found[at] or name


def _try(
    rows: NDArray[np.uint8], encoding: Encoding
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """RMS and prediction error of windows that are decoded as another encoding."""
    size = rows.shape[1] // encoding.sample_bytes * encoding.sample_bytes
    data = np.ascontiguousarray(rows[:, :size]).tobytes()
    windows = decode_pcm(data, encoding).reshape(len(rows), -1).astype(np.float32, copy=False)
    levels, errors, _ = prediction_errors(windows)
    if encoding.is_float:
        wild = np.abs(windows) >= _LOUD_FLOATS
        zero = np.abs(windows) < 1e-3
        bad = (wild.mean(axis=1) > 0.01) | (zero.mean(axis=1) > 0.9)
        levels, errors = np.where(bad, np.inf, levels), np.where(bad, 1.0, errors)
    return levels, errors
