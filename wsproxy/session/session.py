"""A trace read as a story: handshake, messages, audio, close, facts.

A `Session` is a fold over records. The recorder folds as it writes, the commands as
they read, so both say the same. It holds a few bytes a frame and a bounded number of
messages, never all payloads.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, compress
from typing import Any, TypeVar

from wsproxy.errors import LimitExceeded
from wsproxy.trace import (
    Bytes,
    End,
    Eof,
    Failure,
    FindingRecord,
    FrameRecord,
    Gap,
    Loss,
    Record,
    Request,
    Response,
    Start,
    TraceReader,
    bounded,
)
from wsproxy.trace.allowance import Allowance
from wsproxy.wire import Close, Opcode, header, is_upgrade

_T = TypeVar("_T")
_ALL = frozenset(Opcode)
_BINARY = int(Opcode.BINARY)  # data frames have this opcode or a lower one

KEPT_MESSAGES = 64  # text messages kept from the beginning, and as many from the end
KEPT_TEXT = 64 << 10  # bytes kept of a text message
KEPT_SIZE = 2 << 20  # bytes of messages kept from the beginning, from the end, and between
KEPT_NOTABLE = 64  # messages kept between those, of each direction, if they look like failures
KEPT_BINARIES = 8  # binary messages kept from the beginning of a direction, and from its end
KEPT_BINARY = 4 << 10  # bytes kept of a binary message
KEPT_AUDIO = 64 << 10  # bytes kept from the beginning of each direction's binary messages
# By which rule a credential was found that no catalog names the place of.
_BY_RULE = {
    "name": "its name says so",
    "shape": "looks like a key",
    "entropy": "looks random",
    "budget": "too much work to look through",
}
KEPT_RECORDS = 100  # kept of each kind that is rare: closes, failures, gaps, findings
KEPT_BROKEN = 1000  # frames kept that broke a rule
KEPT_RULE = 200  # characters kept of such a rule


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """What is kept of every frame.

    Attributes:
        number: 1 for the first frame of the session, either direction.
        length: payload as the application reads it, bytes.
        wire_length: on the wire, header included, bytes.
    """

    number: int
    t_ns: int
    from_client: bool
    opcode: Opcode
    fin: bool
    length: int
    wire_length: int


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A text message; `frame` is the number of the frame that began it."""

    frame: int
    t_ns: int
    from_client: bool
    text: str


@dataclass(frozen=True, slots=True)
class BinaryMessage:
    """A binary message; `data` is its beginning, `length` its whole size in bytes."""

    frame: int
    t_ns: int
    from_client: bool
    data: bytes
    length: int


@dataclass(frozen=True, slots=True)
class CloseInfo:
    """A Close frame."""

    frame: int
    t_ns: int
    from_client: bool
    code: int | None
    reason: str


# What a server says about a failure that does not end the session, and may be in its middle.
_NOTABLE = (
    b"error",
    b"warn",
    b"fail",
    b"goaway",
    b"refused",
    b"exceeded",
    b"throttled",
    b"timeout",
)

# A message in short: the frame that began it, its t_ns, from_client, the beginning of its
# content, the length of all of it in bytes.
_Kept = tuple[int, int, bool, bytes, int]


