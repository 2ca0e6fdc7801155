"""The timeline of a session: audio, transcript, control events, latency, and what proves success.

A fold over the records of a trace, as `Session` is, but it reads every message: it is used for
finished traces. Its memory is bounded however long the session is.
"""

from __future__ import annotations

from wsproxy.catalog import Api, Catalog
from wsproxy.catalog.envelope import field as field_of
from wsproxy.trace import FrameRecord, Record, Request, Response, Start
from wsproxy.wire import Opcode

from .audio_meter import AudioClock, AudioMeter
from .control_events import ControlEvents
from .latency import Latency
from .message import MessageStream, SessionMessage
from .message_kinds import is_error
from .success_tracker import SuccessTracker
from .transcript import UNKNOWN_API, SessionTranscript

_TEXT_FIELDS = ("text", "transcript")  # of a text to speak, where the catalog names none
_STRICT = ("azure", "event-stream")  # envelopes without which a binary message means nothing
KEPT_ERRORS = 20  # frames of error messages


class Timeline:
    """What happened in a session, in the terms of speech.

    Args:
        catalog: describes the messages of the known APIs.

    Attributes:
        api: whose messages these are; None if unknown.
        sent, received: the audio of the client, and of the server.
        characters, texts: of the texts to speak that the client sent, and their number.
        first_text_frame: of them; None if there was none.
        server_messages: how many messages the server sent.
        last_server_ns, last_server_frame: of the server's last message; None if there was none.
        error_frames: of the server's first messages whose kind is an error.
        speech_at_words: seconds of speech that had been sent at the last result with words.
        unwrapped: (frame, length) of the client's first binary message that is not in the API's
            envelope; None if all are.
        unwrapped_count: how many there are.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._number = 0
        self._opened_ns: int | None = None
        self._requested_ns = 0
        self._path = ""
        self.latency = Latency()
        self.characters = 0
        self.texts = 0
        self.first_text_frame: int | None = None
        self.server_messages = 0
        self.last_server_ns: int | None = None
        self.last_server_frame: int | None = None
        self.error_frames: list[int] = []
        self.speech_at_words: float = 0.0
        self.unwrapped: tuple[int, int] | None = None
        self.unwrapped_count = 0
        self._begin(None)

    def _begin(self, api: Api | None) -> None:
        """Set what depends on the API."""
        self.api = api
        self._messages = MessageStream(api)
        self._meters = tuple(
            AudioMeter(api, self._path, from_client=side) for side in (False, True)
        )
        self.sent: AudioClock = self._meters[True]
        self.received: AudioClock = self._meters[False]
        self.transcript = SessionTranscript(api)
        self.events = ControlEvents((api or UNKNOWN_API).vocabulary)
        self.success = SuccessTracker(api)

    def add(self, record: Record) -> None:
        """Add the next record."""
        match record:
            case FrameRecord():
                self._number += 1
                if record.opcode == Opcode.BINARY and record.fin and self._is_plain_audio(record):
                    self._add_binary(record)
                elif record.opcode <= Opcode.BINARY:
                    message = self._messages.add(record, self._number)
                    if message is not None:
                        self._add_message(message)
            case Start():
                self._begin(self._catalog.api(record.provider, record.api))
            case Request():
                self._requested_ns, self._path = record.t_ns, record.path
                self._begin(self.api)
            case Response() if record.status == 101:
                self._opened_ns = record.t_ns
                self.latency.upgrade = (record.t_ns - self._requested_ns) / 1e9

    def _is_plain_audio(self, frame: FrameRecord) -> bool:
        """Whether a binary message is audio for certain: nearly all messages of most sessions."""
        has_envelope = self.api is not None and self.api.envelope
        return not has_envelope and bool(frame.payload)

    def _add_binary(self, frame: FrameRecord) -> None:
        """Add a message of one frame that is nothing but audio."""
        self._messages.begin(from_client=frame.from_client)
        if not frame.from_client:
            self._add_server_message(frame.t_ns, self._number)
            self.latency.add_server_audio(frame.t_ns, self.sent)
        self._meters[frame.from_client].add_binary(frame.payload, frame.t_ns)

    def _add_message(self, message: SessionMessage) -> None:
        meter = self._meters[message.from_client]
        audio = meter.add(message)
        if message.from_client:
            self._add_sent(message, audio)
        else:
            self._add_received(message, audio)
        if message.content is not None or message.is_text:
            self.success.add(message)

    # -- the client

    def _add_sent(self, message: SessionMessage, audio: int) -> None:
        if message.content is None:
            if not message.is_text and self.api is not None and self.api.envelope in _STRICT:
                self.unwrapped_count += 1
                self.unwrapped = self.unwrapped or (message.frame, message.length)
        elif not audio:
            by_server = self.api is not None and self.api.audio.origin == "server"
            self._meters[not by_server].declare(message.content)
        if audio:
            return
        if text := self._text_to_speak(message):
            self.texts += 1
            self.characters += text
            self.first_text_frame = self.first_text_frame or message.frame
            self.latency.add_text(message.t_ns)
        if message.is_text or message.content is not None:
            self.events.add(message)

    def _text_to_speak(self, message: SessionMessage) -> int:
        """The characters of a text to speak."""
        if self.api is None or self.api.audio.origin != "server" or message.content is None:
            return 0
        if message.kind == "ssml":
            return message.length
        paths = (self.api.vocabulary.text,) if self.api.vocabulary.text else _TEXT_FIELDS
        found = (field_of(message.content, path) for path in (*paths, "inputs.0.text"))
        return next((len(text) for text in found if isinstance(text, str) and text.strip()), 0)

    # -- the server

    def _add_received(self, message: SessionMessage, audio: int) -> None:
        self._add_server_message(message.t_ns, message.frame)
        if audio:
            self.latency.add_server_audio(message.t_ns, self.sent)
        result = self.transcript.add(message)
        if result is not None:
            if not result.by_agent:
                self.latency.add_result(result, self.sent)
                if result.text:
                    self.speech_at_words = self.sent.speech or 0.0
            return
        if is_error(message.kind) and len(self.error_frames) < KEPT_ERRORS:
            self.error_frames.append(message.frame)
        if message.content is not None and not audio:
            self.events.add(message)

    def _add_server_message(self, t_ns: int, frame: int) -> None:
        self.server_messages += 1
        self.last_server_ns, self.last_server_frame = t_ns, frame
        if self.latency.first_message is None and self._opened_ns is not None:
            self.latency.first_message = (t_ns - self._opened_ns) / 1e9
