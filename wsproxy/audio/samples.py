"""Raw samples, told apart by their statistics.

A sample of 16 bits has a byte that moves slowly about zero, and one that could be anything:
which of two bytes is which tells the order. Samples of one byte show no difference between
even and odd places. μ-law and A-law are told apart by which of the two makes the loudness of
neighbouring codes about equally frequent.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

LEAST = 4000  # bytes under which statistics say nothing
PCM16, PCM16_BE, FLOAT32 = "16-bit PCM", "16-bit PCM, big-endian", "32-bit float PCM"
MULAW, ALAW, COMPANDED = "mu-law", "A-law", "mu-law or A-law"
KINDS = frozenset({PCM16, PCM16_BE, FLOAT32, MULAW, ALAW, COMPANDED})

# Codes in the order of the values that they stand for.
_MULAW_ORDER = (*range(0x80), *range(0xFF, 0x7F, -1))
_ALAW_ORDER = (*(c ^ 0x55 for c in range(0x7F, -1, -1)), *(c ^ 0x55 for c in range(0x80, 0x100)))
_LOUDEST = frozenset((0x7FFF, 0x8000, 0x8001, 0xFF7F, 0x0080, 0x0180))  # in either order
_MOVES = 0.3  # bits under which a byte stays as it is
_CLEARLY = 1.15


def kind_of(data: bytes) -> str | None:
    """What samples these are, one of KINDS; None where they are something else, or in doubt.

    Args:
        data: from the beginning of a sample on; LEAST bytes at least.
    """
    data = data[: len(data) // 4 * 4]
    if len(data) < LEAST:
        return None
    if _is_float(data):
        return FLOAT32
    units = unpack(data)
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


def unpack(data: bytes, *, big_endian: bool = False) -> array[int]:
    """The unsigned 16-bit numbers of some bytes; an odd one at the end is left out."""
    units = array("H", data[: len(data) // 2 * 2])
    if big_endian != (sys.byteorder == "big"):
        units.byteswap()
    return units


def _is_float(data: bytes) -> bool:
    """Whether nearly all are numbers between -1.5 and 1.5, and not too near to 0."""
    values = array("f", data)
    if sys.byteorder == "big":
        values.byteswap()
    zeros = values.count(0.0)
    fitting = sum(1e-6 < abs(value) < 1.5 for value in values)
    return fitting > 0.1 * len(values) and fitting + zeros > 0.98 * len(values)


def _order(units: Sequence[int]) -> str:
    """Which byte of each unit is the one that stays near zero.

    Returns:
        "little" or "big": the order of 16-bit samples; "alike": neither; "silent": all are
        the same; "unclear".
    """
    # What is clipped has a low byte that stays near zero.
    kept = array("H", (unit for unit in units if unit not in _LOUDEST))
    if len(set(units)) == 1:
        return "silent"
    if len(set(kept)) < 2 or len(kept) < 0.2 * len(units):
        return "unclear"
    low, high = bytes(unit & 0xFF for unit in kept), bytes(unit >> 8 for unit in kept)
    small, large = _distance(low), _distance(high)
    if large < 0.7 * small:
        return "little" if _entropy(high) > _MOVES else "unclear"
    if small < 0.7 * large:
        return "big" if _entropy(low) > _MOVES else "unclear"
    return "alike" if 0.85 < small / large < 1.18 else "unclear"


def _distance(data: bytes) -> float:
    """How far bytes are from zero, in the mean, as signed numbers."""
    counts = Counter(data)
    return sum(min(b, 256 - b) * n for b, n in counts.items()) / len(data)


def _entropy(data: bytes) -> float:
    """Bits that a byte says."""
    counts = Counter(data).values()
    return math.log2(len(data)) - sum(n * math.log2(n) for n in counts) / len(data)


def _companded(data: bytes) -> str | None:
    """μ-law or A-law, or None: compressed, encrypted, or samples of another size."""
    counts = Counter(data)
    halves = sum(min(_segment(counts, k), _segment(counts, k + 8)) for k in range(8))
    # A voice is as loud below zero as above it. What is compressed is full of information.
    if 2 * halves < 0.85 * len(data) or _entropy(data) > 7.6:
        return None
    mulaw, alaw = (_roughness(counts, order) for order in (_MULAW_ORDER, _ALAW_ORDER))
    if alaw > _CLEARLY * mulaw:
        return MULAW
    return ALAW if mulaw > _CLEARLY * alaw else COMPANDED


def _segment(counts: Counter[int], number: int) -> int:
    return sum(counts[16 * number + step] for step in range(16))


def _roughness(counts: Counter[int], order: Sequence[int]) -> int:
    return sum(abs(counts[a] - counts[b]) for a, b in pairwise(order))
