"""The messages of one direction, in their order where the order is deterministic."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_ITEMS = 20_000  # held one by one; the rest is only hashed
MAX_NONDETERMINISTIC = 1000  # kinds

# A timing-dependent kind must be this frequent before its absence is a difference.
MIN_OCCURRENCES = 3


class SequenceItem(NamedTuple):
    """A message, or a run of messages.

    Attributes:
        kind: shown to users.
        content: hash of what else must be equal; b"" if nothing must.
        frame, t_ns: of the first message.
        repeatable: a run of any length counts as one item.
    """

    kind: str
    content: bytes
    frame: int
    t_ns: int
    repeatable: bool = False

    def matches(self, other: SequenceItem) -> bool:
        """Whether two items count as equal."""
        return (self.kind, self.content) == (other.kind, other.content)


@dataclass(slots=True)
class Nondeterministic:
    """A kind of message whose number depends on timing: its count and its first frame."""

    kind: str
    frame: int
    t_ns: int
    count: int = 1


ItemPredicate = Callable[[SequenceItem], bool]
Position = tuple[int, int]  # index of an item of the left sequence, and of the right one


@dataclass(slots=True)
class MessageSequence:
    """The messages of one side.

    Attributes:
        items: counted messages one by one; each kind of a run of repeatable ones once.
        nondeterministic: by kind and content.
        overflow_count, overflow_digest: number and hash of the items beyond MAX_ITEMS.
    """

    items: list[SequenceItem] = field(default_factory=list)
    nondeterministic: dict[tuple[str, bytes], Nondeterministic] = field(default_factory=dict)
    overflow_count: int = 0
    overflow_digest: bytes = b""
    _current_run: set[tuple[str, bytes]] = field(default_factory=set)

    def add(self, item: SequenceItem, *, once_per_session: bool = False) -> None:
        """Add the next message.

        Args:
            once_per_session: this kind counts once in the session, not once in each run.
        """
        key = (item.kind, item.content)
        if item.repeatable:
            if key in self._current_run:
                return
            if len(self._current_run) < MAX_NONDETERMINISTIC:
                self._current_run.add(key)
        elif not once_per_session:
            self._current_run.clear()
        if len(self.items) < MAX_ITEMS:
            self.items.append(item)
            return
        self.overflow_count += 1
        encoded = item.kind.encode("utf-8", "replace") + item.content
        self.overflow_digest = hashlib.blake2b(
            self.overflow_digest + encoded, digest_size=16
        ).digest()

    def add_nondeterministic(self, item: SequenceItem) -> None:
        """Add a message whose number depends on timing."""
        key = (item.kind, item.content)
        if key in self.nondeterministic:
            self.nondeterministic[key].count += 1
        elif len(self.nondeterministic) < MAX_NONDETERMINISTIC:
            self.nondeterministic[key] = Nondeterministic(item.kind, item.frame, item.t_ns)

    @property
    def kinds(self) -> list[str]:
        """The kinds of all items, in order."""
        return [item.kind for item in self.items]

    def item_at(self, index: int) -> SequenceItem | None:
        """The item at an index; None behind the last one."""
        return self.items[index] if index < len(self.items) else None


def first_difference(
    left: MessageSequence,
    right: MessageSequence,
    required: ItemPredicate,
    unexpected: ItemPredicate,
) -> Position | None:
    """The position at which two sequences first differ; None if they do not.

    A run of messages that may have been on their way is skipped: what follows it may be
    required all the same.

    Args:
        required: whether an item of the left sequence must be in the right one.
        unexpected: whether an item of the right sequence must be in the left one.
    """
    i = j = 0
    while i < len(left.items) and j < len(right.items):
        a, b = left.items[i], right.items[j]
        if a.matches(b):
            i, j = i + 1, j + 1
        elif a.repeatable and not required(a):
            i += 1
        elif b.repeatable and not unexpected(b):
            j += 1
        else:
            return (i, j) if required(a) or unexpected(b) else None
    missing = next((k for k, item in enumerate(left.items[i:], i) if required(item)), None)
    added = next((k for k, item in enumerate(right.items[j:], j) if unexpected(item)), None)
    if missing is not None or added is not None:
        return (i if missing is None else missing, j if added is None else added)
    both_ended = i == len(left.items) and j == len(right.items)
    return (i, j) if both_ended and left.overflow_digest != right.overflow_digest else None
