"""Read a trace once and keep what a comparison needs.

Memory is bounded: the digest holds the order of messages, the words and hashes, never the audio.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from wsproxy.catalog import Api, Catalog
from wsproxy.session import Session
from wsproxy.session.audio_carrier import BINARY
from wsproxy.session.message_kinds import is_error, is_ping
from wsproxy.session.transcript_result import TranscriptResult, is_agent_message, transcript_result
from wsproxy.trace import Bytes, Eof, FrameRecord, FrameRun, Record, TraceReader, bounded_runs
from wsproxy.wire import Opcode

from .learned_variation import NO_VARIATION, LearnedVariation
from .message_kinds import Role, has_countable_messages, is_keepalive, role_of
from .messages import ComparedChunk, MessagePart, MessagePartReader, canonical
from .sequence import MAX_ITEMS, MessageSequence, SequenceItem
from .transcript import Transcript
from .volatile_values import MAX_NOT_COMPARED, Normalizer, mask_volatile

IN_FLIGHT_NS = 50_000_000  # assumed time on the way between app and server
MAX_CHUNK_INTERVAL_NS = 1_000_000_000  # between two audio chunks of a stream
_MAX_ERRORS = 64
_MAX_ERROR_LENGTH = 4000  # characters; the rest of a longer error is hashed
_MAX_RULES = 64


def _blake2b(data: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(data, digest_size=16)


@dataclass(slots=True)
class AudioStats:
    """The audio of one direction.

    Attributes:
        size: bytes.
        chunks: number of messages with audio.
        size_at_end: bytes until the peer ended the session; None if it did not.
        first_ns, last_ns: time of the first and of the last chunk.
    """

    size: int = 0
    chunks: int = 0
    size_at_end: int | None = None
    first_ns: int | None = None
    last_ns: int | None = None
    _content: hashlib.blake2b = field(default_factory=_blake2b)
    _chunking: hashlib.blake2b = field(default_factory=_blake2b)
    _recent_sizes: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=4096))
    _chunk_size: int = 0

    def add(self, chunks: Sequence[ComparedChunk]) -> None:
        """Add the audio of messages, or of a fragment of one."""
        for _, t_ns, data, length, done in chunks:
            self._content.update(data)
            self.size += length
            self._chunk_size += length
            self._recent_sizes.append((t_ns, self.size))
            if done:
                self._chunking.update(self._chunk_size.to_bytes(8, "big"))
                self.chunks += 1
                self._chunk_size = 0
        if self.first_ns is None:
            self.first_ns = chunks[0].t_ns
        self.last_ns = chunks[-1].t_ns

    @property
    def required_size(self) -> int:
        """Bytes received before the peer ended the session."""
        return self.size if self.size_at_end is None else self.size_at_end

    @property
    def chunk_interval_ns(self) -> int:
        """Average time from one chunk to the next."""
        if self.first_ns is None or self.last_ns is None or self.chunks < 2:
            return 0
        return min(MAX_CHUNK_INTERVAL_NS, (self.last_ns - self.first_ns) // (self.chunks - 1))

    def size_before(self, t_ns: int) -> int:
        """Bytes received before a time; exact for the last 4,096 chunks."""
        before = [size for when, size in self._recent_sizes if when < t_ns]
        if before:
            return before[-1]
        window_is_full = len(self._recent_sizes) == self._recent_sizes.maxlen
        return self._recent_sizes[0][1] if window_is_full else 0

    @property
    def content_digest(self) -> bytes:
        """Hash of all audio bytes."""
        return self._content.digest()

    @property
    def chunking_digest(self) -> bytes:
        """Hash of the chunk sizes: how the audio is divided into messages."""
        return self._chunking.digest()


@dataclass(slots=True)
class DirectionDigest:
    """The messages of one direction.

    Attributes:
        violations: RFC 6455 rules that this side broke, each with the number of the first
            frame that did (0: the bytes were not a frame).
        ended_ns: when this side sent its Close frame or ended its direction.
        sent_end_message: whether it sent the message that the API defines as the end of audio.
    """

    sequence: MessageSequence = field(default_factory=MessageSequence)
    audio: AudioStats = field(default_factory=AudioStats)
    violations: dict[str, int] = field(default_factory=dict)
    ended_ns: int | None = None
    sent_end_message: bool = False

    def add_violation(self, rule: str, frame: int) -> None:
        """Note the first violation of a rule."""
        if len(self.violations) < _MAX_RULES:
            self.violations.setdefault(mask_volatile(rule[:200]), frame)


@dataclass(slots=True)
class MessageTimes:
    """Times of the server's messages, ns; None where there was none.

    Attributes:
        message, transcript: the first message, and the first result with text.
        final: the last final result.
        before_close: the frame, or the bytes that are none, before the first Close frame.
    """

    message: int | None = None
    transcript: int | None = None
    final: int | None = None
    before_close: int | None = None


@dataclass(frozen=True, slots=True)
class FinalResult:
    """A final transcript result.

    Attributes:
        text_digest: hash of its text.
        content_digest: hash of the complete message, without volatile and measured values.
    """

    frame: int
    t_ns: int
    text_digest: bytes
    content_digest: bytes


class SessionDigest:
    """The parts of a session that are compared.

    Args:
        catalog: describes the messages of the known APIs.
        variation: what is known to vary between recordings, and is not compared.

    Attributes:
        messages: reads them.
        errors: (frame, text) of the server's first _MAX_ERRORS error messages, without volatile
            values; later ones are part of the message sequence.
        results: the final results that arrive in a message of their own.
        transcript: the text of the final results.
        not_compared: places in messages that are not compared, each with the reason.
        truncated_bytes: bytes of its frames that are missing from the trace.
    """

    def __init__(self, catalog: Catalog, variation: LearnedVariation = NO_VARIATION) -> None:
        self.session = Session()
        self.sent = DirectionDigest()
        self.received = DirectionDigest()
        self.errors: list[tuple[int, str]] = []
        self.results: list[FinalResult] = []
        self.transcript = Transcript()
        self.times = MessageTimes()
        self.not_compared: dict[str, str] = {}
        self.messages = MessagePartReader(self.session, catalog)
        self._variation = variation
        self._credential_fields = frozenset(n.lower() for n in catalog.credentials.message_fields)
        self.truncated_bytes = 0
        self._last_result: tuple[MessagePart | None, TranscriptResult | None] = None, None
        self._conversation_started = False  # see `_is_setup`
        self._last_ns: int | None = None

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        catalog: Catalog,
        variation: LearnedVariation = NO_VARIATION,
    ) -> SessionDigest:
        """Read a trace.

        Raises:
            TraceError: the trace cannot be read.
            LimitExceeded: it holds more than may be read, or than may be compared.
        """
        digest = cls(catalog, variation)
        with TraceReader(path) as reader:
            for record in bounded_runs(reader):
                digest.add(record)
                digest.messages.check_values(reader)
            digest.session.losses = reader.losses
        digest._take(digest.messages.end())
        digest.transcript.required_until_ns = digest.required_until_ns
        return digest

    @property
    def api(self) -> Api | None:
        """The API whose messages these are; None if unknown."""
        return self.messages.api

    def add(self, record: Record | FrameRun) -> None:
        """Add the next record."""
        self._take(self.messages.add(record))
        if isinstance(record, FrameRun):
            self._last_ns = record.last_ns
        elif isinstance(record, FrameRecord):
            self._add_frame(record)
            self._last_ns = record.t_ns
        elif isinstance(record, Bytes):
            # Without a broken rule, it is a frame that the end of the session truncated.
            if record.broken_rule:
                self._direction(record.from_client).add_violation(record.broken_rule, 0)
            self._last_ns = record.t_ns
        elif isinstance(record, Eof):
            self._set_ended(record.from_client, record.t_ns)

    def _add_frame(self, frame: FrameRecord) -> None:
        self.truncated_bytes += frame.cut
        if frame.broken_rule:
            direction = self._direction(frame.from_client)
            direction.add_violation(frame.broken_rule, self.session.frame_count)
        if frame.opcode == Opcode.CLOSE:
            if len(self.session.closes) == 1:
                self.times.before_close = self._last_ns
            self._set_ended(frame.from_client, frame.t_ns)

    def _direction(self, from_client: bool) -> DirectionDigest:
        return self.sent if from_client else self.received

    def _set_ended(self, from_client: bool, t_ns: int) -> None:
        direction = self._direction(from_client)
        if direction.ended_ns is None:
            direction.ended_ns = t_ns
            other = self._direction(not from_client).audio
            other.size_at_end = other.size

    def _take(self, parts: Sequence[MessagePart]) -> None:
        for part in parts:
            if part.audio:
                self._direction(part.from_client).audio.add(part.audio)
            if part.from_client:
                self._add_sent(part)
            else:
                self._add_received(part)

    # -- content of a message

    def content(self, part: MessagePart) -> Any:
        """The message as a JSON value that is equal where two messages count as equal."""
        errors = not part.from_client and is_error(part.kind)
        is_result = not part.from_client and self._transcript_result(part) is not None
        normalizer = Normalizer(
            numbers=errors,
            results=is_result,
            credentials=self._credential_fields,
            varies=self._varies(part.kind, from_client=part.from_client),
        )
        value: Any = part.content
        if value is None:
            value = _json_list(part.text) if self.api is None else None
        content = normalizer.value(part.text if value is None else value)
        for path, reason in normalizer.not_compared.items():
            if len(self.not_compared) < MAX_NOT_COMPARED:
                self.not_compared.setdefault(f"{part.kind[:80]}: {path or 'text'}"[:200], reason)
        return content

    def _varies(self, kind: str, *, from_client: bool) -> Callable[[str], bool] | None:
        paths = self._variation.paths
        return (lambda path: (from_client, kind, path) in paths) if paths else None

    def _content_text(self, part: MessagePart) -> str:
        content = self.content(part)
        return content if isinstance(content, str) else canonical(content)

    def _content_digest(self, part: MessagePart) -> bytes:
        text = self._content_text(part)
        return _blake2b(text.encode("utf-8", "surrogatepass")).digest()

    # -- messages from the client

    def _add_sent(self, part: MessagePart) -> None:
        end = self.api.vocabulary.end if self.api else ()
        if part.kind in end or (part.kind == "text" and part.text.strip() in end):
            self.sent.sent_end_message = True
        if (True, part.kind) in self._variation.kinds:
            return
        plain_audio = part.kind == BINARY and not part.text
        content = b"" if plain_audio else self._content_digest(part)
        item = SequenceItem(part.kind, content, part.frame, part.t_ns, bool(part.audio))
        if is_keepalive(part.kind, self.api):
            self.sent.sequence.add_nondeterministic(item)
            self._note_not_compared(part.kind, "how often it is sent")
        else:
            self.sent.sequence.add(item)

    # -- messages from the server

    def _transcript_result(self, part: MessagePart) -> TranscriptResult | None:
        if self.api is None or part.content is None or is_error(part.kind):
            return None
        if self._last_result[0] is not part:  # it is needed more than once per message
            self._last_result = part, transcript_result(self.api, part.kind, part.content)
        return self._last_result[1]

    def _add_received(self, part: MessagePart) -> None:
        if self.times.message is None:
            self.times.message = part.t_ns
        kind = part.kind
        result = self._transcript_result(part)
        if result is not None:
            if result.has_text and self.times.transcript is None:
                self.times.transcript = part.t_ns
            if result.final:
                self._add_result(part, result)
            else:
                kind = f"{kind} (interim)"
        role = self._role(part, result)
        if (False, part.kind) in self._variation.kinds:
            return
        if is_error(kind) and len(self.errors) < _MAX_ERRORS:
            self.errors.append((part.frame, self._error_text(part)))
            content = b""
        elif role is Role.COUNTED or part.text:
            content = self._content_digest(part)
        else:
            content = b""
            if role is Role.NONDETERMINISTIC:
                self._note_not_compared(kind, "timing-dependent")
            elif result is None and not part.audio:
                self._note_not_compared(kind, "what an agent says")
        item = SequenceItem(kind, content, part.frame, part.t_ns, role is Role.REPEATABLE)
        if role is Role.NONDETERMINISTIC:
            self.received.sequence.add_nondeterministic(item)
        else:
            # Where messages cannot be counted, only the first of each kind has a position.
            self.received.sequence.add(
                item,
                once_per_session=role is Role.REPEATABLE and not has_countable_messages(self.api),
            )

    def _role(self, part: MessagePart, result: TranscriptResult | None) -> Role:
        role = Role.REPEATABLE
        if result is not None and not result.final:
            role = Role.NONDETERMINISTIC
        elif result is None and not part.audio:
            role = role_of(part.kind, self.api)
        is_setup = self._is_setup(part, role, result)
        return Role.COUNTED if is_setup and role is Role.REPEATABLE else role

    def _error_text(self, part: MessagePart) -> str:
        text = self._content_text(part)
        if len(text) > _MAX_ERROR_LENGTH:
            rest = _blake2b(text.encode("utf-8", "replace")).hexdigest()
            text = text[:_MAX_ERROR_LENGTH] + rest
        return text

    def _is_setup(self, part: MessagePart, role: Role, result: TranscriptResult | None) -> bool:
        """Whether a message precedes the conversation with an agent.

        Such a message answers the app's configuration and is the same in every session.
        """
        if has_countable_messages(self.api) or self._conversation_started:
            return False
        nondeterministic = role is Role.NONDETERMINISTIC and not is_ping(part.kind)
        from_agent = part.content is not None and is_agent_message(part.kind, part.content)
        self._conversation_started = (
            bool(part.audio) or result is not None or nondeterministic or from_agent
        )
        return not self._conversation_started

    def _add_result(self, part: MessagePart, result: TranscriptResult) -> None:
        repeats = self.api is not None and part.kind in self.api.vocabulary.summary
        if not (repeats and self.transcript.has_words):
            self.transcript.add(part.frame, result, part.t_ns)
        self.times.final = part.t_ns if result.has_text else self.times.final
        if not result.fragmented and len(self.results) < MAX_ITEMS:
            content = self._content_digest(part)
            text = _blake2b(result.text.encode("utf-8", "surrogatepass")).digest()
            self.results.append(FinalResult(part.frame, part.t_ns, text, content))
        else:
            self._note_not_compared(part.kind, "only its words are compared")

    def _note_not_compared(self, kind: str, reason: str) -> None:
        if len(self.not_compared) < MAX_NOT_COMPARED:
            self.not_compared.setdefault(kind[:80], reason)

    # -- which side ended the session

    @property
    def ended_early_by_server(self) -> bool:
        """Whether the server ended the session before the app asked it to."""
        if self.session.closed_by != "server":
            return False
        if self.session.failed:
            return True
        return bool(self.api and self.api.vocabulary.end) and not self.sent.sent_end_message

    @property
    def ended_by_client(self) -> bool:
        """Whether the client ended the session."""
        return self.session.closed_by == "client"

    @property
    def required_until_ns(self) -> int | None:
        """Before when the server's stream is required; None: all of it is.

        Results and audio of the last moment before the client ended the session may have been
        on their way.
        """
        ended = self.sent.ended_ns
        return ended - IN_FLIGHT_NS if self.ended_by_client and ended is not None else None


def _json_list(text: str) -> list[Any] | None:
    """A JSON list; None if the text is something else."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None
