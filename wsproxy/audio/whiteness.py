"""Whether audio is noise: samples without any relation to those next to them.

Each sound of a voice is a vibration: neighbors in it are alike. Single sounds, such as an s, are
noise, too, but no speech consists of them alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .encodings import Encoding
from .pcm_decoding import decode_pcm
from .predictability import level_and_smoothness

_WINDOW = 256  # samples
_AUDIBLE = 300.0  # RMS of 16-bit samples, -41 dBFS
_WHITE = 0.25  # correlation of neighbors, up to which they are not alike


@dataclass(frozen=True, slots=True)
class Whiteness:
    """How much of some audio is noise.

    Attributes:
        audible: windows that are loud enough to be heard, in samples.
        share: of these, that are noise.
    """

    audible: int
    share: float


def whiteness(data: bytes, encoding: Encoding) -> Whiteness:
    """How much of some samples of one channel is noise."""
    samples = decode_pcm(data, encoding)
    count = len(samples) // _WINDOW
    if not count:
        return Whiteness(0, 0.0)
    windows = samples[: count * _WINDOW].astype(np.float32).reshape(count, _WINDOW)
    energy = np.square(windows, dtype=np.float64).sum(axis=1)
    level, smooth = level_and_smoothness(windows, energy, windows.mean(axis=1, dtype=np.float64))
    loud = level >= _AUDIBLE
    audible = int(loud.sum())
    white = int((loud & (np.abs(smooth) <= _WHITE)).sum())
    return Whiteness(audible * _WINDOW, white / audible if audible else 0.0)
