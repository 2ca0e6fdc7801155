"""What is compared of a session, read straight from its trace in one pass.

Streams: holds the order of messages, words, and sums; never the audio.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wsproxy.catalog import Api, Catalog
from wsproxy.session import Session, bounded
from wsproxy.trace import Bytes, Eof, FrameRecord, Record, Start, TraceReader
from wsproxy.wire import Opcode

from .kinds import Role, answers, is_error, is_ping, keeps_alive, role_of
from .messages import Messages, Part, canonical, check_values
from .sequence import MAX_ITEMS, Item, Sequence
from .transcript import Heard, Transcript, heard, said_by_agent
from .varying import NOTHING, Varying
from .volatile import MAX_LEFT_OUT, Normalizer, stable

ON_ITS_WAY_NS = 50_000_000  # between an app and a server
LONGEST_STEP_NS = 1_000_000_000  # between two chunks of a stream
_MAX_ERRORS = 64
_MAX_ERROR = 4000  # characters of one; of more a digest
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


@dataclass(frozen=True, slots=True)
class Result:
    """A final result.

    Attributes:
        words: a digest of its text.
        content: a digest of all of it, without what is volatile or measured.
    """

    frame: int
    t_ns: int
    words: bytes
    content: bytes


class Story:
    """A session as it is compared.

    Args:
        catalog: to read its messages with.
        varying: what of it is known to vary, and not compared.

    Attributes:
        api: whose messages these are, None if not known.
        errors: what the server said to be wrong, without volatile parts: (frame, text), the
            first _MAX_ERRORS; of more the content is among the messages.
        results: the final results, where each has a message of its own: what they say besides
            the words.
        transcript: what the final results say.
        left_out: what of its messages is not compared, and why.
        cut: bytes of its frames that are not in the trace.
        values: JSON values that were read for it.
    """

    def __init__(self, catalog: Catalog, varying: Varying = NOTHING) -> None:
        self.session = Session()
        self.api: Api | None = None
        self.sent = Told()
        self.received = Told()
        self.errors: list[tuple[int, str]] = []
        self.results: list[Result] = []
        self.transcript = Transcript()
        self.moments = Moments()
        self.left_out: dict[str, str] = {}
        self._catalog = catalog
        self._varying = varying
        self._hidden = frozenset(n.lower() for n in catalog.credentials.message_fields)
        self._messages = {side: Messages(None) for side in (True, False)}
        self.cut = 0
        self.values = 0
        self._heard: tuple[Part | None, Heard | None] = None, None
        self._spoke = False  # somebody has, as far as the server's messages show
        self._number = 0
        self._last_ns = 0

    @classmethod
    def read(
        cls, path: str | os.PathLike[str], catalog: Catalog, varying: Varying = NOTHING
    ) -> Story:
        """Read a trace.

        Raises:
            TraceError: it cannot be read.
            LimitExceeded: it holds more than may be read, or than may be compared.
        """
        story = cls(catalog, varying)
        with TraceReader(path) as reader:
            for record in bounded(reader):
                story.add(record)
                check_values(reader, story.values)
            story.session.losses = reader.losses
        story.transcript.firm_ns = story.firm_ns
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
        self.cut += frame.cut
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
                self.values += part.values
                if part.has_audio:
                    told.sound.take(part)
                if frame.from_client:
                    self._take_sent(part)
                else:
                    self._take_received(part)
        other = self._told(not frame.from_client)
        if other.ended_ns is None:
            told.sound.due = told.sound.size

    # -- what a message says

    def content(self, part: Part, *, from_client: bool) -> Any:
        """What a message says, as a JSON value that is equal where the messages are."""
        errors = not from_client and is_error(part.kind)
        normalizer = Normalizer(
            figures=errors,
            results=not from_client and self.api is not None and self._result(part) is not None,
            credentials=self._hidden,
            varies=self._varies(part.kind, from_client=from_client),
        )
        value: Any = part.content
        if value is None:
            value = _json_list(part.text) if self.api is None else None
        content = normalizer.value(part.text if value is None else value)
        for path, why in normalizer.left_out.items():
            if len(self.left_out) < MAX_LEFT_OUT:
                self.left_out.setdefault(f"{part.kind[:80]}: {path or 'text'}"[:200], why)
        return content

    def _varies(self, kind: str, *, from_client: bool) -> Callable[[str], bool] | None:
        paths = self._varying.paths
        return (lambda path: (from_client, kind, path) in paths) if paths else None

    def said(self, part: Part, *, from_client: bool) -> str:
        """The same as text."""
        content = self.content(part, from_client=from_client)
        return content if isinstance(content, str) else canonical(content)

    def _told_content(self, part: Part, *, from_client: bool) -> bytes:
        said = self.said(part, from_client=from_client)
        return _digest(said.encode("utf-8", "surrogatepass")).digest()

    # -- the app's messages

    def _take_sent(self, part: Part) -> None:
        end = self.api.vocabulary.end if self.api else ()
        if part.kind in end or (part.kind == "text" and part.text.strip() in end):
            self.sent.said_end = True
        if (True, part.kind) in self._varying.kinds:
            return
        plain = part.kind == _BINARY and not part.text
        content = b"" if plain else self._told_content(part, from_client=True)
        item = Item(part.kind, content, part.frame, part.t_ns, part.has_audio)
        if keeps_alive(part.kind, self.api):
            self.sent.sequence.passes(item)
            self._left(part.kind, "how often it is sent")
        else:
            self.sent.sequence.add(item)

    # -- the server's messages

    def _result(self, part: Part) -> Heard | None:
        if self.api is None or part.content is None or is_error(part.kind):
            return None
        if self._heard[0] is not part:  # a message is asked more than once
            self._heard = part, heard(self.api, part.kind, part.content)
        return self._heard[1]

    def _take_received(self, part: Part) -> None:
        if self.moments.message is None:
            self.moments.message = part.t_ns
        kind, role, content = part.kind, Role.RUN, b""
        result = self._result(part)
        if result is not None:
            if result.anything and self.moments.transcript is None:
                self.moments.transcript = part.t_ns
            if result.final:
                self._take_result(part, result)
            else:
                kind, role = f"{kind} (interim)", Role.PASSING
        elif not part.has_audio:
            role = role_of(kind, self.api)
        if self._sets_up(part, role, result) and role is Role.RUN:
            role = Role.ANSWER
        if (False, part.kind) in self._varying.kinds:
            return
        if is_error(kind) and len(self.errors) < _MAX_ERRORS:
            said = self.said(part, from_client=False)
            if len(said) > _MAX_ERROR:
                said = said[:_MAX_ERROR] + _digest(said.encode("utf-8", "replace")).hexdigest()
            self.errors.append((part.frame, said))
        elif role is Role.ANSWER or part.text:
            content = self._told_content(part, from_client=False)
        elif role is Role.PASSING:
            self._left(kind, "timing-dependent")
        elif result is None and not part.has_audio:
            self._left(kind, "what an agent says")
        item = Item(kind, content, part.frame, part.t_ns, role is Role.RUN)
        if role is Role.PASSING:
            self.received.sequence.passes(item)
        else:
            # Where answers are not counted, only the first of each kind has a place.
            self.received.sequence.add(item, over=role is Role.RUN and not answers(self.api))

    def _sets_up(self, part: Part, role: Role, result: Heard | None) -> bool:
        """Whether a message belongs to the beginning, before anybody has spoken to an agent.

        What it says then is an answer to the app's configuration, and not new at every session.
        """
        if answers(self.api) or self._spoke:
            return False
        passing = role is Role.PASSING and not is_ping(part.kind)
        agents = part.content is not None and said_by_agent(part.kind, part.content)
        self._spoke = part.has_audio or result is not None or passing or agents
        return not self._spoke

    def _take_result(self, part: Part, result: Heard) -> None:
        self.transcript.add(part.frame, result, part.t_ns)
        self.moments.final = part.t_ns if result.anything else self.moments.final
        if not result.in_parts and len(self.results) < MAX_ITEMS:
            content = self._told_content(part, from_client=False)
            words = _digest(result.text.encode("utf-8", "surrogatepass")).digest()
            self.results.append(Result(part.frame, part.t_ns, words, content))
        else:
            self._left(part.kind, "compared by its words alone")

    def _left(self, kind: str, why: str) -> None:
        if len(self.left_out) < MAX_LEFT_OUT:
            self.left_out.setdefault(f"{kind[:80]}", why)

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

    @property
    def firm_ns(self) -> int | None:
        """Until when what the server streams had to come; None: it all had to.

        Results and audio that came in the last moment before the app left may have been on
        their way.
        """
        ended = self.sent.ended_ns
        return ended - ON_ITS_WAY_NS if self.left and ended is not None else None


def _json_list(text: str) -> list[Any] | None:
    """A JSON list; None where the text is something else."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None
