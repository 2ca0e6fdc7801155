"""A good session to change, and checks of every changed session."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from traces import read_trace
from wsproxy.catalog import load
from wsproxy.mutate import (
    Change,
    Chunk,
    Corrupt,
    Cut,
    Drop,
    FailWithCondition,
    KeepAlive,
    Replace,
    SetClose,
    SetEnd,
    SetHeader,
    SetQuery,
    SetStatus,
    Stall,
    mutate,
)
from wsproxy.redact import HeadRedactor
from wsproxy.session import Session
from wsproxy.trace import End, Eof, FindingRecord, FrameRecord, Record, Request, Response, Start
from wsproxy.wire import Close, Frame, Opcode, accept_key

CATALOG = load()
MS = 1_000_000
S = 1000 * MS
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
TEXT, BINARY, CLOSE = Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE
RESULT = json.dumps({"type": "Results", "channel": {"alternatives": [{"transcript": "hello"}]}})


def frame(
    t_ns: int, from_client: bool, opcode: Opcode, payload: bytes | str, **more: Any
) -> Record:
    """As it would be on the wire; the client's are masked."""
    data = payload.encode() if isinstance(payload, str) else payload
    mask = b"abcd" if from_client else None
    wire = len(Frame(opcode, data, mask=mask).serialize())
    return FrameRecord(t_ns, from_client, int(opcode), data, mask=mask, wire_length=wire, **more)


def head(
    provider: str | None = "deepgram",
    api: str | None = "listen",
    *,
    host: str = "api.deepgram.com",
    path: str = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000",
    more: Iterable[list[str]] = (),
) -> list[Record]:
    """The first records of an accepted session."""
    headers = [["Host", host], *UPGRADE, ["Sec-WebSocket-Key", KEY]]
    headers += [["Authorization", "Token REDACTED"]]
    taken = [{"where": "header", "name": "Authorization", "fingerprint": "abc", "length": 40}]
    accept = [*UPGRADE, ["Sec-WebSocket-Accept", accept_key(KEY)], ["dg-request-id", "r-1"], *more]
    return [
        Start(0, 1, "0123456789abcdef", 1_700_000_000 * S, "wire", "127.0.0.1:1", provider, api),
        Request(0, "GET", "wss", host, 443, path, headers=headers, redacted=taken),
        Response(100 * MS, 101, "Switching Protocols", headers=accept),
    ]


def good_records() -> list[Record]:
    """4 s of audio in chunks of 100 ms, a KeepAlive in a pause, results, and a good end."""
    records = [*head()]
    for n in range(20):  # frames 1 to 20
        records.append(frame((200 + 100 * n) * MS, True, BINARY, bytes([n]) * 3200))
    records.append(frame(2250 * MS, False, TEXT, RESULT))  # 21
    records.append(frame(5 * S, True, TEXT, '{"type": "KeepAlive"}'))  # 22
    for n in range(20):  # 23 to 42
        records.append(frame((8000 + 100 * n) * MS, True, BINARY, bytes([n + 20]) * 3200))
    records.append(frame(10050 * MS, False, TEXT, RESULT))  # 43
    records.append(frame(11 * S, True, TEXT, '{"type": "CloseStream"}'))  # 44
    records.append(frame(11100 * MS, False, TEXT, '{"type": "Metadata"}'))  # 45
    close = Close(1000).serialize()
    records.append(frame(11200 * MS, False, CLOSE, close))  # 46
    records.append(frame(11201 * MS, True, CLOSE, close))  # 47
    records += [Eof(11202 * MS, False), Eof(11203 * MS, True)]
    records.append(End(11300 * MS, "close", "server", 1000, "", 42, 5))
    return records


def changed(path: Path, *changes: Change, **options: Any) -> list[Record]:
    """The records of a valid new trace."""
    redact = HeadRedactor(CATALOG.credentials, b"key", CATALOG.key_shapes)
    made = mutate(path, None, changes, redact=redact, **options)
    return sound(made.path, path, made.changes)


def sound(path: Path, origin: Path, changes: Iterable[str]) -> list[Record]:
    """Check that a new trace is valid; returns its records."""
    records, reader = read_trace(path)
    assert reader.losses == []
    assert reader.ended
    times = [record.t_ns for record in records]
    assert times == sorted(times)
    start, end = records[0], records[-1]
    assert isinstance(start, Start)
    assert isinstance(end, End)
    assert start.mode == "mutate"
    assert start.origin == Session.read(origin).id != start.session
    assert start.changes == list(changes)
    folded = Session()
    for record in records:
        if not isinstance(record, End | FindingRecord):
            folded.add(record)
    close = folded.close
    assert end.ending == (folded.derived_ending or end.ending)
    assert (end.frames_sent, end.frames_received) == (folded.sent.frames, folded.received.frames)
    assert (end.bytes_sent, end.bytes_received) == (folded.sent.size, folded.received.size)
    assert (end.close_code, end.close_reason) == (
        (close.code, close.reason) if close else (None, None)
    )
    assert end.closed_by == Session.read(path).closed_by
    assert end.findings == [r.id for r in records if isinstance(r, FindingRecord)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for record in records:
        if isinstance(record, FrameRecord) and not record.rsv and not record.cut:
            assert record.wire_length == len(record.frame.serialize())
    return records


def frames(records: Iterable[Record], *, from_client: bool | None = None) -> list[FrameRecord]:
    return [
        record
        for record in records
        if isinstance(record, FrameRecord) and from_client in (None, record.from_client)
    ]


def end_of(records: list[Record]) -> End:
    end = records[-1]
    assert isinstance(end, End)
    return end


def simple(records: Iterable[Record]) -> list[tuple[int, bool, int, bytes]]:
    """Frames without their masks."""
    return [(f.t_ns, f.from_client, f.opcode, f.payload) for f in frames(records)]


ORIGINAL = simple(good_records())

# Changes of all kinds, for properties of all of them.
SOME: list[Change] = [
    Cut.parse("2s..5.5s"),
    Cut.parse("..1s"),
    Cut.parse("10s.."),
    Stall.parse("5s+15s"),
    Stall.parse("5s+15s:client"),
    KeepAlive.parse("drop"),
    KeepAlive.parse("add:1s"),
    Chunk.parse("640"),
    Chunk.parse("1s"),
    Drop.parse("5..9"),
    Corrupt.parse("3"),
    Corrupt.parse("22:0"),
    Replace.parse('3={"type": "Finalize"}'),
    SetClose.parse("1011:NET-0001"),
    SetClose.parse("none"),
    SetEnd.parse("eof"),
    SetEnd.parse("reset"),
    SetEnd.parse("silence"),
    SetQuery.parse("model=nova-2"),
    SetHeader.parse("X-Case: 1"),
    SetStatus.parse('429:{"err_code": "TOO_MANY_REQUESTS"}'),
    FailWithCondition.parse("deepgram.listen.NET-0001"),
    FailWithCondition.parse("NET-0000", "3s"),
]


def closes(records: Iterable[Record]) -> list[tuple[bool, int | None, str]]:
    return [(f.from_client, f.close.code, f.close.reason) for f in frames(records) if f.close]
