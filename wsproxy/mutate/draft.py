"""A session in memory that changes edit: read from one trace, written as another."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO

from wsproxy import __version__
from wsproxy.catalog import Api, Catalog
from wsproxy.diagnose.annotation import annotate
from wsproxy.errors import LimitExceeded, TraceError, UsageError
from wsproxy.recorder import OfflineTraceWriter
from wsproxy.session import Session
from wsproxy.trace import (
    VERSION,
    Bytes,
    End,
    Eof,
    FindingRecord,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
    TraceReader,
)
from wsproxy.trace.read_limits import VARIABLE
from wsproxy.wire import (
    RSV1,
    Deflate,
    Frame,
    MessageAssembler,
    Opcode,
    RuleChecker,
    header,
    is_upgrade,
)

MAX_CONTENT = 1 << 30  # bytes of a trace in memory
MAX_LENGTH = 10 * 365 * 24 * 3600 * 10**9  # ns, of a session
MAX_FRAME = 1 << 40  # bytes, of a frame's declared length
_RECORD = 300  # approximate bytes of a record without its payload
_DATA = (Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY)
_TOO_MUCH = (
    "the trace has more data than fits in memory: the limit is 1 GiB, and less for a file that "
    f"expands unusually much (set {VARIABLE}=1 to allow 1 GiB)"
)


@dataclass(slots=True, eq=False)
class DraftRecord:
    """A record of the session, with its number.

    Attributes:
        number: the frame's number in the original trace; 0 if it is new or not a frame.
    """

    record: Record
    number: int = 0

    @property
    def t_ns(self) -> int:
        return self.record.t_ns

    @property
    def frame(self) -> FrameRecord | None:
        return self.record if isinstance(self.record, FrameRecord) else None

    @property
    def from_client(self) -> bool | None:
        """Whether the client sent it; None if it is not traffic."""
        if isinstance(self.record, FrameRecord | Bytes | Eof):
            return self.record.from_client
        return None

    @property
    def is_close(self) -> bool:
        return isinstance(self.record, FrameRecord) and self.record.opcode == Opcode.CLOSE

    @property
    def is_end(self) -> bool:
        """Whether it begins the end of the session: a Close frame, or the end of a direction."""
        return self.is_close or isinstance(self.record, Eof)

    def move_to(self, t_ns: int) -> None:
        """Set its time, ns."""
        self.record = replace(self.record, t_ns=t_ns)


@dataclass(slots=True)
class DraftMessage:
    """A message and its frames; the first or last ones may be missing."""

    items: list[DraftRecord]
    from_client: bool
    is_text: bool
    has_start: bool = True
    finished: bool = False

    @property
    def frames(self) -> list[FrameRecord]:
        return [item.record for item in self.items if isinstance(item.record, FrameRecord)]

    @property
    def complete(self) -> bool:
        """Whether its complete content is known."""
        return self.finished and not any(frame.cut or frame.deflated for frame in self.frames)

    @property
    def content(self) -> bytes:
        return b"".join(frame.payload for frame in self.frames)


def messages(items: Iterable[DraftRecord], *, from_client: bool) -> Iterator[DraftMessage]:
    """The messages of one side, in the order of their first frames.

    A continuation frame without a beginning is a separate, unfinished message.
    """
    assembler = MessageAssembler(keep_text=0, keep_binary=0)
    current: DraftMessage | None = None
    for item in items:
        frame = item.frame
        if frame is None or frame.from_client is not from_client:
            continue
        message = assembler.add(frame)
        if message is None:
            continue
        if current is not None and message.frames > 1:
            current.items.append(item)
        else:
            if current is not None:
                yield current
            current = DraftMessage(
                [item], from_client, message.is_text, has_start=message.has_start
            )
        if message.finished:
            current.finished = current.has_start
            yield current
            current = None
    if current is not None:
        yield current


def open_message(items: Iterable[DraftRecord], *, from_client: bool) -> DraftMessage | None:
    """The unfinished message of one side, if there is one."""
    last = None
    for message in messages(items, from_client=from_client):
        last = message
    return last if last is not None and last.has_start and not last.finished else None


@dataclass(slots=True)
class Draft:
    """The session after the changes so far.

    Attributes:
        start: of the original trace.
        items: all records except start, findings and end, in order; their times never decrease.
        end_ns: when the session ended, ns since its start.
        default_ending: its ending if no record ends it.
        frames: number of frames in the original trace.
        words: number of words that a trace of its size may have, see `Allowance.words`.
    """

    start: Start
    catalog: Catalog
    items: list[DraftRecord] = field(default_factory=list)
    end_ns: int = 0
    default_ending: str = "stopped"
    frames: int = 0
    words: int = 0

    # -- reading

    @classmethod
    def read(cls, path: str | os.PathLike[str], catalog: Catalog) -> Draft:
        """Read a complete trace into memory.

        Unreadable parts become gaps.

        Raises:
            TraceError: it cannot be read, or has no beginning.
            LimitExceeded: it has more data than MAX_CONTENT, or than its size allows.
        """
        draft: Draft | None = None
        size = reported = 0
        with TraceReader(path) as reader:
            for record in reader:
                if isinstance(record, Start):
                    draft = draft or cls(record, catalog)
                    continue
                if draft is None:
                    break
                if len(reader.losses) > reported:
                    draft._add_gap(str(reader.losses[reported]), record.t_ns)
                    reported = len(reader.losses)
                if not _is_in_range(record):
                    raise TraceError(f"{path}: a {record.kind} record with values out of range")
                size += _size(record)
                if size > min(MAX_CONTENT, reader.allowance.held):
                    raise LimitExceeded(f"{path}: {_TOO_MUCH}")
                draft._add_record(record)
            if draft is None:
                raise TraceError(f"{path}: the beginning of the session is not in the trace")
            if len(reader.losses) > reported or not reader.ended:
                reason = str(reader.losses[reported]) if len(reader.losses) > reported else "cut"
                draft._add_gap(f"the end of the trace is missing: {reason}", draft.end_ns)
            draft.words = reader.allowance.words
        return draft

    def _add_record(self, record: Record) -> None:
        t_ns = max(record.t_ns, self.end_ns)
        self.end_ns = t_ns
        match record:
            case End():
                self.default_ending = "unfinished" if record.ending == "unfinished" else "stopped"
            case FindingRecord():
                pass  # diagnosed again when the draft is written
            case _:
                self.frames += isinstance(record, FrameRecord)
                number = self.frames if isinstance(record, FrameRecord) else 0
                self.items.append(DraftRecord(replace(record, t_ns=t_ns), number))

    def _add_gap(self, reason: str, until_ns: int) -> None:
        self.default_ending = "unfinished"
        gap = Gap(self.end_ns, max(self.end_ns, until_ns), reason)
        self.items.append(DraftRecord(gap))

    # -- the session

    @property
    def session(self) -> Session:
        """The session of the current records."""
        session = Session()
        session.add(self.start)
        for item in self.items:
            session.add(item.record)
        return session

    @property
    def request(self) -> Request | None:
        return next((i.record for i in self.items if isinstance(i.record, Request)), None)

    @property
    def response(self) -> Response | None:
        return next((i.record for i in self.items if isinstance(i.record, Response)), None)

    @property
    def api(self) -> Api | None:
        return self.catalog.api(self.start.provider, self.start.api)

    @property
    def api_title(self) -> str:
        """Titles of provider and API, for error messages."""
        provider, api = self.catalog.provider(self.start.provider or ""), self.api
        if provider is None:
            return "an API that the catalog does not know"
        return f"{provider.id} {api.name}" if api is not None else provider.id

    @property
    def is_plain_http(self) -> bool:
        """Whether it is a plain HTTP exchange."""
        request = self.request
        return request is not None and not is_upgrade((h[0], h[1]) for h in request.headers)

    def opened_ns(self, option: object) -> int:
        """When the upgrade was accepted, ns.

        Args:
            option: of the change, for the message.

        Raises:
                UsageError: it was not.
        """
        response = self.response
        if response is None or response.status != 101:
            raise UsageError(f"{option}: the upgrade of this session was not accepted")
        return response.t_ns

    def check_time(self, t_ns: int, option: object) -> None:
        """Check that a time is in the session.

        Raises:
            UsageError: the session ends before it.
        """
        if t_ns > self.end_ns:
            raise UsageError(f"{option}: the session ends at {self.end_ns / 1e9:.3f} s")

    def find(self, number: int, option: object) -> DraftRecord:
        """The frame with this number in the original trace.

        Raises:
            UsageError: there is none, or an earlier change removed it.
        """
        found = next((item for item in self.items if item.number == number and number), None)
        if found is not None:
            return found
        if number > self.frames:
            raise UsageError(f"{option}: there is no frame {number}; the last one is {self.frames}")
        raise UsageError(f"{option}: frame {number} was removed by an earlier change")

    def first_end(self) -> int:
        """Index of the item that begins the end; the number of items if none does."""
        return next((n for n, item in enumerate(self.items) if item.is_end), len(self.items))

    # -- editing

    def replace_head(self, record: Request | Response) -> None:
        """Replace the request or the response."""
        for item in self.items:
            if type(item.record) is type(record):
                item.record = record
                return

    def remove(self, removed: Iterable[DraftRecord]) -> None:
        """Remove items."""
        ids = {id(item) for item in removed}
        self.items = [item for item in self.items if id(item) not in ids]

    def sort(self) -> None:
        """Sort the items by time; the sort is stable."""
        self.items.sort(key=lambda item: item.t_ns)

    def new_frame(
        self, t_ns: int, from_client: bool, opcode: Opcode, payload: bytes
    ) -> DraftRecord:
        """A frame as the side would send it; a masked one has a new random key."""
        mask = os.urandom(4) if from_client and self._on_the_wire else None
        length = self._wire_length(len(payload), masked=mask is not None)
        return DraftRecord(
            FrameRecord(t_ns, from_client, int(opcode), payload, mask=mask, wire_length=length)
        )

    def set_payload(self, item: DraftRecord, payload: bytes) -> None:
        """Replace the payload of a frame. A compressed message becomes uncompressed."""
        for part in self._fragments(item):
            self._inflate(part)
        frame = item.frame
        assert frame is not None
        same = len(payload) == len(frame.payload) and not frame.cut
        length = self._wire_length(len(payload), masked=frame.mask is not None)
        item.record = replace(
            frame, payload=payload, cut=0, wire_length=frame.wire_length if same else length
        )

    def _fragments(self, item: DraftRecord) -> Sequence[DraftRecord]:
        """The frames of a frame's message; for a control frame, the frame itself."""
        frame = item.frame
        if frame is None or frame.opcode not in _DATA:
            return [item]
        for message in messages(self.items, from_client=frame.from_client):
            if any(each is item for each in message.items):
                return message.items
        return [item]

    def _inflate(self, item: DraftRecord) -> None:
        """Convert a frame of a compressed message to an uncompressed one."""
        frame = item.frame
        assert frame is not None
        if frame.deflated or not self._deflate:
            return  # still deflated: it remains unchanged
        length = self._wire_length(len(frame.payload) + frame.cut, masked=frame.mask is not None)
        item.record = replace(frame, rsv=frame.rsv & ~RSV1, wire_length=length)

    @property
    def _on_the_wire(self) -> bool:
        return self.start.capture != "messages"

    @property
    def _deflate(self) -> bool:
        response = self.response
        pairs = ((h[0], h[1]) for h in response.headers) if response is not None else ()
        return Deflate.parse(header(pairs, "sec-websocket-extensions")) is not None

    def _wire_length(self, length: int, *, masked: bool) -> int:
        """Bytes of a frame on the wire (RFC 6455, section 5.2)."""
        if not self._on_the_wire:
            return length
        extended = 0 if length < 126 else 2 if length < 1 << 16 else 8
        return 2 + extended + (4 if masked else 0) + length

    # -- writing

    def write(
        self, file: BinaryIO, session_id: str, changes: Sequence[str], *, mode: str = "mutate"
    ) -> Session:
        """Write it as a new session, with a new end record and new findings.

        Args:
            file: unbuffered, at its beginning.
            session_id: of the new session, random.
            changes: one line each.
            mode: `Start.mode` of the new trace.

        Returns:
            The new session.

        Raises:
            OSError: it cannot be written.
        """
        start = replace(
            self.start,
            version=VERSION,
            session=session_id,
            wsproxy=__version__,
            mitmproxy=None,
            mode=mode,
            origin=self.start.session,
            changes=list(changes),
            part=None,
        )
        trace = OfflineTraceWriter(file, start, partial(annotate, catalog=self.catalog))
        last_ns = 0
        for record in self._checked():
            last_ns = max(last_ns, record.t_ns)
            trace.add(record)
        trace.end(max(last_ns, self.end_ns), self.default_ending)
        return trace.session

    def _checked(self) -> Iterator[Record]:
        """The records; frames with the rules of RFC 6455 that they break now."""
        if not self._on_the_wire:
            yield from (item.record for item in self.items)
            return
        checkers = {side: _Checker(side, deflate=self._deflate) for side in (True, False)}
        for item in self.items:
            frame = item.frame
            if frame is None:
                yield item.record
                continue
            rule = checkers[frame.from_client].check(frame)
            yield frame if rule == frame.broken_rule else replace(frame, broken_rule=rule)


