"""Who ends the turns of the user in a session, and which turns the app has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from wsproxy.catalog.exchange import Patterns, UserTurns
from wsproxy.catalog.success import MessagePattern, first_match

from .message import SessionMessage

Content = Mapping[str, Any]

_MAX_VALUE = 100  # bytes of a value, with what stands before it


class TurnPlace(NamedTuple):
    """A message about turns.

    Attributes:
        what: the setting in it, or its kind.
    """

    frame: int
    t_ns: int
    what: str


class TurnTracker:
    """Collects the settings of turns, and what the app does about them, message by message.

    Args:
        api: how turns end in this API.

    Attributes:
        manual: the message with which the app began to end the turns itself; None if the server
            ends them.
        silent: the message since which the agent answers only when the app requests it; None if
            it answers each turn.
        ended, requested: the app's last message that ends a turn, and that requests an answer.
        wants_words: the message that asks for the words of the user; None if there is none.
        has_words: whether any came, or the failure to find them.
    """

    def __init__(self, api: UserTurns) -> None:
        self._api = api
        paths = [path for pattern in api.settings for path, _ in pattern.fields]
        self._names = {path.partition(".")[0] for path in paths}
        self._kinds = {pattern.kind for pattern in (*api.end, *api.request, *api.words)}
        self._marks = [_Mark.of(pattern) for pattern in api.end if pattern.fields]
        self.manual: TurnPlace | None = None
        self.silent: TurnPlace | None = None
        self.ended: TurnPlace | None = None
        self.requested: TurnPlace | None = None
        self.wants_words: TurnPlace | None = None
        self.has_words = False

    def may_end_turn(self, data: bytes) -> bool:
        """Whether a message with audio may end a turn as well: it is worth parsing then.

        Args:
            data: JSON in UTF-8, nearly all of which is audio.
        """
        return any(mark.is_in(data) for mark in self._marks)

    def add(self, message: SessionMessage, content: Content) -> None:
        """Add a message of either side."""
        if not self._api.manual:
            return
        if any(name in content for name in self._names):
            self._add_settings(message, content)
        if message.kind not in self._kinds:
            return
        if not message.from_client:
            self.has_words |= _first(self._api.words, message, content) is not None
            return
        self.ended = _first(self._api.end, message, content) or self.ended
        self.requested = _first(self._api.request, message, content) or self.requested

    def _add_settings(self, message: SessionMessage, content: Content) -> None:
        api = self._api
        if manual := _first(api.manual, message, content):
            self.manual = self.manual or manual
        elif _first(api.automatic, message, content):
            self.manual = self.silent = None
        if silent := _first(api.silent, message, content):
            self.silent = self.silent or silent
        self.wants_words = self.wants_words or _first(api.transcribe, message, content)


class _Mark(NamedTuple):
    """A field with a value as it is written in JSON, found without parsing the audio beside it."""

    name: bytes
    value: bytes

    @classmethod
    def of(cls, pattern: MessagePattern) -> _Mark:
        path, value = pattern.fields[0]
        written = value if value in ("true", "false") else "{" if value == "{}" else f'"{value}"'
        return cls(f'"{path.rpartition(".")[2]}"'.encode(), written.encode())

    def is_in(self, data: bytes) -> bool:
        at = data.find(self.name)
        if at < 0:
            return False
        begin = at + len(self.name)
        return data[begin : begin + _MAX_VALUE].lstrip(b" :\t\r\n").startswith(self.value)


def _first(patterns: Patterns, message: SessionMessage, content: Content) -> TurnPlace | None:
    """The message, with the first pattern that it matches; None if there is none."""
    pattern = first_match(patterns, message.kind, content)
    if pattern is None:
        return None
    path, value = pattern.fields[0] if pattern.fields else (pattern.kind, "")
    name = ".".join(path.split(".")[-2:])
    return TurnPlace(message.frame, message.t_ns, f"{name}={value}" if value else name)
