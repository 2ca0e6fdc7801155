"""One direction's messages in their order, as far as the order says something."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_ITEMS = 20_000  # that are told apart; of the rest only whether they are equal
MAX_PASSING = 1000  # kinds

# So often a kind that is a matter of the moment has to come before its absence is one.
ENOUGH = 3


@dataclass(frozen=True, slots=True)
class SequenceItem:
    """A message, or a run of them.

    Attributes:
        kind: for people.
        content: what else has to be equal, as a digest; b"" where nothing has to.
        frame, t_ns: of the first message.
        run: how many there are is not told.
    """

    kind: str
    content: bytes
    frame: int
    t_ns: int
    run: bool = False

    def is_like(self, other: SequenceItem) -> bool:
        return (self.kind, self.content) == (other.kind, other.content)


@dataclass(slots=True)
class Nondeterministic:
    """A kind that is a matter of the moment: how often, and where first."""

    kind: str
    frame: int
    t_ns: int
    count: int = 1


Due = Callable[[SequenceItem], bool]
Place = tuple[int, int]  # index of an item of the left, and of the right


@dataclass(slots=True)
class MessageSequence:
    """What one side said.

    Attributes:
        items: answers one by one; of a run of others each kind once.
        passing: by kind and content.
        beyond: how many more items there are; `beyond_sum` is their digest.
    """

    items: list[SequenceItem] = field(default_factory=list)
    passing: dict[tuple[str, bytes], Nondeterministic] = field(default_factory=dict)
    beyond: int = 0
    beyond_sum: bytes = b""
    _run: set[tuple[str, bytes]] = field(default_factory=set)

    def add(self, item: SequenceItem, *, over: bool = False) -> None:
        """Take the next message.

        Args:
            over: a run that is told once in the whole session, not once in each place.
        """
        key = (item.kind, item.content)
        if item.run:
            if key in self._run:
                return
            if len(self._run) < MAX_PASSING:
                self._run.add(key)
        elif not over:
            self._run.clear()
        if len(self.items) < MAX_ITEMS:
            self.items.append(item)
            return
        self.beyond += 1
        told = item.kind.encode("utf-8", "replace") + item.content
        self.beyond_sum = hashlib.blake2b(self.beyond_sum + told, digest_size=16).digest()

    def passes(self, item: SequenceItem) -> None:
        """Take a message that is a matter of the moment."""
        key = (item.kind, item.content)
        if key in self.passing:
            self.passing[key].count += 1
        elif len(self.passing) < MAX_PASSING:
            self.passing[key] = Nondeterministic(item.kind, item.frame, item.t_ns)

    @property
    def kinds(self) -> list[str]:
        return [item.kind for item in self.items]


def first_difference(
    left: MessageSequence, right: MessageSequence, due: Due, firm: Due
) -> Place | None:
    """Where two orders first differ, None where they do not.

    A run that was on its way is passed over: what follows it may have to be there all the same.

    Args:
        due: whether an item of the left has to be there on the right.
        firm: whether an item of the right may not be there without one on the left.
    """
    i = j = 0
    while i < len(left.items) and j < len(right.items):
        a, b = left.items[i], right.items[j]
        if a.is_like(b):
            i, j = i + 1, j + 1
        elif a.run and not due(a):
            i += 1
        elif b.run and not firm(b):
            j += 1
        else:
            return (i, j) if due(a) or firm(b) else None
    missing = next((k for k, item in enumerate(left.items[i:], i) if due(item)), None)
    added = next((k for k, item in enumerate(right.items[j:], j) if firm(item)), None)
    if missing is not None or added is not None:
        return (i if missing is None else missing, j if added is None else added)
    ended = i == len(left.items) and j == len(right.items)
    return (i, j) if ended and left.beyond_sum != right.beyond_sum else None
