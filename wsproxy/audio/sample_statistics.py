"""Statistics of raw samples: their encoding, inferred from the bytes, and how loud they are.

- Byte order: one byte of a 16-bit sample stays near zero, the other varies freely. Which of
  two bytes does which gives the order. Samples of one byte show no such difference.
- μ-law and A-law: the right law is the one under which neighboring levels are about equally
  frequent.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from . import g711
from .encodings import ALAW, COMPANDED, FLOAT32, MULAW, PCM16, PCM16_BE, Encoding
from .pcm import floats_from_bytes, samples_from_bytes

MIN_BYTES = 4000  # fewer bytes are too few for statistics
_FULL_SCALE = frozenset((0x7FFF, 0x8000, 0x8001, 0xFF7F, 0x0080, 0x0180))  # in either byte order
_MIN_ENTROPY = 0.3  # bits; a byte with less is constant
# Magnitudes up to which a sample may be background noise.
_PCM16_NOISE = 500
_CODE_NOISE = {g711.MULAW: 0x24, g711.ALAW: 0x20}
_MIN_RATIO = 1.15  # of the roughness under both laws, to distinguish them


def sample_kind(data: bytes) -> str | None:
    """Infer what samples these are.

    Args:
        data: samples from the start of one on, at least MIN_BYTES.

    Returns:
        One of `encodings.SAMPLE_KINDS`; None where the data is something else or ambiguous.
    """
    data = data[: len(data) // 4 * 4]
    if len(data) < MIN_BYTES:
        return None
    if _is_float(data):
        return FLOAT32
    units = samples_from_bytes(data, typecode="H")
    # Two halves: two channels of 16 bits, or the halves of wider samples.
    orders = {_order(units[0::2]), _order(units[1::2])} - {"silent"}
    if len(orders) != 1:
        return None
    match orders.pop():
        case "little":
            return PCM16
        case "big":
            return PCM16_BE
        case "alike":
            return _companded(data)
    return None


def _is_float(data: bytes) -> bool:
    """Whether nearly all 32-bit floats are between -1.5 and 1.5, and enough of them not near 0."""
    values = floats_from_bytes(data)
    zeros = values.count(0.0)
    fitting = sum(1e-6 < abs(value) < 1.5 for value in values)
    return fitting > 0.1 * len(values) and fitting + zeros > 0.98 * len(values)


def _order(units: Sequence[int]) -> str:
    """Find which byte of each unit stays near zero.

    Returns:
        "little" or "big": the byte order of 16-bit samples; "alike": both bytes vary alike;
        "silent": all units are equal; "unclear".
    """
    # The low byte of a clipped sample stays near zero as well.
    kept = array("H", (unit for unit in units if unit not in _FULL_SCALE))
    if len(set(units)) == 1:
        return "silent"
    if len(set(kept)) < 2 or len(kept) < 0.2 * len(units):
        return "unclear"
    low, high = bytes(unit & 0xFF for unit in kept), bytes(unit >> 8 for unit in kept)
    small, large = _mean_magnitude(low), _mean_magnitude(high)
    if large < 0.7 * small:
        return "little" if _entropy(high) > _MIN_ENTROPY else "unclear"
    if small < 0.7 * large:
        return "big" if _entropy(low) > _MIN_ENTROPY else "unclear"
    return "alike" if 0.85 < small / large < 1.18 else "unclear"


def _mean_magnitude(data: bytes) -> float:
    """The mean magnitude of signed bytes."""
    counts = Counter(data)
    return sum(min(b, 256 - b) * n for b, n in counts.items()) / len(data)


def _entropy(data: bytes) -> float:
    """The entropy of a byte, in bits."""
    counts = Counter(data).values()
    return math.log2(len(data)) - sum(n * math.log2(n) for n in counts) / len(data)


def _companded(data: bytes) -> str | None:
    """Tell μ-law, A-law and other data (None) apart."""
    counts = Counter(data)
    halves = sum(min(_segment(counts, k), _segment(counts, k + 8)) for k in range(8))
    # Speech is as loud below zero as above it. Compressed data has a higher entropy.
    if 2 * halves < 0.85 * len(data) or _entropy(data) > 7.6:
        return None
    mulaw, alaw = (_roughness(counts, law.codes_by_value) for law in (g711.MULAW, g711.ALAW))
    if alaw > _MIN_RATIO * mulaw:
        return MULAW
    return ALAW if mulaw > _MIN_RATIO * alaw else COMPANDED


def _segment(counts: Counter[int], number: int) -> int:
    return sum(counts[16 * number + step] for step in range(16))


def _roughness(counts: Counter[int], order: Sequence[int]) -> int:
    return sum(abs(counts[a] - counts[b]) for a, b in pairwise(order))


# -- levels


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
