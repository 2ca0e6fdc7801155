"""An input as a series of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Reads decisions from bytes; behind their end all are 0.

    A byte a decision where that is enough, so that a mutation of the input changes one.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """The next bytes; fewer at the end."""
        found = self._data[self._at : self._at + size]
        self._at += size
        return found

    def rest(self) -> bytes:
        return self.take(len(self._data))

    def byte(self) -> int:
        return (self.take(1) or b"\0")[0]

    def number(self, size: int) -> int:
        """A number of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def flag(self) -> bool:
        return bool(self.byte() & 1)

    def one_of(self, values: Sequence[T]) -> T:
        size = 1 if len(values) <= 256 else 2
        return values[self.number(size) % len(values)]

    def text(self) -> str:
        """Up to 255 bytes as text; what is not UTF-8 becomes lone surrogates, or is replaced."""
        data = self.take(self.byte())
        return data.decode("utf-8", "surrogateescape" if self.flag() else "replace")
