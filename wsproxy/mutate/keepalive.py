"""KeepAlive messages: none, or more of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from wsproxy.catalog import Api
from wsproxy.envelope import Json, field, read, wrap
from wsproxy.errors import UsageError
from wsproxy.wire import Opcode

from .change import Change
from .draft import Draft, Message, messages
from .places import Value, parse_time, seconds

MAX_ADDED = 100_000
_SHORTEST_NS = 10_000_000


@dataclass(frozen=True, slots=True)
class KeepAlive(Change):
    """Drops the client's KeepAlive messages, or adds some.

    Attributes:
        every_ns: one is added whenever the client was silent for so long; 0: all are dropped.
    """

    every_ns: int = 0

    @classmethod
    def parse(cls, text: str) -> KeepAlive:
        """Read "drop" or "add:EVERY".

        Raises:
            UsageError: it is neither.
        """
        value = Value("keepalive", text, "drop, or add:EVERY, such as add:5s")
        what, colon, every = text.strip().partition(":")
        if what == "drop" and not colon:
            return cls()
        if what != "add" or not colon:
            raise value.wrong()
        every_ns = parse_time(every, value)
        if every_ns < _SHORTEST_NS:
            raise value.wrong(f"the shortest time is {_SHORTEST_NS / 1e9:g} s")
        return cls(every_ns)

    def __str__(self) -> str:
        return f"keepalive {f'add:{seconds(self.every_ns)}' if self.every_ns else 'drop'}"

    def apply(self, draft: Draft) -> None:
        api = draft.api
        if api is None or not api.vocabulary.keepalive:
            raise UsageError(f"{self}: the catalog knows no KeepAlive message of {draft.whose}")
        if self.every_ns:
            self._add(draft, api)
        else:
            self._drop(draft, api)

    def _drop(self, draft: Draft, api: Api) -> None:
        gone = [
            item
            for message in messages(draft.items, from_client=True)
            if kind(api, message) in api.vocabulary.keepalive
            for item in message.items
        ]
        if not gone:
            raise UsageError(f"{self}: the client sent no {_names(api)}")
        draft.remove(gone)

    def _add(self, draft: Draft, api: Api) -> None:
        text = wrap(api.envelope, json.dumps(_spoken(api)))
        opcode, payload = (
            (Opcode.TEXT, text.encode()) if isinstance(text, str) else (Opcode.BINARY, text)
        )
        times = self._times(draft)
        if not times:
            raise UsageError(f"{self}: the client was never silent for so long")
        draft.items += [draft.new_frame(t_ns, True, opcode, payload) for t_ns in times]
        draft.sort()

    def _times(self, draft: Draft) -> list[int]:
        """When one is due."""
        opened = draft.opened_ns(self)
        end = draft.first_end()
        spoken = list(messages(draft.items[:end], from_client=True))
        # Between the frames of one message nothing can be said (RFC 6455, section 5.4).
        silences = [(a.items[-1].t_ns, b.items[0].t_ns) for a, b in pairwise(spoken) if a.finished]
        end_ns = draft.items[end].t_ns if end < len(draft.items) else draft.end_ns
        silences.append((opened, spoken[0].items[0].t_ns if spoken else end_ns))
        if spoken and spoken[-1].finished:
            silences.append((spoken[-1].items[-1].t_ns, end_ns))
        if sum((end - begin) // self.every_ns for begin, end in silences) > MAX_ADDED:
            raise UsageError(f"{self}: that would add over {MAX_ADDED} messages")
        every = self.every_ns
        return [t for begin, end in silences for t in range(begin + every, end, every)]


def kind(api: Api, message: Message) -> str:
    """The kind of a message of an API; empty where it has none."""
    if not message.whole or len(message.content) > _LONGEST:
        return ""
    content = message.content
    spoken, _ = read(
        api.envelope, content.decode("utf-8", "replace") if message.is_text else content
    )
    return _kind(spoken or {}, api.vocabulary.kind)


_LONGEST = 64 << 10  # bytes of a message that has a kind


def _kind(content: Json, name: str) -> str:
    if not name:
        return next(iter(content), "")
    value = field(content, name)
    return value if isinstance(value, str) else ""


def _spoken(api: Api) -> dict[str, Any]:
    """The message, of the first kind that the API names."""
    name = api.vocabulary.keepalive[0]
    path = api.vocabulary.kind
    if not path:
        return {name: {}}
    spoken: Any = name
    for part in reversed(path.split(".")):
        spoken = {part: spoken}
    assert isinstance(spoken, dict)
    return spoken


def _names(api: Api) -> str:
    return " or ".join(api.vocabulary.keepalive)
