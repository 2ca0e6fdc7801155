"""A session with the derived facts that checks and rules need, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from wsproxy.audio.encodings import AudioFormat
from wsproxy.audio.report import AudioReport
from wsproxy.audio.sniff import TEXT_KINDS
from wsproxy.catalog import Api, ApiLimits, Catalog, Provider, Vocabulary, json_messages
from wsproxy.catalog.envelope import Json
from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.server_sentence import ServerSentence, server_sentences
from wsproxy.session import Session
from wsproxy.session.audio_carrier import BINARY, OBJECT_TEXT
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.declared_audio import DeclaredFormat, declared_format
from wsproxy.session.exchange_tracker import ExchangeTracker
from wsproxy.session.format_timeline import FormatTimeline, format_timeline, without_header
from wsproxy.session.message_kinds import kind_at
from wsproxy.session.request_query import query_parameters
from wsproxy.session.traffic import DataTotals
from wsproxy.session.transcript import Result
from wsproxy.system.address import is_loopback

from .call import CALLER, is_call
from .evidence import Evidence, quoted

SETUP_MESSAGES = 3  # first ones of an app, which do no more than set a session up

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

    @cached_property
    def is_call(self) -> bool:
        """Whether a telephone service is the client, and the app its server."""
        return self.api is None and is_call(self.session)

    @property
    def client_name(self) -> str:
        """Who opens the session: nearly always the app."""
        return CALLER if self.is_call else "the app"

    @property
    def speaker(self) -> str:
        """Whose audio the server's is, as the app's author calls it."""
        return "the app" if self.is_call else "the server"

    @property
    def server_name(self) -> str:
        """Who answers: the provider, at a host of its own or a simulated one; else the host.

        An API that is known by its path may be behind somebody's gateway, or self-hosted.
        """
        host = self.session.recorded_host or ""
        if self.provider is not None and (self.provider.is_at(host) or is_loopback(host)):
            return self.provider.name_at(host)
        request = self.session.request
        return quoted(request.host) if request else "the server"

    @property
    def provider_name(self) -> str:
        """The name of the provider whose API this is; of an unknown one, the host."""
        if self.provider is not None:
            return self.provider.name_at(self.session.recorded_host or "")
        return self.server_name

    @property
    def vocabulary(self) -> Vocabulary:
        return self.api.vocabulary if self.api else Vocabulary()

    @cached_property
    def transcribes_only(self) -> bool:
        """Whether nobody answers the audio: by the API, or by the settings of the session."""
        if self.api is not None and self.api.audio.origin == "client":
            return True
        settings = self.api.success.words_only if self.api else ()
        query = {"query": query_parameters(self.session.request)} if settings else {}
        said = [("", query), *((m.kind, m.content) for m in (*self.server_json, *self.client_json))]
        return any(each.matches(kind, content) for each in settings for kind, content in said)

    @property
    def exchange(self) -> ExchangeTracker | None:
        """Which messages belong together; None where the session was refused or only counted."""
        timeline = self.session.timeline
        return timeline.exchange if timeline is not None and self.session.accepted else None

    @property
    def limits(self) -> ApiLimits:
        return self.api.limits if self.api else ApiLimits()

    @cached_property
    def sentences(self) -> Sequence[ServerSentence]:
        """What the server said of a failure, the most relevant first."""
        return server_sentences(self.session, self.api.envelope if self.api else "")

    @property
    def is_failure_reported(self) -> bool:
        """Whether the session failed, or its last messages report an error.

        A server may send an error, and then close normally.
        """
        said = (each.ends and each.where == "message" for each in self.sentences)
        return self.session.failed or any(said)

    # -- times

    @cached_property
    def ended_ns(self) -> int:
        """When the session ended: its first Close frame, or else the end of the connection."""
        return self.session.ended_ns

    @property
    def opened_ns(self) -> int:
        return self.session.opened_ns or 0

    @property
    def close_code(self) -> int | None:
        """The code of the first Close frame; None where it has none, or there is none."""
        close = self.session.close
        return close.code if close is not None else None

    # -- frames

    @cached_property
    def declared_format(self) -> DeclaredFormat | None:
        """The format that the session declares `audio` to have, None where it has no audio.

        An API with audio in binary messages from one side has one also without audio.
        """
        known = declared_format(self.session, self.api)
        if known is not None or not self.audio:
            return known
        declared = without_header(self.timeline).declarations
        first_ns = self.audio.first.t_ns if self.audio.first else 0
        found = [d for d in declared if d.t_ns <= first_ns] or declared[:1]
        if not found:
            return None
        form = found[-1].format
        return DeclaredFormat(
            form.encoding,
            form.rate,
            form.channels,
            from_client=self.audio.from_client,
            explicit=found[-1].explicit,
        )

    @property
    def ends_with_audio(self) -> bool:
        """Whether the client's last message is audio."""
        sent, audio = self.sent.last, self.audio.last
        return sent is not None and audio is not None and sent.frame == audio.frame

    @cached_property
    def timeline(self) -> FormatTimeline:
        """The formats of `audio` over time."""
        audio = self.audio
        return format_timeline(self.session, self.api, audio, from_client=audio.from_client)

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
    def only_format(self) -> AudioFormat | None:
        """The format of all of the audio, such as that of its WAV header; None if it is unknown."""
        if self.timed_format is not None:
            return self.timed_format
        formats = [each.format for each in self.timeline.declarations]
        return formats[0] if len(formats) == 1 and formats[0].bytes_per_second else None

    @cached_property
    def final_words(self) -> Sequence[Result]:
        """The final results with words, in order; not those of an agent's own speech."""
        found = self.session.timeline.transcript if self.session.timeline is not None else ()
        return [each for each in found if each.final and each.text and not each.by_agent]

    @cached_property
    def signal(self) -> AudioReport:
        """What the samples of `audio` are, of all of them or as many as are known."""
        declared = without_header(self.timeline).declarations
        return self.audio.signal(declared[0].format if declared else None)

    @property
    def client_audio_head(self) -> bytes:
        """The first bytes of the audio that the client sends."""
        return self.audio.head if self.audio.from_client else b""

    @cached_property
    def audio(self) -> AudioTrack:
        """The audio of the side that sends it by the API, else of the client, else of the server.

        Whatever carries it; a track without messages where there is none.
        """
        origin = self.api.audio.origin if self.api else ""
        sides = {"client": (True,), "server": (False,)}.get(origin, (True, False))
        for side in sides:
            found = self.tracks(from_client=side)
            if found:
                return found[0]
        return AudioTrack(sides[0], BINARY)

    def tracks(self, *, from_client: bool) -> Sequence[AudioTrack]:
        """The tracks of a direction that hold audio, the one with the most audio first.

        For an API with an envelope, JSON in binary messages is no audio.
        """
        envelope = self.api.envelope if self.api else ""
        return [
            track
            for track in self.session.audio.tracks(from_client=from_client)
            if track.carrier != OBJECT_TEXT
            and not (track.carrier == BINARY and envelope == "json" and track.kind == "JSON")
            and not (track.carrier == BINARY and self.api is None and track.kind in TEXT_KINDS)
        ]

    @property
    def sent(self) -> DataTotals:
        """The app's messages and parts of messages, up to the end of the session."""
        return self.session.traffic.data[True]

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
        name, beside = self.vocabulary.kind, self.vocabulary.beside
        time_of = self.session.time_of
        return [
            ServerMessage(frame, time_of(frame) or 0, kind_at(content, name, beside), content)
            for frame, content in json_messages(self.session, envelope, from_client=from_client)
            if frame <= self.session.frame_count
        ]
