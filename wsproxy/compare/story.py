"""What is compared of a session, read straight from its trace in one pass.

Streams: holds the order of messages, words, and sums; never the audio.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from dataclasses import dataclass, field

from wsproxy.catalog import Api, Catalog
from wsproxy.session import Session, bounded
from wsproxy.trace import Bytes, Eof, FrameRecord, Record, Start, TraceReader
from wsproxy.wire import Opcode

from .kinds import Role, answers, is_error, keeps_alive, role_of
from .messages import Messages, Part, canonical
from .sequence import Item, Sequence
from .transcript import Transcript, heard
from .volatile import stable, stable_value

ON_ITS_WAY_NS = 50_000_000  # between an app and a server
LONGEST_STEP_NS = 1_000_000_000  # between two chunks of a stream
_MAX_ERRORS = 64
_MAX_ERROR = 4000  # characters of one
_MAX_RULES = 64
_BINARY = "binary"


def _digest(data: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(data, digest_size=16)


@dataclass(slots=True)
class Sound:
    """The audio of one direction.

    Attributes:
        size: bytes.
        chunks: messages with audio.
        due: bytes that had come before the other side ended the session.
        step_ns: from one chunk to the next, on average.
    """

    size: int = 0
    chunks: int = 0
    due: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    _bytes: hashlib.blake2b = field(default_factory=_digest)
    _sizes: hashlib.blake2b = field(default_factory=_digest)
    _lately: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=4096))
    _chunk: int = 0

    def take(self, part: Part) -> None:
        """Take a message with audio, or a part of one."""
        self._bytes.update(part.audio)
        self.size += len(part.audio) + part.cut
        self._chunk += len(part.audio) + part.cut
        if self.first_ns is None:
            self.first_ns = part.t_ns
        self.last_ns = part.t_ns
        self._lately.append((part.t_ns, self.size))
        if part.done:
            self._sizes.update(self._chunk.to_bytes(8, "big"))
            self.chunks += 1
            self._chunk = 0

    @property
    def step_ns(self) -> int:
        if self.first_ns is None or self.last_ns is None or self.chunks < 2:
            return 0
        return min(LONGEST_STEP_NS, (self.last_ns - self.first_ns) // (self.chunks - 1))

    def until(self, t_ns: int) -> int:
        """Bytes that had come before a time; of the last 4,096 chunks it is told exactly."""
        before = [size for when, size in self._lately if when < t_ns]
        if before:
            return before[-1]
        return self._lately[0][1] if len(self._lately) == self._lately.maxlen else 0

    @property
    def content(self) -> bytes:
        """A digest of all bytes."""
        return self._bytes.digest()

    @property
    def cuts(self) -> bytes:
        """A digest of how they are cut into messages."""
        return self._sizes.digest()


@dataclass(slots=True)
class Told:
    """One direction.

    Attributes:
        violations: rules of RFC 6455 that it broke, each with the first frame (0: no frame).
        ended_ns: when it sent its Close, or ended its direction.
        said_end: whether it said in a message that it was done.
    """

    sequence: Sequence = field(default_factory=Sequence)
    sound: Sound = field(default_factory=Sound)
    violations: dict[str, int] = field(default_factory=dict)
    ended_ns: int | None = None
    said_end: bool = False

    def breaks(self, rule: str, frame: int) -> None:
        if len(self.violations) < _MAX_RULES:
            self.violations.setdefault(stable(rule[:200]), frame)


@dataclass(slots=True)
class Moments:
    """When what happened first or last, ns; None where it did not."""

    message: int | None = None
    transcript: int | None = None
    final: int | None = None
    close: int | None = None
    before_close: int | None = None


class Story:
    """A session as it is compared.

    Args:
        catalog: to read its messages with.

    Attributes:
        api: whose messages these are, None if not known.
        errors: what the server said to be wrong, without volatile parts: (frame, text), the
            first _MAX_ERRORS.
        transcript: what the final results say.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.session = Session()
        self.api: Api | None = None
        self.sent = Told()
        self.received = Told()
        self.errors: list[tuple[int, str]] = []
        self.transcript = Transcript()
        self.moments = Moments()
        self._catalog = catalog
        self._hidden = frozenset(n.lower() for n in catalog.credentials.message_fields)
        self._messages = {side: Messages(None) for side in (True, False)}
        self._number = 0
        self._last_ns = 0

    @classmethod
    def read(cls, path: str | os.PathLike[str], catalog: Catalog) -> Story:
        """Read a trace.

        Raises:
            TraceError: it cannot be read.
        """
        story = cls(catalog)
        with TraceReader(path) as reader:
            for record in bounded(reader):
                story.add(record)
            story.session.losses = reader.losses
        return story

    def add(self, record: Record) -> None:
        """Take the next record."""
        self.session.add(record)
        match record:
            case Start():
                self.api = self._catalog.api(record.provider, record.api)
                self._messages = {side: Messages(self.api) for side in (True, False)}
            case FrameRecord():
                self._number += 1
                self._frame(record)
                self._last_ns = record.t_ns
            case Bytes():
                # Without a rule it is a frame that was cut off, by whoever ended the session.
                if record.broken_rule:
                    self._told(record.from_client).breaks(record.broken_rule, 0)
                self._last_ns = record.t_ns
            case Eof():
                self._end(record.from_client, record.t_ns)

    def _told(self, from_client: bool) -> Told:
        return self.sent if from_client else self.received

    def _end(self, from_client: bool, t_ns: int) -> None:
        told = self._told(from_client)
        if told.ended_ns is None:
            told.ended_ns = t_ns

    def _frame(self, frame: FrameRecord) -> None:
        told = self._told(frame.from_client)
        if frame.broken_rule:
            told.breaks(frame.broken_rule, self._number)
        if frame.opcode == Opcode.CLOSE:
            if self.moments.close is None:
                self.moments.close = frame.t_ns
                self.moments.before_close = self._last_ns or None
            self._end(frame.from_client, frame.t_ns)
        elif frame.opcode <= Opcode.BINARY:
            part = self._messages[frame.from_client].take(self._number, frame)
            if part is not None:
                if part.has_audio:
                    told.sound.take(part)
                if frame.from_client:
                    self._take_sent(part)
                else:
                    self._take_received(part)
        other = self._told(not frame.from_client)
        if other.ended_ns is None:
            told.sound.due = told.sound.size

    # -- the app's messages

    def _take_sent(self, part: Part) -> None:
        plain = part.kind == _BINARY and not part.text
        content = b"" if plain else _digest(self.said(part).encode()).digest()
        item = Item(part.kind, content, part.frame, part.t_ns, part.has_audio)
        if keeps_alive(part.kind, self.api):
            self.sent.sequence.passes(item)
            return
        end = self.api.vocabulary.end if self.api else ()
        if part.kind in end or (part.kind == "text" and part.text.strip() in end):
            self.sent.said_end = True
        self.sent.sequence.add(item)

    def said(self, part: Part) -> str:
        """What an app's message says, as text that is equal where the messages are."""
        if part.content is None:
            return stable(part.text, figures=False)
        return canonical(stable_value(part.content, figures=False, without=self._hidden))

    # -- the server's messages

    def _take_received(self, part: Part) -> None:
        if self.moments.message is None:
            self.moments.message = part.t_ns
        kind, role = part.kind, Role.RUN
        result = None
        if self.api is not None and part.content is not None and not is_error(kind):
            result = heard(self.api, kind, part.content)
        if result is not None:
            if result.anything and self.moments.transcript is None:
                self.moments.transcript = part.t_ns
            if result.final:
                # What came after the app had left was on its way, or was not.
                if self.sent.ended_ns is None:
                    self.transcript.add(part.frame, result)
                self.moments.final = part.t_ns if result.anything else self.moments.final
            else:
                kind, role = f"{kind} (interim)", Role.PASSING
        elif not part.has_audio:
            role = role_of(kind, self.api)
        if is_error(kind) and len(self.errors) < _MAX_ERRORS:
            said = canonical(stable_value(part.content)) if part.content else stable(part.text)
            self.errors.append((part.frame, said[:_MAX_ERROR]))
        item = Item(kind, b"", part.frame, part.t_ns, role is Role.RUN)
        if role is Role.PASSING:
            self.received.sequence.passes(item)
        else:
            # Where answers are not counted, only the first of each kind has a place.
            self.received.sequence.add(item, over=not answers(self.api))

    # -- who ended it

    @property
    def cut_short(self) -> bool:
        """Whether the server ended the session without being asked to."""
        if self.session.closed_by != "server":
            return False
        if self.session.failed:
            return True
        return bool(self.api and self.api.vocabulary.end) and not self.sent.said_end

    @property
    def left(self) -> bool:
        """Whether the app ended the session."""
        return self.session.closed_by == "client"
