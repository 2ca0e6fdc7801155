"""Whether an app asks for the times of the words that are spoken, and whether they come."""

from __future__ import annotations

import re

from wsproxy.trace import Request

from .message import SessionMessage
from .message_fields import fields_of
from .message_kinds import KIND_FIELDS
from .request_query import query_pairs

# In the names of settings, fields and messages of all APIs that have such times.
_TIMES = re.compile(r"timestamp|alignment|word_?bound|word_?time|viseme", re.IGNORECASE)
_ASKED = frozenset({"true", "word", "words", "char", "character", "characters"})
_MAX_ASKED = 4  # kinds of times in one setting
_MAX_REQUESTS = 50  # messages of the app that are looked at


class WordTimes:
    """Times of words, asked for and received.

    Attributes:
        asked: the name of the setting that asks for them; "" if there is none.
        frame, t_ns: of the message with the setting; 0 where the URL has it.
        came: whether the server sent any.
    """

    def __init__(self) -> None:
        self.asked = ""
        self.frame = self.t_ns = 0
        self.came = False
        self._left = _MAX_REQUESTS

    def add_request(self, request: Request | None) -> None:
        """Read the URL of the session."""
        pairs = query_pairs(request)
        self.asked = next((name for name, value in pairs if _asks(name, value)), "")

    def add(self, message: SessionMessage) -> None:
        """Add a message of either side."""
        content = message.content
        if content is None or self.came or (message.from_client and (self.asked or not self._left)):
            return
        if message.from_client:
            self._left -= 1
            self.asked = next(
                (name for name, value in fields_of(content) if _asks(name, value)), ""
            )
            self.frame, self.t_ns = message.frame, message.t_ns
        elif self.asked:
            self.came = any(_has_times(name, value) for name, value in fields_of(content))


def _asks(name: str, value: object) -> bool:
    """Whether a setting asks for the times of words."""
    if not _TIMES.search(name):
        return False
    values = value if isinstance(value, list) else [value]
    return any(str(each).lower() in _ASKED for each in values[:_MAX_ASKED])


def _has_times(name: str, value: object) -> bool:
    """Whether a field of the server's message has such times, or names the message after them."""
    if name.lower() in KIND_FIELDS and isinstance(value, str):
        return _TIMES.search(value) is not None
    return bool(value) and _TIMES.search(name) is not None