class HeadTailBuffer:
    """The first and the last of many messages, and some between them that are notable.

    There is one for nearly every frame, so they are kept as they come, and looked at when
    they leave the last ones or are asked for.

    Args:
        size: how many are kept from the beginning, and how many from the end. Of long ones
            fewer are kept, KEPT_SIZE bytes of each group.
        is_notable: tells which of those between are kept, KEPT_NOTABLE at the most.
    """

    def __init__(self, size: int, is_notable: Callable[[_Kept], bool]) -> None:
        self._size = size
        self._room_first = self._room_between = self._room_last = KEPT_SIZE
        self._first: list[_Kept] = []
        self._between: list[_Kept] = []
        self._is_notable = is_notable
        self._last: deque[_Kept] = deque()

    def add(self, message: _Kept) -> None:
        length = len(message[3])
        if len(self._first) < self._size and self._room_first > 0:
            self._first.append(message)
            self._room_first -= length
            return
        self._last.append(message)
        self._room_last -= length
        while len(self._last) > self._size or self._room_last < 0:
            self._leaves(self._last.popleft())

    def _leaves(self, old: _Kept) -> None:
        """Take a message that is none of the last ones any more."""
        length = len(old[3])
        self._room_last += length
        if len(self._between) >= KEPT_NOTABLE or self._room_between <= 0:
            return
        if self._is_notable(old):
            self._between.append(old)
            self._room_between -= length

    def __iter__(self) -> Iterator[_Kept]:
        return chain(self._first, self._between, self._last)


def _reports_failure(message: _Kept) -> bool:
    return any(map(message[3].lower().__contains__, _NOTABLE))


def _is_like_json(message: _Kept) -> bool:
    """JSON that was sent as binary is told from audio by both of its ends."""
    _, _, _, content, length = message
    return length <= KEPT_BINARY and content[:1] == b"{" and content[-1:] == b"}"


