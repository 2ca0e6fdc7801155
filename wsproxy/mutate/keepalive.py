"""Drops or adds KeepAlive messages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from wsproxy.catalog import Api
from wsproxy.catalog.envelope import read, wrap
from wsproxy.errors import UsageError
from wsproxy.session.message_kinds import kind_at
from wsproxy.wire import Opcode

from .change import Change, Value, format_seconds, parse_time
from .draft import Draft, DraftMessage, messages

MAX_ADDED = 100_000
_SHORTEST_NS = 10_000_000


@dataclass(frozen=True, slots=True)
class KeepAlive(Change):
    """Drops the client's KeepAlive messages, or adds some.

    Attributes:
        every_ns: add one whenever the client was silent for this time, ns; 0: drop all.
    """

    every_ns: int = 0

    @classmethod
    def parse(cls, text: str) -> KeepAlive:
        """Read "drop" or "add:EVERY".

        Raises:
            UsageError: it is invalid.
        """
        value = Value("keepalive", text, "drop, or add:EVERY, such as add:5s")
        what, colon, every = text.strip().partition(":")
        if what == "drop" and not colon:
            return cls()
        if what != "add" or not colon:
            raise value.error()
        every_ns = parse_time(every, value)
        if every_ns < _SHORTEST_NS:
            raise value.error(f"the shortest time is {_SHORTEST_NS / 1e9:g} s")
        return cls(every_ns)

    def __str__(self) -> str:
        return f"keepalive {f'add:{format_seconds(self.every_ns)}' if self.every_ns else 'drop'}"

    def apply(self, draft: Draft) -> None:
        api = draft.api
        if api is None or not api.vocabulary.keepalive:
            raise UsageError(f"{self}: the catalog has no KeepAlive message for {draft.api_title}")
        if self.every_ns:
            self._add(draft, api)
        else:
            self._drop(draft, api)

    def _drop(self, draft: Draft, api: Api) -> None:
        removed = [
            item
            for message in messages(draft.items, from_client=True)
            if message_kind(api, message) in api.vocabulary.keepalive
            for item in message.items
        ]
        if not removed:
            raise UsageError(f"{self}: the client sent no {_names(api)}")
        draft.remove(removed)

    def _add(self, draft: Draft, api: Api) -> None:
        text = wrap(api.envelope, json.dumps(_keepalive_message(api)))
        opcode, payload = (
            (Opcode.TEXT, text.encode()) if isinstance(text, str) else (Opcode.BINARY, text)
        )
        times = self._times(draft)
        if not times:
            raise UsageError(f"{self}: the client was never silent for that long")
        draft.items += [draft.new_frame(t_ns, True, opcode, payload) for t_ns in times]
        draft.sort()

    def _times(self, draft: Draft) -> list[int]:
        """Times of the added messages, ns."""
        opened = draft.opened_ns(self)
        end = draft.first_end()
        sent = list(messages(draft.items[:end], from_client=True))
        # No message may be sent between the frames of another (RFC 6455, section 5.4).
        silences = [(a.items[-1].t_ns, b.items[0].t_ns) for a, b in pairwise(sent) if a.finished]
        end_ns = draft.items[end].t_ns if end < len(draft.items) else draft.end_ns
        silences.append((opened, sent[0].items[0].t_ns if sent else end_ns))
        if sent and sent[-1].finished:
            silences.append((sent[-1].items[-1].t_ns, end_ns))
        if sum((end - begin) // self.every_ns for begin, end in silences) > MAX_ADDED:
            raise UsageError(f"{self}: that adds more than {MAX_ADDED} messages")
        every = self.every_ns
        return [t for begin, end in silences for t in range(begin + every, end, every)]


def message_kind(api: Api, message: DraftMessage) -> str:
    """The kind of a message of an API; "" for none."""
    if not message.complete or len(message.content) > _MAX_MESSAGE:
        return ""
    content = message.content
    json_message, _ = read(
        api.envelope, content.decode("utf-8", "replace") if message.is_text else content
    )
    return kind_at(json_message or {}, api.vocabulary.kind, api.vocabulary.beside)


_MAX_MESSAGE = 64 << 10  # bytes of a message with a kind


def _keepalive_message(api: Api) -> dict[str, Any]:
    """A KeepAlive message of the first kind that the API names."""
    name = api.vocabulary.keepalive[0]
    path = api.vocabulary.kind
    if not path:
        return {name: {}}
    message: Any = name
    for part in reversed(path.split(".")):
        message = {part: message}
    assert isinstance(message, dict)
    return message


def _names(api: Api) -> str:
    return " or ".join(api.vocabulary.keepalive)
