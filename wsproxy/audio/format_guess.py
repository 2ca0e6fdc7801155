"""What raw samples really are, window by window of a complete stream.

A sample of audio can be predicted from those before it. Bytes that are decoded as something else
are noise. Where another encoding than the declared one gives audio that is much better to predict,
the samples are in that other encoding. Noise and silence are alike in all, and decide nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from . import g711
from .encodings import Encoding, encoding_named
from .pcm_decoding import decode_pcm
from .predictability import (
    Prediction,
    alternates,
    level_and_smoothness,
    predict,
    unbalanced,
)
from .regions import Locator
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

    from .signal_meter import StepLevels

    Windows = NDArray[np.float32]

_QUIET = 100.0  # RMS of the declared decoding below which a window decides nothing: -50 dBFS
_SMOOTH = 0.8  # correlation of neighbors from which on samples are not examined further
_PREDICTABLE = 0.25  # error of a prediction below which the declared encoding is right
_CERTAIN = 0.15  # below which no other one is tried, unless a fault was just found
_FEW = 3  # samples, of those before it, from which nearly all audio is predicted so well
_MAX_ERROR = 0.35  # of another encoding
_MIN_GAIN = 0.4  # of the errors of another encoding and of the declared one
_LAW_WINDOWS, _LAW_GAIN = 5, 0.75  # the same for the two laws of G.711, which are alike
_MAX_LAW_ERROR = 0.5
# Two channels alternate where a prediction from every second sample is as good.
_STEREO_ERROR, _STEREO_GAIN, _STEREO_LAGS = 0.4, 0.7, 0.05
# Those of two speakers are worse to predict, but one does not help to predict the other.
_APART_ERROR, _APART_GAIN, _APART_LAG = 0.85, 0.95, 0.15
_TONE = -0.4  # correlation of neighbors below which a window is a high tone
_SIMILAR = 0.2  # and above which two channels may be similar
_PAIR_SAMPLES = 1024  # of a window, in which pairs are examined
_LOUD_FLOATS = 4.0 * 32768 * 0.99
_MIN_FAULT_S = {STEREO_AS_MONO: 1.5}
_MIN_OTHER_FAULT_S = 0.7
_MIN_SHARE = {STEREO_AS_MONO: 0.5}  # of the windows of a fault in which it is found
_MIN_OTHER_SHARE = 0.3
_BRIDGE_S = 2.5  # of windows that decide nothing
_MAX_FAULTS = 200
_RIGHT_WINDOWS = 2  # in the declared format, which end a fault
_REMEMBERED = 16  # windows that decide nothing, before a fault that may belong to it
_HUSH = 10.0  # times that a pause is quieter in the right encoding

_ALTERNATIVES = (
    "linear16", "pcm_s16be", "float32", "float64", "pcm_f32be", "mulaw", "alaw",
)  # fmt: skip


def _guesses(declared: Encoding) -> dict[str, Encoding]:
    """The encodings that are tried, besides the other law of G.711."""
    found = {name: encoding_named(name) for name in _ALTERNATIVES}
    return {
        name: encoding
        for name, encoding in found.items()
        # Under the name of one kind, samples of both encodings are usual.
        if encoding is not None
        and (encoding.kind != declared.kind or not encoding.kind)
        and not (encoding.law and declared.law)
    }


def _other_law(declared: Encoding) -> tuple[str, Encoding] | None:
    if declared.law is None:
        return None
    name = "alaw" if declared.law is g711.MULAW else "mulaw"
    encoding = encoding_named(name)
    return (name, encoding) if encoding else None


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
        self._other_law = _other_law(encoding)
        self._episode: _Episode | None = None
        self._faults: list[AudioFault] = []
        self._undecided: deque[tuple[frozenset[str], Region]] = deque(maxlen=_REMEMBERED)
        self._right = 0  # windows in the declared format since then

    def feed(
        self,
        raw: bytes | memoryview,
        samples: Windows,
        count: int,
        start_s: float,
        window_s: float,
        levels: StepLevels,
    ) -> None:
        """Examine the next windows.

        Args:
            raw: their bytes.
            samples: the same, decoded as declared, as floats.
            count: their number.
            start_s: position of the first one.
            window_s: duration of each.
            levels: of the steps in them, as many in each.
        """
        windows = samples.reshape(count, -1)
        energy = levels.energy.reshape(count, -1).sum(axis=1)
        mean = levels.means.reshape(count, -1).mean(axis=1, dtype=np.float64)
        rms, smooth = level_and_smoothness(windows, energy, mean, self._channels)
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
            if len(examined) < sound.sum() and (self._episode or set(labels) - {"", "ok"}):
                hushed = self._classify(rows, windows, np.flatnonzero(sound), labels)
        if self._channels == 1:
            self._label_pairs(windows, np.flatnonzero(sound & (smooth > _SIMILAR)), labels)
        self._collect(labels, sound.tolist(), hushed, start_s, window_s)

    def _label_pairs(self, windows: Windows, numbers: NDArray[np.intp], labels: list[str]) -> None:
        """Label windows in which two similar channels alternate."""
        if not len(numbers):
            return
        found = alternates(windows[numbers, :_PAIR_SAMPLES])
        for at in numbers[found].tolist():
            if labels[at] in ("", "ok"):
                labels[at] = STEREO_AS_MONO

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
        windows, numbers = all_windows[examined], examined.tolist()
        certain = 0.0 if self._episode else _CERTAIN
        levels, errors, stereo = self._predict(windows, 0.0 if self._other_law else certain)
        found = [""] * len(windows)
        quiet: dict[int, set[str]] = {}
        doubtful = np.flatnonzero(errors > certain)
        if len(doubtful):
            rows = all_rows[examined[doubtful]]
            best = np.minimum(errors * _MIN_GAIN, _MAX_ERROR)
            hush = np.minimum(levels / _HUSH, _QUIET)
            for name, encoding in self._guesses.items():
                other_levels, other_errors = self._try_alignments(rows, encoding)
                for at in doubtful[other_errors < best[doubtful]].tolist():
                    found[at] = name
                np.minimum.at(best, doubtful, other_errors)
                for at in doubtful[other_levels < hush[doubtful]].tolist():
                    quiet.setdefault(numbers[at], set()).add(name)
        if self._other_law:
            _, other_errors = _try(all_rows[examined], self._other_law[1])
            _label_law(errors, other_errors, self._other_law[0], found)
        for at, number in enumerate(numbers):
            if found[at]:
                labels[number] = found[at]
            elif labels[number] == "" and stereo[at]:
                labels[number] = STEREO_AS_MONO
            elif labels[number] == "" and errors[at] < _PREDICTABLE:
                labels[number] = "ok"
        return {at: frozenset(names) for at, names in quiet.items()}

    def _predict(
        self, windows: Windows, certain: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """RMS and prediction error of windows, and whether two channels alternate in them.

        Args:
            certain: an error up to which it need not be exact, but only an upper bound.
        """
        if not certain:
            prediction = predict(windows)
            return prediction.rms, prediction.error, self._is_stereo(prediction)
        few = predict(windows, _FEW)
        errors, stereo = few.error, np.zeros(len(windows), np.bool_)
        is_unclear = errors > certain
        if self._channels == 1:
            is_unclear |= np.logical_or(*_may_alternate(few))
        unclear = np.flatnonzero(is_unclear)
        if len(unclear):
            prediction = predict(windows[unclear])
            errors[unclear], stereo[unclear] = prediction.error, self._is_stereo(prediction)
        return few.rms, errors, stereo

    def _is_stereo(self, prediction: Prediction) -> NDArray[np.bool_]:
        """Whether two channels alternate in each window that is declared to have one."""
        if self._channels == 1:
            return _is_stereo(prediction)
        return np.zeros(len(prediction.error), np.bool_)

    def _try_alignments(
        self, rows: NDArray[np.uint8], encoding: Encoding
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """As `_try`: the best that wider samples give from any declared sample on."""
        step = self._declared.sample_bytes
        levels, errors = _try(rows, encoding)
        for offset in range(step, encoding.sample_bytes, step):
            size = rows.shape[1] // encoding.sample_bytes * encoding.sample_bytes
            other = _try(rows[:, offset : size - encoding.sample_bytes + offset], encoding)
            better = other[1] < errors
            levels, errors = np.where(better, other[0], levels), np.where(better, other[1], errors)
        return levels, errors

    def _collect(
        self,
        labels: list[str],
        sound: list[bool],
        hushed: dict[int, frozenset[str]],
        start_s: float,
        window_s: float,
    ) -> None:
        for number, label in enumerate(labels):
            # Small samples in the other byte order look like loud audio.
            if label == "ok" and number not in hushed:
                self._undecided.clear()
                self._right += 1
                if self._right >= _RIGHT_WINDOWS:
                    self._end_episode()
            elif label or sound[number]:
                first = start_s + number * window_s
                where = self._locator.region(first, first + window_s)
                if label not in ("", "ok"):
                    self._add(label, where)
                else:
                    self._add_undecided(hushed.get(number, frozenset()), where)

    def _add(self, label: str, where: Region) -> None:
        episode = self._episode
        self._right = 0
        if episode is not None and where.start_s - episode.where.end_s > _BRIDGE_S:
            self._end_episode()
        if self._episode is None:
            where = self._extended_back(label, where)
            self._episode = _Episode(where, {label: where.seconds}, label)
        else:
            self._episode.add(label, where)
        self._undecided.clear()

    def _add_undecided(self, quiet_in: frozenset[str], where: Region) -> None:
        self._undecided.append((quiet_in, where))
        episode = self._episode
        # A pause of what was found before.
        if (
            episode is not None
            and episode.label in quiet_in
            and where.start_s - episode.where.end_s <= _BRIDGE_S
        ):
            episode.where = episode.where.until(where)
        elif episode is not None and where.start_s - episode.where.end_s < 1e-3:
            # It ends in this window.
            middle = (where.start_s + where.end_s) / 2
            episode.where = replace(episode.where, end_s=middle)

    def _extended_back(self, label: str, where: Region) -> Region:
        """The region with the pauses before it that are quiet in the same encoding."""
        for quiet_in, before in reversed(self._undecided):
            if label not in quiet_in or where.start_s - before.end_s > _BRIDGE_S:
                break
            where = Region(before.start_s, where.end_s, before.frame, before.t_ns, where.end_t_ns)
        return where

    def _end_episode(self) -> None:
        episode, self._episode = self._episode, None
        if episode is not None and episode.is_fault and len(self._faults) < _MAX_FAULTS:
            self._faults.append(self._fault(episode))

    def faults(self) -> list[AudioFault]:
        """The faults so far."""
        episode = self._episode
        if episode is not None and episode.is_fault:
            return [*self._faults, self._fault(episode)]
        return self._faults[:]

    def _fault(self, episode: _Episode) -> AudioFault:
        label = episode.main_label
        return AudioFault(self._kind(label), episode.where, self._figures(label))

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


@dataclass(slots=True)
class _Episode:
    """Windows in other formats, with few in the declared one between them.

    Attributes:
        where: from the first of them to the last one.
        seconds: of the windows in each format.
        label: the format of the last ones.
        run: how many of the last ones have that format.
    """

    where: Region
    seconds: dict[str, float]
    label: str
    run: int = 1

    def add(self, label: str, where: Region) -> None:
        self.where = self.where.until(where)
        self.seconds[label] = self.seconds.get(label, 0.0) + where.seconds
        self.run = self.run + 1 if label == self.label else 1
        self.label = label

    @property
    def main_label(self) -> str:
        return max(self.seconds, key=self.seconds.__getitem__)

    @property
    def is_fault(self) -> bool:
        label = self.main_label
        share = _MIN_SHARE.get(label, _MIN_OTHER_SHARE)
        least = _MIN_FAULT_S.get(label, _MIN_OTHER_FAULT_S)
        return sum(self.seconds.values()) >= max(least, share * self.where.seconds)


def _may_alternate(prediction: Prediction) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether two similar channels may alternate in each window, and two different ones."""
    lag_1, lag_2 = prediction.lags[:, 1], prediction.lags[:, 2]
    alike = (lag_1 > _TONE) & (lag_2 - lag_1 > _STEREO_LAGS)
    # The other channel says nothing about this one. `lag_2` of the hiss of a telephone line is
    # negative.
    apart = (np.abs(lag_1) < _APART_LAG) & (lag_2 > _STEREO_LAGS)
    return alike, apart


