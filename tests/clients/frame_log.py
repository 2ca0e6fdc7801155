"""Frames as the upstream has seen them, read without wsproxy's own parser."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from wsproxy.trace import TraceReader
from wsproxy.trace.records import FrameRecord, Request, Response

# A frame, to compare: final, opcode, reserved bits, bytes, digest of the payload.
Seen = tuple[bool, int, int, int, str]


@dataclass
class UpstreamSession:
    """A WebSocket session at the upstream.

    Attributes:
        path: without its query, which can have credentials.
        sent: bytes of the client after its opening handshake.
        received: bytes of the server after its own.
    """

    host: str
    path: str
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)

    @property
    def place(self) -> str:
        return self.host + self.path

    def is_closed(self, *, from_client: bool) -> bool:
        """Whether a side has sent a Close frame."""
        sent, received = self.frames()
        return any(opcode == Opcode.CLOSE for _, opcode, *_ in (sent if from_client else received))

    def frames(self) -> tuple[list[Seen], list[Seen]]:
        """Those of the client, and those of the server."""
        return _parsed(bytes(self.sent), mask=True), _parsed(bytes(self.received), mask=False)


def _parsed(data: bytes, *, mask: bool) -> list[Seen]:
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    frames: list[Seen] = []
    while not _at_end(reader):
        parsing = Frame.parse(reader.read_exact, mask=mask)
        try:
            next(parsing)
        except StopIteration as done:
            frames.append(_of_frame(done.value))
        except (EOFError, ProtocolError):
            break  # the connection was cut within a frame
    return frames


def _at_end(reader: StreamReader) -> bool:
    try:
        next(reader.at_eof())
    except StopIteration as done:
        return bool(done.value)
    return False


def _of_frame(frame: Frame) -> Seen:
    reserved = frame.rsv1 * 4 + frame.rsv2 * 2 + frame.rsv3
    return (frame.fin, int(frame.opcode), reserved, len(frame.data), _digest(bytes(frame.data)))


def _digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()[:16]


@dataclass(frozen=True)
class TracedSession:
    """A WebSocket session as its trace has it.

    Attributes:
        sent: None stands for a frame with a redacted credential.
    """

    place: str
    sent: list[Seen | None]
    received: list[Seen | None]

    def is_complete(self, upstream: UpstreamSession) -> bool:
        """Whether it has each frame that the upstream has seen, and no other."""
        sent, received = upstream.frames()
        return _match(self.sent, sent) and _match(self.received, received)


def _match(traced: list[Seen | None], seen: list[Seen]) -> bool:
    return len(traced) == len(seen) and all(
        each is None or each == other for each, other in zip(traced, seen, strict=True)
    )


def read_trace(records: TraceReader | Iterable[object]) -> TracedSession | None:
    """The session of a trace; None if its opening handshake failed."""
    request: Request | None = None
    status = 0
    frames: dict[bool, list[Seen | None]] = {True: [], False: []}
    for record in records:
        if isinstance(record, Request):
            request = record
        elif isinstance(record, Response):
            status = record.status
        elif isinstance(record, FrameRecord):
            frames[record.from_client].append(_of_record(record))
    if request is None or status != 101:
        return None
    return TracedSession(request.host + request.path.partition("?")[0], frames[True], frames[False])


def _of_record(record: FrameRecord) -> Seen | None:
    if record.redacted:
        return None
    payload = record.payload
    return (record.fin, int(record.opcode), record.rsv, len(payload), _digest(payload))
