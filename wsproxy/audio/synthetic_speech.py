"""Synthetic speech: a voice-like sound with syllables, words and pauses."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .pcm import bytes_from_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# First three formants of five vowels, Hz: what makes a tone sound like a voice.
_VOWELS = (
    (730, 1090, 2440),
    (530, 1840, 2480),
    (270, 2290, 3010),
    (570, 840, 2410),
    (300, 870, 2240),
)
_BANDWIDTHS = (90.0, 120.0, 180.0)  # Hz, of the formants
_PEAK = 12_000  # of 32,767
_HISS = 12  # amplitude of the noise in pauses


def speech(seconds: float, rate: int = 16_000, seed: int = 0) -> bytes:
    """Synthesize audio that sounds and looks like speech.

    The same arguments give the same bytes, and a longer piece begins with the shorter one.

    Args:
        seconds: its duration.
        rate: samples a second.
        seed: selects the text.

    Returns:
        Samples of 16 bits, one channel, little-endian.
    """
    wanted = int(seconds * rate)
    samples = array("h")
    for piece in _pieces(rate, random.Random(seed)):
        if len(samples) >= wanted:
            break
        samples.extend(piece)
    del samples[wanted:]
    return bytes_from_samples(samples)


def _pieces(rate: int, random_source: random.Random) -> Iterator[array[int]]:
    """Pauses and syllables, endlessly."""
    yield _pause(0.1, rate, random_source)
    while True:
        for _ in range(random_source.randint(3, 7)):
            for _ in range(random_source.choice((1, 1, 2, 2, 3))):
                yield _syllable(rate, random_source)
            yield _pause(random_source.uniform(0.06, 0.12), rate, random_source)
        yield _pause(random_source.uniform(0.45, 0.8), rate, random_source)


def _pause(seconds: float, rate: int, random_source: random.Random) -> array[int]:
    hiss = array("h", (random_source.randint(-_HISS, _HISS) for _ in range(97)))
    length = int(seconds * rate)
    return (hiss * (length // len(hiss) + 1))[:length]


def _syllable(rate: int, random_source: random.Random) -> array[int]:
    """One vowel: a period of the voice, repeated under an envelope that swells and falls."""
    import numpy as np  # noqa: PLC0415  # imported in 0.1 s, and many that import this never speak

    period = _period(random_source.uniform(100, 145), random_source.choice(_VOWELS), rate)
    length = int(random_source.uniform(0.13, 0.22) * rate)
    loudness = random_source.uniform(0.6, 1.0) * _PEAK
    swell = math.pi / length
    # The envelope stays above zero, so that a word has no pause in it.
    envelope = loudness * (0.2 + 0.8 * np.sin(swell * np.arange(length)))
    samples = envelope * np.resize(period, length)
    return array("h", samples.astype(np.int16).tobytes())


def _period(pitch: float, formants: tuple[int, ...], rate: int) -> NDArray[np.float64]:
    """One period of a vowel, with a peak of 1."""
    import numpy as np  # noqa: PLC0415

    size = max(2, round(rate / pitch))
    pitch = rate / size
    highest = max(1, int(min(3500, rate / 2 - 1) // pitch))
    wave = np.zeros(size)
    for n in range(1, highest + 1):
        angles = 2 * math.pi * n * np.arange(size) / size
        wave += _weight(n * pitch, formants) * np.sin(angles)
    return wave / (np.abs(wave).max() or 1.0)


def _weight(frequency: float, formants: tuple[int, ...]) -> float:
    """The amplitude that the formants give a harmonic."""
    pairs = zip(formants, _BANDWIDTHS, strict=True)
    return sum(1 / (1 + ((frequency - centre) / width) ** 2) for centre, width in pairs)
