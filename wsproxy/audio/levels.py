"""How loud samples are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import median

from . import g711
from .encodings import PCM16, PCM16_BE, Encoding
from .pcm import samples_from_bytes

# Magnitudes up to which a sample may be background noise.
_PCM16_NOISE = 500
_CODE_NOISE = {g711.MULAW: 0x24, g711.ALAW: 0x20}


def exceeds_noise(data: bytes, encoding: Encoding | None) -> bool | None:
    """Whether some samples are louder than background noise; None where that is unknown.

    Args:
        data: at least one sample.
    """
    if encoding is None:
        return None
    if encoding.law is not None:
        return max(data.translate(encoding.law.magnitudes)) > _CODE_NOISE[encoding.law]
    if encoding.kind == PCM16:
        samples = samples_from_bytes(data)
        return max(samples) > _PCM16_NOISE or min(samples) < -_PCM16_NOISE
    return None


def median_level(data: bytes, *, big_endian: bool) -> int:
    """The median magnitude of 16-bit samples."""
    return int(median(map(abs, samples_from_bytes(data, big_endian=big_endian))))


def full_scale_marks(data: bytes, encoding: Encoding) -> bytes:
    """A byte for each sample: 1 at the lowest value, 2 at the highest, and otherwise 0.

    Returns:
        Nothing where the encoding is neither 16-bit PCM nor one of G.711.
    """
    if encoding.law is not None:
        low, high = encoding.law.full_scale
        return bytes(1 if code == low else 2 * (code == high) for code in data)
    if encoding.is_pcm16:
        samples = samples_from_bytes(data, big_endian=encoding.kind == PCM16_BE)
        return bytes(1 if x == 32767 else 2 * (x <= -32767) for x in samples)
    return b""


def run_lengths(marks: Sequence[int]) -> list[int]:
    """The lengths of the runs of the same mark, 0 left out."""
    return [sum(1 for _ in run) for mark, run in groupby(marks) if mark]
