"""μ-law and A-law (ITU-T G.711): one byte for each 16-bit sample."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import cached_property

from .pcm import samples_from_bytes

_STEP_BITS = 2  # both laws ignore the two lowest bits of a sample
_STEPS = 1 << 15 - _STEP_BITS  # in each direction


class Law:
    """One of the two laws of G.711.

    Args:
        expand: the 16-bit sample of a code.
        compress: the code of a 16-bit sample.
        inverted_bits: bits of a code that are inverted on the line, but for its sign.

    Attributes:
        values: the 16-bit sample of each code.
        magnitudes: for `bytes.translate`: each code's magnitude, 0 to 127, without its sign.
    """

    def __init__(
        self, expand: Callable[[int], int], compress: Callable[[int], int], inverted_bits: int
    ) -> None:
        self.values = tuple(map(expand, range(256)))
        self.magnitudes = bytes((code ^ inverted_bits) & 0x7F for code in range(256))
        self._compress = compress

    @cached_property
    def codes_by_value(self) -> tuple[int, ...]:
        """All codes, from that of the most negative sample to that of the most positive one."""
        return tuple(sorted(range(256), key=self.values.__getitem__))

    @property
    def quietest(self) -> int:
        """The smallest magnitude of a sample: 0 in μ-law, 8 in A-law."""
        return min(map(abs, self.values))

    def decode(self, codes: bytes) -> array[int]:
        """The 16-bit samples of some codes."""
        return array("h", map(self.values.__getitem__, codes))

    def encode(self, samples: Sequence[int]) -> bytes:
        """The codes of some 16-bit samples."""
        table = self._table
        # Negative steps index the table from its end.
        return bytes(table[sample >> _STEP_BITS] for sample in samples)

    def encode_pcm(self, data: bytes) -> bytes:
        """The codes of little-endian 16-bit PCM."""
        return self.encode(samples_from_bytes(data))

    @cached_property
    def _table(self) -> bytes:
        steps = (*range(_STEPS), *range(-_STEPS, 0))
        return bytes(self._compress(step << _STEP_BITS) for step in steps)


def _expand_mulaw(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 15) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _compress_mulaw(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> (exponent + 3) & 0x0F) & 0xFF


def _expand_alaw(code: int) -> int:
    code ^= 0x55
    segment, step = code >> 4 & 7, (code & 15) << 4
    magnitude = step + 8 if not segment else step + 0x108 << segment - 1
    return magnitude if code & 0x80 else -magnitude


def _compress_alaw(sample: int) -> int:
    sign = 0 if sample < 0 else 0x80
    magnitude = min(abs(sample), 32767)
    exponent = max(0, magnitude.bit_length() - 8)
    mantissa = magnitude >> (exponent + 3 if exponent else 4) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55


MULAW = Law(_expand_mulaw, _compress_mulaw, 0xFF)
ALAW = Law(_expand_alaw, _compress_alaw, 0x55)
