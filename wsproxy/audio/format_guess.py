"""What raw samples really are, window by window of a complete stream.

Audio is smooth: a sample resembles the one before it. Bytes that are decoded as something else
are not. Where the declared encoding gives noise, and another one gives smooth audio, the
samples are in that other encoding. Noise and silence are smooth in none, and decide nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .encodings import Encoding, encoding_named
from .pcm_decoding import decode_pcm
from .regions import Locator, RegionCollector
from .report import (
    BYTE_ORDER,
    COMPANDED_AS_PCM,
    FLOAT_AS_INT,
    INT_AS_FLOAT,
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
_SMOOTH = 0.8  # correlation of neighbors from which on the declared encoding is right
_MIN_SMOOTH = 0.55  # of another encoding
_MIN_GAIN = 0.3  # by which another encoding is smoother
_LOUD_FLOATS = 4.0 * 32768 * 0.99
_STEREO_LAG_2 = 0.5  # correlation with the sample before the last one
_STEREO_GAIN = 0.12
_PAIRS = 512  # of which equality is examined
_MIN_FAULT_S = 0.7
_BRIDGE_S = 2.5  # of windows that decide nothing
_REMEMBERED = 16  # such windows before a fault that may belong to it
_HUSH = 10.0  # times that a pause is quieter in the right encoding

_ALTERNATIVES = (
    "linear16", "pcm_s16be", "float32", "float64", "pcm_f32be", "mulaw", "alaw",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Guess:
    """Another encoding, and how smooth windows are in it."""

    name: str
    encoding: Encoding


def _guesses(declared: Encoding) -> list[_Guess]:
    found = ((name, encoding_named(name)) for name in _ALTERNATIVES)
    return [_Guess(n, e) for n, e in found if e is not None and e is not declared]


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
        self._last = ""  # the fault of the latest window that decided something

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
        rms, lag_1, lag_2 = _correlations(windows, self._channels)
        sound = rms > _QUIET
        stereo = np.zeros(count, np.bool_)
        if self._channels == 1:
            stereo = sound & (_is_interleaved(lag_1, lag_2) | _is_doubled(windows, lag_1))
        labels = np.where(stereo, STEREO_AS_MONO, np.where(sound & (lag_1 >= _SMOOTH), "ok", ""))
        rough = np.flatnonzero(sound & (labels == ""))
        hushed: dict[int, frozenset[str]] = {}
        if len(rough):
            rows = np.frombuffer(raw, np.uint8).reshape(count, -1)[rough]
            found, hushed = self._classify(rows, rms[rough], lag_1[rough], rough)
            labels = labels.astype(object)
            labels[rough] = found
        self._collect(labels.tolist(), sound.tolist(), hushed, start_s, window_s)

    def _classify(
        self,
        rows: NDArray[np.uint8],
        rms: NDArray[np.float64],
        lag_1: NDArray[np.float64],
        numbers: NDArray[np.intp],
    ) -> tuple[list[str], dict[int, frozenset[str]]]:
        """The encodings that make these windows smooth, and those that make them quiet."""
        best = np.maximum(lag_1 + _MIN_GAIN, _MIN_SMOOTH)
        labels = [""] * len(rows)
        hushed: dict[int, set[str]] = {}
        for guess in self._guesses:
            levels, smooth = _try(rows, guess.encoding)
            for at in np.flatnonzero(smooth > best).tolist():
                best[at] = smooth[at]
                labels[at] = guess.name
            for at in np.flatnonzero((levels * _HUSH < rms) & (levels < _QUIET)).tolist():
                hushed.setdefault(int(numbers[at]), set()).add(guess.name)
        return labels, {at: frozenset(names) for at, names in hushed.items()}

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
            found = self._collectors[label] = RegionCollector(_MIN_FAULT_S, _BRIDGE_S)
        return found

    def faults(self) -> list[AudioFault]:
        """The faults so far."""
        out = []
        for label, collector in self._collectors.items():
            for stretch in collector.stretches():
                if stretch.weight < _MIN_FAULT_S or stretch.weight < 0.3 * stretch.where.seconds:
                    continue
                out.append(AudioFault(self._kind(label), stretch.where, self._figures(label)))
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
            return BYTE_ORDER if declared.is_float else FLOAT_AS_INT
        if declared.is_float:
            return INT_AS_FLOAT
        if declared.law is not None:
            return OTHER_LAW if found.law is not None else PCM_AS_COMPANDED
        return COMPANDED_AS_PCM if found.law is not None else BYTE_ORDER


def _correlations(
    windows: Windows, channels: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of each window: RMS, and the correlation with the sample and the last but one before."""
    size = windows.shape[1]
    mean = windows.mean(axis=1, dtype=np.float64)
    power = np.einsum("ij,ij->i", windows, windows).astype(np.float64) / size - mean**2
    safe = np.maximum(power, 1e-3)
    out = []
    for lag in (channels, 2 * channels):
        product = np.einsum("ij,ij->i", windows[:, :-lag], windows[:, lag:]).astype(np.float64)
        out.append((product / (size - lag) - mean**2) / safe)
    return np.sqrt(np.maximum(power, 0.0)), out[0], out[1]


def _is_interleaved(lag_1: NDArray[np.float64], lag_2: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each sample resembles the last but one rather than the last one."""
    return (lag_2 > _STEREO_LAG_2) & (lag_2 - lag_1 > _STEREO_GAIN) & (lag_1 > -0.5)


def _is_doubled(windows: Windows, lag_1: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each sample is there twice."""
    first, second = windows[:, : 2 * _PAIRS : 2], windows[:, 1 : 2 * _PAIRS : 2]
    size = min(first.shape[1], second.shape[1])
    same = (first[:, :size] == second[:, :size]).mean(axis=1) > 0.98
    again = second[:, : size - 1] == first[:, 1:size]
    out: NDArray[np.bool_] = same & (again.mean(axis=1) < 0.6) & (lag_1 > 0.3)
    return out


def _try(
    rows: NDArray[np.uint8], encoding: Encoding
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """RMS and smoothness of windows that are decoded as another encoding."""
    size = rows.shape[1] // encoding.sample_bytes * encoding.sample_bytes
    data = np.ascontiguousarray(rows[:, :size]).tobytes()
    windows = decode_pcm(data, encoding).reshape(len(rows), -1).astype(np.float32, copy=False)
    rms, smooth, _ = _correlations(windows)
    if encoding.is_float:
        wild = np.abs(windows) >= _LOUD_FLOATS
        zero = np.abs(windows) < 1e-3
        bad = (wild.mean(axis=1) > 0.01) | (zero.mean(axis=1) > 0.9)
        rms, smooth = np.where(bad, np.inf, rms), np.where(bad, -1.0, smooth)
    return rms, smooth
