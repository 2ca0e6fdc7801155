"""The messages that a session keeps: the first, the last, and notable ones between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
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


class HeadTailBuffer:
    """The first and the last of many messages, and notable ones between them.

    A message is added for nearly every frame, so a message is examined only when it leaves
    the last ones.

    Args:
        size: how many are kept from the beginning, and how many from the end. Of long messages
            fewer are kept, KEPT_SIZE bytes of each group.
        is_notable: which of those between are kept, at most KEPT_NOTABLE.
    """

    def __init__(self, size: int, is_notable: Callable[[KeptMessage], bool]) -> None:
        self._size = size
        self._room_first = self._room_between = self._room_last = KEPT_SIZE
        self._first: list[KeptMessage] = []
        self._is_first = size > 0
        self._between: list[KeptMessage] = []
        self._is_notable = is_notable
        self._last: deque[KeptMessage] = deque()

    def add(self, message: KeptMessage) -> None:
        length = len(message[3])
        if self._is_first:
            self._first.append(message)
            self._room_first -= length
            self._is_first = len(self._first) < self._size and self._room_first > 0
            return
        last = self._last
        last.append(message)
        self._room_last -= length
        while len(last) > self._size or self._room_last < 0:
            self._drop(last.popleft())

    @property
    def has_first(self) -> bool:
        """Whether the first ones are complete."""
        return not self._is_first

    def _drop(self, old: KeptMessage) -> None:
        """Drop a message that is no longer one of the last, unless it is notable."""
        length = len(old[3])
        self._room_last += length
        if len(self._between) >= KEPT_NOTABLE or self._room_between <= 0:
            return
        if self._is_notable(old):
            self._between.append(old)
            self._room_between -= length

    def __iter__(self) -> Iterator[KeptMessage]:
        return chain(self._first, self._between, self._last)


def reports_failure(message: KeptMessage) -> bool:
    # As text: to look for bytes in bytes takes four times as long, where these are few.
    content = message[3].lower().decode("latin-1")
    for word in _NOTABLE:  # noqa: SIM110  # a generator costs as much as the comparison
        if word in content:
            return True
    return False


def looks_like_json(message: KeptMessage) -> bool:
    """Whether a binary message is an object in JSON by its two ends, and not audio."""
    _, _, _, content, length = message
    return length <= KEPT_BINARY and content[:1] == b"{" and content[-1:] == b"}"