class _Checker:
    """Checks the rules of one direction on frames with inflated payloads."""

    def __init__(self, from_client: bool, *, deflate: bool) -> None:
        self._rules = RuleChecker(from_client=from_client, deflate=deflate)
        self._compressed = False

    def check(self, frame: FrameRecord) -> str | None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._compressed = bool(frame.rsv & RSV1)
        # The wire length of a compressed frame is not that of its payload.
        inflated = self._compressed and frame.opcode in _DATA
        sent = Frame(
            Opcode(frame.opcode),
            frame.payload,
            frame.fin,
            frame.rsv,
            frame.mask,
            0 if inflated else frame.wire_length,
            frame.cut,
        )
        rule = self._rules.check(sent)
        unreadable = self._rules.check_text(sent, None if frame.deflated else frame.payload)
        return rule or unreadable


def _is_in_range(record: Record) -> bool:
    """Whether times and lengths are small enough that changes cannot exceed the format."""
    match record:
        case FrameRecord():
            fits = record.wire_length <= MAX_FRAME and record.cut <= MAX_FRAME
        case Gap():
            fits = record.until_ns <= MAX_LENGTH
        case _:
            fits = True
    return fits and record.t_ns <= MAX_LENGTH


def _size(record: Record) -> int:
    """Approximate bytes of a record in memory."""
    match record:
        case FrameRecord():
            return _RECORD + len(record.payload)
        case Bytes():
            return _RECORD + len(record.data)
    return _RECORD
