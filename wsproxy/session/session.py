"""A session as a fold over the records of its trace.

The recorder folds records as it writes them, the commands as they read them, so both have the
same facts. A session holds running totals and a bounded number of frames and messages, however
long it lasts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from wsproxy.catalog import Catalog
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
from wsproxy.trace.read_limits import Allowance
from wsproxy.wire import Close, MessageAssembler, Opcode, header, is_upgrade

from .head_tail_buffer import (
    KEPT_BINARIES,
    KEPT_BINARY,
    KEPT_MESSAGES,
    KEPT_TEXT,
    HeadTailBuffer,
    looks_like_json,
    reports_failure,
)
from .messages import BinaryMessage, CloseInfo, TextMessage
from .outcome import Outcome, outcome_of
from .session_audio import SessionAudio
from .timeline import Timeline
from .traffic import FrameInfo, Traffic

_T = TypeVar("_T")
_BRACE = ord("{")
_BLOCK = 64  # messages with audio that are added at once
_SHORT = 4096  # bytes of one of them at most: they are held until then
_BINARY = int(Opcode.BINARY)  # data frames have this opcode or a lower one

# Why a heuristic took a value for a credential.
_HEURISTICS = {
    "name": "its name says so",
    "shape": "looks like a key",
    "entropy": "looks random",
    "budget": "too much work to look through",
}
KEPT_MESSAGE = 1 << 20  # bytes kept of a message in several frames until it is complete
RECORDS_PER_REST = 32
FIRST_FRAMES = 16  # that a summary reads: the messages that set the session up are in them
KEPT_RECORDS = 100  # kept of each kind that is rare: closes, failures, gaps, findings
KEPT_BROKEN = 1000  # frames kept that broke a rule
KEPT_RULE = 200  # characters kept of a broken rule


@dataclass(slots=True)
class Direction:
    """One side's traffic, counted.

    Attributes:
        frames: number of frames.
        size: bytes on the wire after the upgrade, frames and garbage.
        garbage: bytes that were no valid frame.
        ended: how the direction ended, if it did.
    """

    frames: int = 0
    size: int = 0
    garbage: int = 0
    ended: Eof | None = None


class Session:
    """The facts of one session.

    Attributes:
        start, request, response, end: the records, None if not read (yet).
        close: the first Close frame; `closes` has the first KEPT_RECORDS.
        failures, gaps, findings: in their order, the first KEPT_RECORDS of each.
        losses: parts of the trace that could not be read.
        unread: a sentence why the rest of a trace over the limits was not read; else "".
        sent, received: traffic of the client, and of the server.
        before_close: the frame before the first Close frame, None if there is none.
        broken: the first KEPT_BROKEN frames that broke a rule of RFC 6455, as (number, rule).
        timeline: all messages as `read` has read them with a catalog; else None.
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
        self.timeline: Timeline | None = None
        self._first_ended: Eof | None = None
        self._frame_count = 0
        self._traffic = Traffic()
        # Messages that are audio and nothing else, which are added many at a time.
        self._waiting: list[tuple[list[int], list[FrameRecord]]] = [([], []), ([], [])]
        self._broken_ns: dict[int, int] = {}
        self._message_begun_ns = [0, 0]
        self._messages = tuple(HeadTailBuffer(KEPT_MESSAGES, reports_failure) for _ in range(2))
        self._audio_messages = tuple(HeadTailBuffer(KEPT_BINARIES, _never) for _ in range(2))
        self._binaries = tuple(HeadTailBuffer(KEPT_BINARIES, looks_like_json) for _ in range(2))
        self._assemblers = tuple(
            MessageAssembler(keep_text=KEPT_MESSAGE, keep_binary=KEPT_MESSAGE) for _ in range(2)
        )
        self._audio = SessionAudio()
        self.before_close: FrameInfo | None = None
        self._heuristic_redactions: dict[str, None] = {}

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        allowance: Allowance | None = None,
        catalog: Catalog | None = None,
        rest: Callable[[], None] | None = None,
    ) -> Session:
        """Read a trace: all of it, or as much as the limits allow, see `unread`.

        Args:
            allowance: as for a `TraceReader`.
            catalog: to read all messages as well, see `timeline`.
            rest: called after every RECORDS_PER_REST records; what it raises ends the reading.

        Raises:
            TraceError: it cannot be read.
            LimitExceeded: nothing of it can be read within the limits.
        """
        session = cls()
        if catalog is not None:
            session.timeline = Timeline(session, catalog)
        with TraceReader(path, allowance) as reader:
            try:
                for number, record in enumerate(bounded(reader)):
                    session.add(record)
                    if rest is not None and number % RECORDS_PER_REST == 0:
                        rest()
            except LimitExceeded as error:
                if reader.session is None:
                    raise  # nothing was found in it so far
                session.unread = str(error)
            session.losses = reader.losses
        for side in (True, False):
            session._add_waiting(side)
        return session

    @classmethod
    def summary(cls, path: str | os.PathLike[str], allowance: Allowance | None = None) -> Session:
        """Read the beginning of a trace, with its first frames, and its end record.

        Fast for large traces. A trace without an end record is read completely.

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
            with suppress(LimitExceeded):  # before the first frame: `read` raises it
                for record in reader:
                    if isinstance(record, Bytes | Eof | End) or _is_later_frame(record, session):
                        session.add(end)
                        break
                    session.add(record)
        return session if session.start and session.end else cls.read(path, allowance)

    # -- the fold

    def add(self, record: Record) -> None:
        """Add the next record."""
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
                if self.timeline is not None:
                    self.timeline.begin()
            case Request():
                self.request = record
                self._add_redacted(record.redacted)
            case Response():
                self.response = record
                self._add_redacted(record.redacted)
                if self.timeline is not None:
                    self.timeline.add_response(record)
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
                self._end_totals()

    def _add_redacted(self, entries: Iterable[Mapping[str, Any]]) -> None:
        for entry in entries:
            why = _HEURISTICS.get(str(entry.get("why")))
            if why is not None and len(self._heuristic_redactions) < KEPT_RECORDS:
                name = f"{entry.get('where')} {entry.get('name')}"[:KEPT_RULE].strip()
                self._heuristic_redactions[f"{name} ({why})"] = None

    def _add_frame(self, frame: FrameRecord) -> None:
        # Plain numbers for opcodes: this runs for every frame of every session.
        opcode, payload, from_client = frame.opcode, frame.payload, frame.from_client
        if frame.redacted is not None:
            self._add_redacted(frame.redacted)
        number = self._frame_count = self._frame_count + 1
        direction = self.sent if from_client else self.received
        direction.frames += 1
        direction.size += frame.wire_length
        if frame.broken_rule and len(self.broken) < KEPT_BROKEN:
            self.broken.append((number, frame.broken_rule[:KEPT_RULE]))
            self._broken_ns[number] = frame.t_ns
        waiting = self._waiting[from_client]
        if (
            opcode == _BINARY
            and frame.fin
            and self._audio.plain[from_client] is not None
            and 0 < len(payload) <= _SHORT
            and payload[0] != _BRACE
        ):
            # Nearly all frames of most sessions: audio, a message each.
            self._assemblers[from_client].open = None
            waiting[0].append(number)
            waiting[1].append(frame)
            if len(waiting[0]) >= _BLOCK or number - waiting[0][0] >= _BLOCK:
                self._add_waiting(from_client)
            return
        if opcode <= _BINARY or opcode == Opcode.CLOSE:
            self._add_waiting(from_client)
        length = len(payload) + frame.cut
        self._traffic.add(
            number, frame.t_ns, from_client, opcode, frame.fin, length, frame.wire_length
        )
        if opcode <= _BINARY:
            self._add_data(frame, number)
        elif opcode == Opcode.CLOSE:
            close = Close.parse(payload[:KEPT_TEXT])
            info = CloseInfo(number, frame.t_ns, from_client, close.code, close.reason)
            _keep(self.closes, info)
            if len(self.closes) == 1 and number > 1:
                self.before_close = self.traffic.frame(number - 1)
            self._end_totals()

    def _add_waiting(self, from_client: bool) -> None:
        """Add the messages of a direction that wait."""
        numbers, frames = self._waiting[from_client]
        if not numbers:
            return
        self._waiting[from_client] = ([], [])
        self._traffic.add_binaries(numbers, frames)
        track = self._audio.plain[from_client]
        if track is not None and not self._audio.ended:
            track.add_all(numbers, frames)
        if self.timeline is not None:
            self.timeline.add_binaries(from_client, numbers, frames)
        for number, frame in zip(numbers[-KEPT_BINARIES:], frames[-KEPT_BINARIES:], strict=True):
            payload, length = frame.payload[:KEPT_BINARY], len(frame.payload) + frame.cut
            self._binaries[from_client].add((number, frame.t_ns, from_client, payload, length))

    @property
    def traffic(self) -> Traffic:
        """The frames of both directions, in running totals."""
        self._add_waiting(True)
        self._add_waiting(False)
        return self._traffic

    @property
    def audio(self) -> SessionAudio:
        """The audio of both directions, whatever carries it."""
        self._add_waiting(True)
        self._add_waiting(False)
        return self._audio

    def _end_totals(self) -> None:
        """The session has ended: what comes now does not count."""
        if self.traffic.ended:
            return
        for side, assembler in enumerate(self._assemblers):
            if (message := assembler.open) is not None:  # it stays incomplete
                self.audio.add(
                    message.number,
                    self._message_begun_ns[side],
                    bool(side),
                    message.is_text,
                    message.content,
                    message.length,
                    fragmented=True,
                )
        self.traffic.ended = self.audio.ended = True

    def _add_data(self, frame: FrameRecord, number: int) -> None:
        side, assembler = frame.from_client, self._assemblers[frame.from_client]
        if frame.fin and frame.opcode != Opcode.CONTINUATION:
            # Nearly all messages are one frame: no AssembledMessage is made for them.
            assembler.open = None
            is_text, t_ns, content = frame.opcode == Opcode.TEXT, frame.t_ns, frame.payload
            length = len(frame.payload) + frame.cut
        else:
            message = assembler.add(frame, number)
            assert message is not None, "a data frame"
            if message.frames == 1:
                self._message_begun_ns[side] = frame.t_ns
            number, is_text, length = message.number, message.is_text, message.length
            t_ns = self._message_begun_ns[side]
            content = message.content if message.finished else b""
        if frame.fin:
            fragmented = frame.opcode == Opcode.CONTINUATION
            carried = self._audio.add(
                number, t_ns, side, is_text, content, length, fragmented=fragmented
            )
            kept = content[: KEPT_TEXT if is_text else KEPT_BINARY]
            buffers = self._binaries
            if is_text:
                buffers = self._audio_messages if carried is not None else self._messages
            buffers[side].add((number, t_ns, side, kept, length))
            if self.timeline is not None:
                self._add_waiting(not side)  # in the order of the messages
                self.timeline.add_message(number, t_ns, side, is_text, content, length, carried)

    def _add_eof(self, eof: Eof) -> None:
        direction = self.sent if eof.from_client else self.received
        if direction.ended is None or eof.how == "reset":
            direction.ended = eof
        if self._first_ended is None:
            self._first_ended = eof
        if not eof.from_client:
            self._end_totals()

    # -- facts

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
    def recorded_host(self) -> str | None:
        """The host of the request; of a replay, that of the session that it replays."""
        if self.start is not None and self.start.origin_host is not None:
            return self.start.origin_host
        return self.request.host if self.request is not None else None

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
    def heuristic_redactions(self) -> list[str]:
        """Places of credentials that a heuristic found and no catalog names, with the reason."""
        if self.end is not None and self.end.heuristic_redactions is not None:
            return self.end.heuristic_redactions
        return list(self._heuristic_redactions)

    @property
    def frame_count(self) -> int:
        return self._frame_count

    def frame(self, number: int) -> FrameInfo:
        """The frame of this number, from 1, if it is one of the first or of the last.

        Raises:
            IndexError: there is none, or it is not kept, see `Traffic.frame`.
        """
        return self.traffic.frame(number)

    def frames(self, *, from_client: bool | None = None) -> Iterator[FrameInfo]:
        """The first and the last frames in their order, or those of one direction."""
        return self.traffic.frames(from_client=from_client)

    def time_of(self, frame: int) -> int | None:
        """When a frame came, ns; None if neither it nor its message is kept."""
        if self.traffic.is_kept(frame):
            return self.traffic.frame(frame).t_ns
        if frame in self._broken_ns:
            return self._broken_ns[frame]
        kept = chain(*self._messages, *self._audio_messages, *self._binaries)
        times = chain(((m[0], m[1]) for m in kept), ((c.frame, c.t_ns) for c in self.closes))
        return next((t_ns for number, t_ns in times if number == frame), None)

    def messages(self, *, from_client: bool) -> list[TextMessage]:
        """The text messages kept of a direction.

        The first ones, the last ones, and some between them that look like failures. Of
        messages with audio fewer are kept, the first and the last ones.
        """
        kept = sorted(chain(self._messages[from_client], self._audio_messages[from_client]))
        return [
            TextMessage(frame, t_ns, side, content.decode("utf-8", "replace"))
            for frame, t_ns, side, content, _ in kept
        ]

    def binaries(self, *, from_client: bool) -> list[BinaryMessage]:
        """The binary messages kept of a direction.

        The first ones, the last ones, and some between them that look like JSON.
        """
        self._add_waiting(from_client)
        return [BinaryMessage(*kept) for kept in self._binaries[from_client]]

    # -- how it ended

    @property
    def ending(self) -> str:
        """One of trace.ENDINGS."""
        if self.end is not None:
            return self.end.ending
        return self.derived_ending or "unfinished"

    @property
    def derived_ending(self) -> str | None:
        """The ending that the records show, without the end record."""
        if self.response is not None and not self.accepted:
            return "refused" if self._requested_upgrade else "http"
        if self.closes:
            return "close"
        if self._first_ended is not None and self.accepted:
            return "reset" if self._first_ended.how == "reset" else "eof"
        if self.failures:
            return "failed"
        return None

    @property
    def _requested_upgrade(self) -> bool:
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
        # The records that show it may be in a lost part of the trace.
        return self.end.closed_by if self.end is not None else None

    @property
    def opened_ns(self) -> int | None:
        """When the upgrade was accepted, ns."""
        return self.response.t_ns if self.response is not None and self.accepted else None

    @property
    def duration_ns(self) -> int:
        return self.end.t_ns if self.end is not None else self.last_ns

    @property
    def ended_ns(self) -> int:
        """When the session ended: its first Close frame, or else the end of the connection."""
        if self.close is not None:
            return self.close.t_ns
        for direction in (self.received, self.sent):
            if direction.ended is not None:
                return direction.ended.t_ns
        return self.duration_ns

    @property
    def outcome(self) -> Outcome | None:
        """Whether it succeeded; None where it was read without its messages."""
        return outcome_of(self, self.timeline) if self.timeline is not None else None

    @property
    def failed(self) -> bool:
        """Whether the ending is not a normal one."""
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


def _is_later_frame(record: Record, session: Session) -> bool:
    """Whether a summary does without this frame: the setup is in those before it."""
    if not isinstance(record, FrameRecord):
        return False
    return session.frame_count == FIRST_FRAMES or record.opcode == Opcode.CLOSE


def _keep(kept: list[_T], item: _T) -> None:
    if len(kept) < KEPT_RECORDS:
        kept.append(item)


def _never(_: object) -> bool:
    return False


def _side(from_client: bool) -> str:
    return "client" if from_client else "server"
