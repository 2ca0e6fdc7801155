"""The messages that a session keeps: the first, the last, and notable ones between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

KEPT_MESSAGES = 64  # text messages kept from the beginning, and as many from the end
KEPT_TEXT = 64 << 10  # bytes kept of a text message
KEPT_SIZE = 2 << 20  # bytes of messages kept from the beginning, from the end, and between
KEPT_NOTABLE = 64  # messages kept between those, of each direction, if they look like failures
KEPT_BINARIES = 8  # binary messages kept from the beginning of a direction, and from its end
KEPT_BINARY = 4 << 10  # bytes kept of a binary message

# Words of failures that do not end a session and may be reported in its middle.
_NOTABLE = (
    "error",
    "warn",
    "fail",
    "goaway",
    "refused",
    "exceeded",
    "throttled",
    "timeout",
)

# A message in short: the frame that began it, its t_ns, from_client, the beginning of its
# content, the length of all of it in bytes.
KeptMessage = tuple[int, int, bool, bytes, int]


# Those of some messages that are worth keeping.
NotableOf = Callable[[Sequence[KeptMessage]], Sequence[KeptMessage]]


class HeadTailBuffer:
    """The first and the last of many messages, and notable ones between them.

    A message is added for nearly every frame, so messages are examined only when they leave the
    last ones, many at once.

    Args:
        size: how many are kept from the beginning, and how many from the end. Of long messages
            fewer are kept, KEPT_SIZE bytes of each group.
        notable_of: which of those between are kept, at most KEPT_NOTABLE.
    """

    def __init__(self, size: int, notable_of: NotableOf) -> None:
        self._size = size
        self._room_first = self._room_between = self._room_last = KEPT_SIZE
        self._first: list[KeptMessage] = []
        self._is_first = size > 0
        self._between: list[KeptMessage] = []
        self._notable_of = notable_of
        self._last: deque[KeptMessage] = deque()  # up to twice as many as are kept

    def add(self, message: KeptMessage) -> None:
        """Add the next message."""
        length = len(message[3])
        if self._is_first:
            self._first.append(message)
            self._room_first -= length
            self._is_first = len(self._first) < self._size and self._room_first > 0
            return
        self._last.append(message)
        self._room_last -= length
        if len(self._last) >= 2 * self._size or self._room_last < 0:
            self._drop()

    @property
    def has_first(self) -> bool:
        """Whether the first ones are complete."""
        return not self._is_first

    def _drop(self) -> None:
        """Drop the messages that are no longer among the last, unless they are notable."""
        last, old = self._last, []
        while len(last) > self._size or self._room_last < 0:
            message = last.popleft()
            self._room_last += len(message[3])
            old.append(message)
        if not self._has_room:
            return
        for message in self._notable_of(old):
            if not self._has_room:
                break
            self._between.append(message)
            self._room_between -= len(message[3])

    @property
    def _has_room(self) -> bool:
        """Whether more is kept between the first and the last ones."""
        return len(self._between) < KEPT_NOTABLE and self._room_between > 0

    def __iter__(self) -> Iterator[KeptMessage]:
        self._drop()
        return chain(self._first, self._between, self._last)


def failures(messages: Sequence[KeptMessage]) -> Sequence[KeptMessage]:
    """Those that look like reports of a failure: nearly always none of them."""
    if not _reports_failure(b"\n".join([content for _, _, _, content, _ in messages])):
        return ()
    return [message for message in messages if _reports_failure(message[3])]


def _reports_failure(content: bytes) -> bool:
    # As text: to look for bytes in bytes takes four times as long, where these are few.
    text = content.lower().decode("latin-1")
    return any(word in text for word in _NOTABLE)


def objects(messages: Sequence[KeptMessage]) -> Sequence[KeptMessage]:
    """Those binary messages that are an object in JSON by their two ends, and not audio."""
    return [
        message
        for message in messages
        if message[4] <= KEPT_BINARY and message[3][:1] == b"{" and message[3][-1:] == b"}"
    ]


def none(messages: Sequence[KeptMessage]) -> Sequence[KeptMessage]:
    """None of them."""
    return ()
