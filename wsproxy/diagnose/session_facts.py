"""A session with the derived facts that checks and rules need, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from wsproxy.catalog import Api, ApiLimits, Catalog, Provider, Vocabulary, json_messages
from wsproxy.catalog.envelope import Json
from wsproxy.catalog.envelope import field as field_of
from wsproxy.session import FrameColumns, Session
from wsproxy.session.declared_audio import DeclaredFormat, audio_frames, declared_format
from wsproxy.wire import Opcode

from .evidence import Evidence

DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION})

Measure = Callable[["SessionFacts"], list[Evidence]]


@dataclass(frozen=True, slots=True)
class ServerMessage:
    """A message that is a JSON object.

    Attributes:
        kind: the message's type as the API names it, "" where it has none.
    """

    frame: int
    t_ns: int
    kind: str
    content: Json


@dataclass
class SessionFacts:
    """A session and what the catalog knows of its API.

    Attributes:
        with_rules: whether to run the rules.
    """

    session: Session
    catalog: Catalog
    with_rules: bool = True
    _measured: dict[Measure, list[Evidence]] = field(default_factory=dict, repr=False)

    def measured(self, measure: Measure) -> list[Evidence]:
        """The evidence of a check or a rule, computed once."""
        if measure not in self._measured:
            self._measured[measure] = measure(self)
        return self._measured[measure]

    # -- the API

    @cached_property
    def provider(self) -> Provider | None:
        return self.catalog.provider(self.session.provider or "")

    @cached_property
    def api(self) -> Api | None:
        return self.catalog.api(self.session.provider, self.session.api)

    @property
    def vocabulary(self) -> Vocabulary:
        return self.api.vocabulary if self.api else Vocabulary()

    @property
    def limits(self) -> ApiLimits:
        return self.api.limits if self.api else ApiLimits()

    # -- times

    @cached_property
    def ended_ns(self) -> int:
        """When the session ended: its first Close frame, or else the end of the connection."""
        session = self.session
        if session.close is not None:
            return session.close.t_ns
        for direction in (session.received, session.sent):
            if direction.ended is not None:
                return direction.ended.t_ns
        return session.duration_ns

    @property
    def opened_ns(self) -> int:
        return self.session.opened_ns or 0

    # -- frames

    @cached_property
    def declared_format(self) -> DeclaredFormat | None:
        return declared_format(self.session, self.api)

    @property
    def client_format(self) -> DeclaredFormat | None:
        """The declared format, if the client sends the audio."""
        declared = self.declared_format
        return declared if declared is not None and declared.from_client else None

    @property
    def timed_format(self) -> DeclaredFormat | None:
        """The declared format, if the size of the audio determines its duration."""
        declared = self.declared_format
        return declared if declared is not None and declared.bytes_per_second else None

    @property
    def client_audio_head(self) -> bytes:
        """The first bytes of the audio that the client sends."""
        return self.session.sent.head if self.client_format is not None else b""

    @cached_property
    def audio(self) -> FrameColumns:
        """The frames that carry audio."""
        return audio_frames(self.session, self.declared_format)

    @cached_property
    def sent(self) -> FrameColumns:
        """The app's messages and parts of messages, up to the end of the session."""
        return self.session.track(from_client=True, opcodes=DATA).until(self.ended_ns)

    @cached_property
    def received(self) -> FrameColumns:
        """The server's messages and parts of messages, up to the end of the session."""
        return self.session.track(from_client=False, opcodes=DATA).until(self.ended_ns)

    # -- messages

    @cached_property
    def client_json(self) -> Sequence[ServerMessage]:
        """The app's messages that are JSON objects, of those that the session keeps."""
        return self._json(from_client=True)

    @cached_property
    def server_json(self) -> Sequence[ServerMessage]:
        """The server's messages that are JSON objects, of those that the session keeps."""
        return self._json(from_client=False)

    @cached_property
    def texts_to_speak(self) -> Sequence[tuple[int, ServerMessage]]:
        """The app's messages with text to synthesize: (characters, message)."""
        path = self.vocabulary.text or "text"
        found = ((field_of(message.content, path), message) for message in self.client_json)
        return [(len(text), message) for text, message in found if isinstance(text, str)]

    def _json(self, *, from_client: bool) -> Sequence[ServerMessage]:
        envelope = self.api.envelope if self.api else ""
        name = self.vocabulary.kind
        return [
            ServerMessage(frame, self.session.frame(frame).t_ns, _kind(content, name), content)
            for frame, content in json_messages(self.session, envelope, from_client=from_client)
            if frame <= self.session.frame_count
        ]


def _kind(content: Json, name: str) -> str:
    if not name:
        return next(iter(content), "")
    value = field_of(content, name)
    return value if isinstance(value, str) else ""
