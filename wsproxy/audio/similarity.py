"""Whether two pieces of audio are one: by what they are made of, and by their waveforms."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import mul

_WINDOW = 32  # bytes of audio that are looked for
_PLAIN = 8  # different values that a window has at least; what has fewer is silence, or a header
_MOST = 1 << 17  # bytes at a place, and of all places together 64 times as many
_FEWEST = 1000  # samples of which anything can be said
_ALIKE = 0.25  # correlation: of noise with anything it is about 0.03


def windows(data: bytes) -> list[bytes]:
    """Audio in pieces, but for those that are silence or a header."""
    if not data.strip(data[:1]):
        return []  # one value all over, of which there may be hours
    starts = range(0, len(data) - _WINDOW + 1, _WINDOW)
    pieces = (data[at : at + _WINDOW] for at in starts)
    return [piece for piece in pieces if len(set(piece)) >= _PLAIN]


@dataclass(slots=True)
class Waves:
    """The audio of a trace by the names of the places where it is, as much as is compared."""

    _at: dict[str, bytearray] = field(default_factory=dict)
    _room: int = 64 * _MOST

    def add(self, name: str, audio: Iterable[bytes]) -> None:
        """Take what is at a place."""
        for data in audio:
            held = self._at.setdefault(name, bytearray())
            piece = data[: max(0, min(_MOST - len(held), self._room))]
            held += piece
            self._room -= len(piece)

    def like(self, other: Waves) -> str:
        """The first place at which another trace's audio runs as this one's does; "" if none.

        Short pieces are compared together.
        """
        mine, its, first = bytearray(), bytearray(), ""
        for name, data in self._at.items():
            same = other._at.get(name, bytearray())
            size = min(len(data), len(same)) // 2 * 2
            first = first or name
            mine += data[:size]
            its += same[:size]
            if len(mine) >= _MOST:
                if _alike(mine, its):
                    return first
                mine, its, first = bytearray(), bytearray(), ""
        return first if _alike(mine, its) else ""


def _alike(one: bytearray, two: bytearray) -> bool:
    """Whether two waves of 16-bit samples correlate, or their signs do."""
    a, b = array("h", bytes(one)), array("h", bytes(two))
    if sys.byteorder == "big":
        a.byteswap()
        b.byteswap()
    products = list(map(mul, a, b))
    loud = [product for product in products if product]
    if len(loud) < _FEWEST:
        return False
    power: float = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    if abs(sum(loud)) > _ALIKE * power:
        return True
    agree: float = sum(product > 0 for product in loud) / len(loud)
    return abs(agree - 0.5) > _ALIKE / 2