@dataclass(frozen=True, slots=True)
class FrameColumns:
    """Frames of one kind, as columns: long sessions have too many of them for objects.

    Attributes:
        numbers, times_ns, lengths: of each frame; payload bytes as the application reads it.
    """

    numbers: array[int]
    times_ns: array[int]
    lengths: array[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def until(self, t_ns: int) -> FrameColumns:
        """Those that came no later."""
        end = bisect_right(self.times_ns, t_ns)
        return self if end == len(self) else FrameColumns(*(c[:end] for c in self._columns))

    def where(self, wanted: Iterable[bool]) -> FrameColumns:
        """Those that are marked, one mark a frame."""
        marks = bytes(wanted)
        return FrameColumns(*(array(c.typecode, compress(c, marks)) for c in self._columns))

    @property
    def size(self) -> int:
        """Bytes of all payloads."""
        return sum(self.lengths)

    @property
    def _columns(self) -> tuple[array[int], array[int], array[int]]:
        return self.numbers, self.times_ns, self.lengths


@dataclass(slots=True)
class Direction:
    """One side's traffic, counted.

    Attributes:
        frames: number of frames.
        size: bytes on the wire after the upgrade, frames and garbage.
        head: the first bytes of its binary messages.
        garbage: bytes that were no valid frame.
        ended: how the direction ended, if it did.
    """

    frames: int = 0
    size: int = 0
    head: bytes = field(default=b"", repr=False)
    garbage: int = 0
    ended: Eof | None = None


@dataclass(slots=True)
class _OpenMessage:
    """A message of which more may come: its first frame, and what is kept of its content."""

    frame: int
    t_ns: int
    is_text: bool
    content: bytearray = field(default_factory=bytearray)
    length: int = 0


class Session:
    """The facts of one session.

    Attributes:
        start, request, response, end: the records, None if not (yet) seen.
        close: the first Close frame; `closes` has the first KEPT_RECORDS.
        failures, gaps, findings: in their order, the first KEPT_RECORDS of each.
        losses: what of the trace could not be read.
        unread: why the rest was not read, a sentence, where it holds more than may be; else "".
        sent, received: traffic from the app, and from the server.
        broken: the first KEPT_BROKEN frames that broke a rule of RFC 6455, as (number, rule).
    """

    def __init__(self) -> None:
        self.start: Start | None = None
        self.request: Request | None = None
        self.response: Response | None = None
        self.end: End | None = None
        self.closes: list[CloseInfo] = []
        self.failures: list[Failure] = []
        self.gaps: list[Gap] = []
        self.findings: list[FindingRecord] = []
        self.losses: list[Loss] = []
        self.unread = ""
        self.broken: list[tuple[int, str]] = []
        self.sent = Direction()
        self.received = Direction()
        self.last_ns = 0
        self._first_ended: Eof | None = None
        self._times = array("q")
        self._lengths = array("Q")
        self._wire_lengths = array("Q")
        self._bits = array("B")
        self._messages = tuple(HeadTailBuffer(KEPT_MESSAGES, _reports_failure) for _ in range(2))
        self._binaries = tuple(HeadTailBuffer(KEPT_BINARIES, _is_like_json) for _ in range(2))
        # The message at hand of each direction.
        self._by_rule: dict[str, None] = {}
        self._open: list[_OpenMessage | None] = [None, None]

    @classmethod
    def read(cls, path: str | os.PathLike[str], allowance: Allowance | None = None) -> Session:
        """Read a trace: all of it, or as much as may be read, see `unread`.

        Args:
            allowance: as for a `TraceReader`.

        Raises:
            TraceError: it cannot be read.
            LimitExceeded: nothing of it can be read within the limits.
        """
        session = cls()
        with TraceReader(path, allowance) as reader:
            try:
                for record in bounded(reader):
                    session.add(record)
            except LimitExceeded as error:
                if reader.session is None:
                    raise  # nothing was found in it so far
                session.unread = str(error)
            session.losses = reader.losses
        return session

    @classmethod
    def glance(cls, path: str | os.PathLike[str], allowance: Allowance | None = None) -> Session:
        """What the beginning of a trace and its end record tell, without its frames.

        Quick for large traces; where there is no end record, the whole is read.

        Args:
            allowance: as for a `TraceReader`.

        Raises:
            TraceError: it cannot be read.
        """
        session = cls()
        with TraceReader(path, allowance) as reader:
            end = reader.last()
            if end is None:
                return cls.read(path, allowance)
            with suppress(LimitExceeded):  # before the first frame: `read` says so
                for record in reader:
                    if isinstance(record, FrameRecord | Bytes | Eof | End):
                        session.add(end)
                        break
                    session.add(record)
        return session if session.start and session.end else cls.read(path, allowance)

    # -- the fold

    def add(self, record: Record) -> None:
        """Take the next record."""
        self.last_ns = max(self.last_ns, record.t_ns)
        if isinstance(record, FrameRecord):
            self._add_frame(record)
            return
        match record:
            case Bytes():
                direction = self.sent if record.from_client else self.received
                direction.size += len(record.data)
                direction.garbage += len(record.data)
            case Start():
                self.start = record
            case Request():
                self.request = record
                self._add_taken(record.redacted)
            case Response():
                self.response = record
                self._add_taken(record.redacted)
            case Eof():
                self._add_eof(record)
            case Failure():
                _keep(self.failures, record)
            case Gap():
                _keep(self.gaps, record)
            case FindingRecord():
                _keep(self.findings, record)
            case End():
                self.end = record

    def _add_taken(self, entries: Iterable[Mapping[str, Any]]) -> None:
        for entry in entries:
            why = _BY_RULE.get(str(entry.get("why")))
            if why is not None and len(self._by_rule) < KEPT_RECORDS:
                name = f"{entry.get('where')} {entry.get('name')}"[:KEPT_RULE].strip()
                self._by_rule[f"{name} ({why})"] = None

    def _add_frame(self, frame: FrameRecord) -> None:
        # Plain numbers for opcodes: every frame of every session comes through here.
        opcode, payload, from_client = frame.opcode, frame.payload, frame.from_client
        if frame.redacted is not None:
            self._add_taken(frame.redacted)
        length = len(payload) + frame.cut
        self._times.append(frame.t_ns)
        self._lengths.append(length)
        self._wire_lengths.append(frame.wire_length)
        self._bits.append(opcode | frame.fin << 4 | from_client << 5)
        number = len(self._times)
        direction = self.sent if from_client else self.received
        direction.frames += 1
        direction.size += frame.wire_length
        if frame.broken_rule and len(self.broken) < KEPT_BROKEN:
            self.broken.append((number, frame.broken_rule[:KEPT_RULE]))
        if opcode <= _BINARY:
            if opcode != _BINARY or len(direction.head) < KEPT_AUDIO or not frame.fin:
                self._add_data(frame, number, direction)
                return
            # Nearly all frames of most sessions: audio, a message each.
            self._open[from_client] = None
            self._binaries[from_client].add(
                (number, frame.t_ns, from_client, payload[:KEPT_BINARY], length)
            )
        elif opcode == Opcode.CLOSE:
            close = Close.parse(payload[:KEPT_TEXT])
            info = CloseInfo(number, frame.t_ns, from_client, close.code, close.reason)
            _keep(self.closes, info)

    def _add_data(self, frame: FrameRecord, number: int, direction: Direction) -> None:
        side = frame.from_client
        current = self._open[side] if frame.opcode == Opcode.CONTINUATION else None
        is_text = current.is_text if current is not None else frame.opcode == Opcode.TEXT
        if not is_text and len(direction.head) < KEPT_AUDIO:
            direction.head += frame.payload[: KEPT_AUDIO - len(direction.head)]
        kept = KEPT_TEXT if is_text else KEPT_BINARY
        length = len(frame.payload) + frame.cut
        ends = self._messages[side] if is_text else self._binaries[side]
        if current is None and frame.fin:
            # Nearly all messages are one frame: nothing is copied together for them.
            self._open[side] = None
            ends.add((number, frame.t_ns, side, frame.payload[:kept], length))
            return
        if current is None:
            current = _OpenMessage(number, frame.t_ns, is_text)
        if len(current.content) < kept:
            current.content += frame.payload[: kept - len(current.content)]
        current.length += length
        self._open[side] = None if frame.fin else current
        if frame.fin:
            ends.add((current.frame, current.t_ns, side, bytes(current.content), current.length))

    def _add_eof(self, eof: Eof) -> None:
        direction = self.sent if eof.from_client else self.received
        if direction.ended is None or eof.how == "reset":
            direction.ended = eof
        if self._first_ended is None:
            self._first_ended = eof

    # -- what was recorded

    @property
    def id(self) -> str:
        return self.start.session if self.start else "?"

    @property
    def provider(self) -> str | None:
        return self.start.provider if self.start else None

    @property
    def api(self) -> str | None:
        return self.start.api if self.start else None

    @property
    def close(self) -> CloseInfo | None:
        return self.closes[0] if self.closes else None

    @property
    def failure(self) -> Failure | None:
        return self.failures[0] if self.failures else None

    @property
    def accepted(self) -> bool:
        """Whether the upgrade was accepted."""
        return self.response is not None and self.response.status == 101

    @property
    def complete(self) -> bool:
        """Whether everything that happened is in the trace."""
        return self.end is not None and self.end.complete and not self.gaps and not self.losses

    @property
    def by_rule(self) -> list[str]:
        """Where credentials were that no catalog names the place of, and what gave them away."""
        if self.end is not None and self.end.by_rule is not None:
            return self.end.by_rule
        return list(self._by_rule)

    @property
    def frame_count(self) -> int:
        return len(self._times)

    def frame(self, number: int) -> FrameInfo:
        """The frame of this number, from 1.

        Raises:
            IndexError: there is none.
        """
        if number < 1:
            raise IndexError("frames are numbered from 1")
        index = number - 1
        bits = self._bits[index]
        return FrameInfo(
            number,
            self._times[index],
            bool(bits & 0x20),
            Opcode(bits & 0x0F),
            bool(bits & 0x10),
            self._lengths[index],
            self._wire_lengths[index],
        )

    def frames(self, *, from_client: bool | None = None) -> Iterator[FrameInfo]:
        """All frames in their order, or one direction's."""
        for number in range(1, len(self._times) + 1):
            if from_client is None or bool(self._bits[number - 1] & 0x20) is from_client:
                yield self.frame(number)

    def messages(self, *, from_client: bool) -> list[TextMessage]:
        """The text messages kept of a direction.

        The first ones, the last ones, and of those between some that look like failures.
        """
        return [
            TextMessage(frame, t_ns, side, content.decode("utf-8", "replace"))
            for frame, t_ns, side, content, _ in self._messages[from_client]
        ]

    def binaries(self, *, from_client: bool) -> list[BinaryMessage]:
        """The binary messages kept of a direction: the first ones and the last ones.

        And of those between some that look like JSON.
        """
        return [BinaryMessage(*kept) for kept in self._binaries[from_client]]

    def track(self, *, from_client: bool, opcodes: Container[int] = _ALL) -> FrameColumns:
        """All frames of a direction with one of these opcodes, as columns."""
        side = from_client << 5
        wanted = {bits for op in Opcode if op in opcodes for bits in (op | side, op | side | 0x10)}
        # In C, whatever the number of frames: a byte a frame, 1 where it is wanted.
        marks = self._bits.tobytes().translate(bytes(bits in wanted for bits in range(256)))
        if 1 not in marks:
            return FrameColumns(array("Q"), array("q"), array("Q"))
        return FrameColumns(
            array("Q", compress(range(1, len(marks) + 1), marks)),
            array("q", compress(self._times, marks)),
            array("Q", compress(self._lengths, marks)),
        )

    # -- how it ended

    @property
    def ending(self) -> str:
        """One of trace.ENDINGS."""
        if self.end is not None:
            return self.end.ending
        return self.derived_ending or "unfinished"

    @property
    def derived_ending(self) -> str | None:
        """The ending that the records show, without asking the end record."""
        if self.response is not None and not self.accepted:
            return "refused" if self._asked_for_upgrade else "http"
        if self.closes:
            return "close"
        if self._first_ended is not None and self.accepted:
            return "reset" if self._first_ended.how == "reset" else "eof"
        if self.failures:
            return "failed"
        return None

    @property
    def _asked_for_upgrade(self) -> bool:
        return self.request is None or is_upgrade((h[0], h[1]) for h in self.request.headers)

    @property
    def closed_by(self) -> str | None:
        """Which side ended it: "client", "server", or None."""
        ending = self.ending
        if ending == "close" and self.closes:
            return _side(self.closes[0].from_client)
        if ending in ("eof", "reset") and self._first_ended is not None:
            return _side(self._first_ended.from_client)
        if ending in ("refused", "http"):
            return "server"
        if ending == "failed" and self.failures:
            if self.failures[0].where == "recorder":
                return None
            return _side(self.failures[0].from_client)
        # What showed it may be in a part of the trace that is lost.
        return self.end.closed_by if self.end is not None else None

    @property
    def opened_ns(self) -> int | None:
        """When the upgrade was accepted, ns."""
        return self.response.t_ns if self.response is not None and self.accepted else None

    @property
    def duration_ns(self) -> int:
        return self.end.t_ns if self.end is not None else self.last_ns

    @property
    def failed(self) -> bool:
        """Whether it ended in another way than both sides agree to call normal."""
        if self.ending == "close":
            lost = self.end.close_code if self.end is not None else None
            code = self.closes[0].code if self.closes else lost
            return code not in (1000, 1001, None)
        return self.ending not in ("stopped", "unfinished")

    def response_header(self, name: str) -> str | None:
        """A header of the response, or None."""
        if self.response is None:
            return None
        return header(((h[0], h[1]) for h in self.response.headers), name)

    def request_header(self, name: str) -> str | None:
        """A header of the request, or None."""
        if self.request is None:
            return None
        return header(((h[0], h[1]) for h in self.request.headers), name)


def _keep(kept: list[_T], item: _T) -> None:
    if len(kept) < KEPT_RECORDS:
        kept.append(item)


def _side(from_client: bool) -> str:
    return "client" if from_client else "server"
