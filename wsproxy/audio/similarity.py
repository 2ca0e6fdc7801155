"""Whether two streams of audio are the same: by pieces of bytes, and by correlation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import mul

from .pcm import samples_from_bytes

_WINDOW = 32  # bytes of a piece
_MIN_VALUES = 8  # different bytes in a piece; fewer are silence or a header
_SILENT_VALUES = 2  # different bytes in a piece, at most: silence of some encoding
_MAX_BYTES = 1 << 17  # compared per place, and 64 times as many in total
_MIN_SAMPLES = 1000  # fewer are too few to correlate
_MIN_CORRELATION = 0.25  # of the same audio; that of noise is about 0.03


def windows(data: bytes) -> list[bytes]:
    """Cut audio into pieces; those that are silence or a header are left out."""
    if not data.strip(data[:1]):
        return []  # one value throughout, possibly for hours
    starts = range(0, len(data) - _WINDOW + 1, _WINDOW)
    pieces = (data[at : at + _WINDOW] for at in starts)
    return [piece for piece in pieces if len(set(piece)) >= _MIN_VALUES]


@dataclass(slots=True)
class AudioStarts:
    """The start of the audio at each named place of a trace."""

    _audio: dict[str, bytearray] = field(default_factory=dict)
    _left: int = 64 * _MAX_BYTES

    def add(self, name: str, audio: Iterable[bytes]) -> None:
        """Add the audio of a place."""
        for data in audio:
            held = self._audio.setdefault(name, bytearray())
            piece = data[: max(0, min(_MAX_BYTES - len(held), self._left))]
            held += piece
            self._left -= len(piece)

    def first_same(self, other: AudioStarts) -> str:
        """The first place at which another trace has the same audio, "" if there is none.

        Short audio of several places is compared together. Silence is left out: it is the same in
        all traces.
        """
        own, others, first = bytearray(), bytearray(), ""
        for name, data in self._audio.items():
            same = other._audio.get(name, bytearray())
            size = min(len(data), len(same)) // 2 * 2
            first = first or name
            for start in _audible_pieces(data[:size]):
                own += data[start : start + _WINDOW]
                others += same[start : start + _WINDOW]
            if len(own) >= _MAX_BYTES:
                if _correlate(own, others):
                    return first
                own, others, first = bytearray(), bytearray(), ""
        return first if _correlate(own, others) else ""


def _audible_pieces(data: bytearray) -> Iterator[int]:
    """The offsets of the pieces that are not silence; the last piece may be shorter."""
    for start in range(0, len(data), _WINDOW):
        if len(set(data[start : start + _WINDOW])) > _SILENT_VALUES:
            yield start


def _correlate(one: bytearray, two: bytearray) -> bool:
    """Whether two streams of 16-bit samples correlate, or their signs do."""
    a, b = samples_from_bytes(bytes(one)), samples_from_bytes(bytes(two))
    products = list(map(mul, a, b))
    nonzero = [product for product in products if product]
    if len(nonzero) < _MIN_SAMPLES:
        return False
    power: float = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    if abs(sum(nonzero)) > _MIN_CORRELATION * power:
        return True
    agree: float = sum(product > 0 for product in nonzero) / len(nonzero)
    return abs(agree - 0.5) > _MIN_CORRELATION / 2