def _is_stereo(prediction: Prediction) -> NDArray[np.bool_]:
    """Whether two channels alternate in each window."""
    alike, apart = _may_alternate(prediction)
    out: NDArray[np.bool_] = alike | apart
    numbers = np.flatnonzero(out)
    if len(numbers):
        second, error = prediction.second_error(numbers), prediction.error[numbers]
        out[numbers] = alike[numbers] & (second < _STEREO_ERROR) & (error > _STEREO_GAIN * second)
        out[numbers] |= apart[numbers] & (second < _APART_ERROR) & (error > _APART_GAIN * second)
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
    bad = _is_odd(windows) if encoding.is_float else np.zeros(len(windows), np.bool_)
    if not bad.all():
        bad |= unbalanced(windows)
    if bad.all():  # nearly always, if they are decoded as floats
        return np.full(len(windows), np.inf), np.ones(len(windows))
    prediction = predict(windows)
    return np.where(bad, np.inf, prediction.rms), np.where(bad, 1.0, prediction.error)


def _is_odd(windows: Windows) -> NDArray[np.bool_]:
    """Whether each window has samples that audio in floats does not have."""
    levels = np.abs(windows)
    out: NDArray[np.bool_] = (levels >= _LOUD_FLOATS).mean(axis=1) > 0.01
    out |= (levels < 1e-3).mean(axis=1) > 0.9
    return out
