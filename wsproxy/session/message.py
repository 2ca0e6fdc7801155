"""A message of a session as JSON: its kind and its content, read once."""

from __future__ import annotations

from typing import NamedTuple

from wsproxy.catalog import Api
from wsproxy.catalog.envelope import Json, read
from wsproxy.catalog.success import EMPTY

from .message_kinds import kind_at, stated_kind
from .messages import CompleteMessage

MAX_VALUES = 4_000_000  # JSON values that are parsed in a session
MAX_MESSAGE_VALUES = 1_000_000  # of one message: they may take 60 MiB
_SHORT = 40  # characters of a text that is a kind by itself, such as EOS


class SessionMessage(NamedTuple):
    """A complete message.

    Attributes:
        frame, t_ns: of the frame that began it.
        kind: its type as the API names it; "(empty)" for no content, a short text for itself;
            empty for other messages.
        content: the JSON object, with the headers of the envelope; None for something else.
        length: bytes of all of it.
    """

    frame: int
    t_ns: int
    from_client: bool
    kind: str
    content: Json | None
    length: int


class MessageReader:
    """Reads messages as JSON.

    Args:
        api: whose messages these are; None if unknown.
        max_values: that are parsed; what comes then has no JSON.

    Attributes:
        values: JSON values in what was parsed, at most.
    """

    def __init__(self, api: Api | None, max_values: int = MAX_VALUES) -> None:
        self._envelope = api.envelope if api else ""
        self._kind_path = api.vocabulary.kind if api else "type"
        self._beside = api.vocabulary.beside if api else ()
        self.values = 0
        self._max_values = max_values

    def read(self, message: CompleteMessage) -> SessionMessage:
        """Read a message; one that was truncated has no JSON."""
        frame, t_ns, from_client, is_text, data, length, _, _ = message
        content: Json | None = None
        text = data.decode("utf-8", "replace") if is_text else ""
        if data and (is_text or self._envelope) and self._may_read(data):
            content = read(self._envelope, text if is_text else data)[0]
        if content is not None:
            path = self._kind_path
            kind = stated_kind(content, path) if path else kind_at(content, path, self._beside)
        elif not length:
            kind = EMPTY
        else:
            kind = text.strip() if len(text) <= _SHORT else ""
        return SessionMessage(frame, t_ns, from_client, kind, content, length)

    def _may_read(self, data: bytes) -> bool:
        """Whether JSON is read: a hostile trace may hold more than there is time for."""
        values = data.count(b",") + data.count(b"[") + data.count(b"{")
        if values > MAX_MESSAGE_VALUES:
            return False
        self.values += values
        return self.values <= self._max_values
