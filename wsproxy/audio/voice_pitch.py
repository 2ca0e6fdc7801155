"""The pitch and the bandwidth of voices, from a few short pieces of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsproxy.statistics import median

from .rows import row_products

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PIECE_S = 0.08
_MIN_HZ, _MAX_HZ = 25.0, 600.0
_MIN_RMS = 330.0  # -40 dBFS
_PERIODIC = 0.5  # autocorrelation at the period of a voice
_DETAILED_S = 120.0  # from the start of a stream, in which more pieces are examined
# Of a block: for the pitch in that time and later, and for the spectrum alone.
_PIECES, _FEWER_PIECES, _SPECTRUM_PIECES = 32, 8, 8
_MIN_PITCHES = 8
_MAX_PITCHES = 4000
_BANDS = 256  # of the spectrum from 0 to half of the sample rate
_EDGE = 0.99  # share of the energy below the bandwidth


class VoicePitch:
    """Examines the loudest pieces of each block."""

    def __init__(self) -> None:
        self._pitches: list[tuple[float, float]] = []
        self._spectrum = np.zeros(_BANDS)
        self._rate = 0

    def feed(
        self, samples: NDArray[np.float32], rate: int, start_s: float, *, with_pitch: bool
    ) -> None:
        """Examine a block of one channel.

        Args:
            samples: in units of 16-bit samples.
            rate: samples a second.
            start_s: position of the first one.
            with_pitch: whether the pitch of this block may be asked for.
        """
        size = round(_PIECE_S * rate)
        count = len(samples) // size
        if count == 0 or len(self._pitches) >= _MAX_PITCHES:
            return
        pieces = samples[: count * size].reshape(count, size)
        power = row_products(pieces, pieces) / size
        wanted = _SPECTRUM_PIECES
        if with_pitch:
            wanted = _PIECES if start_s < _DETAILED_S else _FEWER_PIECES
        loudest = np.argsort(power)[-wanted:]
        loudest = loudest[power[loudest] > _MIN_RMS**2]
        if not len(loudest):
            return
        if rate != self._rate:
            self._rate = rate
            self._spectrum[:] = 0
        chosen = pieces[loudest]
        chosen = chosen - chosen.mean(axis=1, keepdims=True)
        # As long as no lag that is examined wraps around.
        length = max(2 * _BANDS, 1 << (size + _longest_lag(size, rate) - 1).bit_length())
        transformed = np.fft.rfft(chosen, length, axis=1)
        spectra = transformed.real**2 + transformed.imag**2
        self._add_spectrum(spectra.sum(axis=0))
        if not with_pitch:
            return
        correlation = np.fft.irfft(spectra, axis=1)[:, :size]
        for at, row in zip(loudest.tolist(), correlation, strict=True):
            pitch = _pitch(row, rate)
            if pitch:
                self._pitches.append((start_s + at * _PIECE_S, pitch))

    def _add_spectrum(self, spectrum: NDArray[np.float64]) -> None:
        size = len(spectrum) // _BANDS * _BANDS
        if size:
            self._spectrum += spectrum[:size].reshape(_BANDS, -1).sum(axis=1)

    def median(self, start_s: float, end_s: float) -> float | None:
        """The median pitch in a stretch, Hz; None where there is too little voice."""
        inside = [pitch for at, pitch in self._pitches if start_s <= at < end_s]
        return median(inside) if len(inside) >= _MIN_PITCHES else None

    @property
    def bandwidth_hz(self) -> float | None:
        """The frequency below which 99 % of the energy is."""
        total = float(self._spectrum.sum())
        if total <= 0 or not self._rate:
            return None
        band = int(np.searchsorted(np.cumsum(self._spectrum), _EDGE * total))
        return float(round((band + 1) * self._rate / 2 / _BANDS))


def _longest_lag(size: int, rate: int) -> int:
    """The lag before which a period is looked for, in a piece of this size."""
    return min(int(rate / _MIN_HZ), int(0.6 * size))


def _pitch(correlation: NDArray[np.float64], rate: int) -> float:
    """The pitch of a piece with this autocorrelation, 0.0 if it has none."""
    if correlation[0] <= 0:
        return 0.0
    size = len(correlation)
    shortest, longest = int(rate / _MAX_HZ), _longest_lag(size, rate)
    # Longer lags have fewer products.
    even = correlation[:longest] / correlation[0] / (1 - np.arange(longest) / size)
    # From the first lag on at which the piece no longer resembles itself.
    negative = np.flatnonzero(even < 0.2)
    first = max(shortest, int(negative[0])) if len(negative) else longest
    if first >= longest - 2:
        return 0.0
    peak = float(even[first:].max())
    if peak < _PERIODIC:
        return 0.0
    # The first lag that is nearly as good, not a multiple of it.
    near = np.flatnonzero(even[first:] >= 0.9 * peak)
    lag = first + int(near[0])
    while lag + 1 < longest and even[lag + 1] > even[lag]:
        lag += 1
    return rate / lag
