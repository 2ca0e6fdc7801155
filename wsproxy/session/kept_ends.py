"""The first and the last items of a sequence that may be long."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain, islice
from typing import Generic, TypeVar

T = TypeVar("T")


class KeptEnds(Generic[T]):
    """Keeps as many items from the beginning as from the end.

    Args:
        keep: how many items are kept of each end.

    Attributes:
        count: how many items there were.
    """

    def __init__(self, keep: int) -> None:
        self.count = 0
        self.keep = keep
        self._first: list[T] = []
        self._last: deque[T] = deque(maxlen=keep)

    def append(self, item: T) -> None:
        """Add the next item."""
        self.count += 1
        (self._first if len(self._first) < self.keep else self._last).append(item)

    def __iter__(self) -> Iterator[T]:
        """The items that are kept."""
        return chain(self._first, self._last)

    def runs(self) -> list[list[T]]:
        """The items that are kept, in lists of those that follow each other."""
        is_cut = len(self) < self.count
        return [self._first, list(self._last)] if is_cut else [list(self)]

    def __len__(self) -> int:
        """How many items are kept."""
        return len(self._first) + len(self._last)

    def after(self, number: int) -> list[T]:
        """The items that are kept of those after a number, in a time proportional to theirs.

        Args:
            number: from 1; 0: all that are kept.
        """
        first = self._first[number:]
        later = min(self.count - max(number, len(self._first)), len(self._last))
        return [*first, *list(islice(reversed(self._last), max(0, later)))[::-1]]

    def numbered(self, first: int, last: int) -> Iterator[tuple[int, T]]:
        """Those items of some that are kept, each with its number.

        Args:
            first, last: their numbers, from 1.
        """
        dropped = self.count - len(self)
        for number in range(max(1, first), min(last, self.count) + 1):
            if number <= len(self._first):
                yield number, self._first[number - 1]
            elif number > len(self._first) + dropped:
                yield number, self._last[number - 1 - len(self._first) - dropped]

    def number_of(self, index: int) -> int:
        """The number of the item before one that is kept, by the index of that among those kept."""
        return index if index < self.keep else index + self.count - len(self)
