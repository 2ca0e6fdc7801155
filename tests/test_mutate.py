"""Changed sessions: what each change does, and that the new trace is sound."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import stat
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conditions import ANYWHERE, good, home, is_plain
from traces import RECORDS, make_trace, read_trace
from wsproxy.catalog import Condition as Known
from wsproxy.catalog import load
from wsproxy.catalog.model import Api
from wsproxy.diagnose import annotate, diagnose
from wsproxy.errors import LimitExceeded, TraceError, UnknownCondition, UsageError, WsproxyError
from wsproxy.mutate import (
    Change,
    Chunk,
    Condition,
    Corrupt,
    Cut,
    Drop,
    Header,
    KeepAlive,
    Query,
    Replace,
    SetClose,
    SetEnd,
    Stall,
    Status,
    draft,
    make,
    mutate,
)
from wsproxy.redact import Redactor
from wsproxy.replay import ClientOptions, ReplayServer, ServerOptions, Verdict, replay_client
from wsproxy.replay.recorded import Records
from wsproxy.session import Session
from wsproxy.trace import (
    Bytes,
    End,
    Eof,
    Finding,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
)
from wsproxy.wire import RSV1, Close, Frame, Opcode, accept_key

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


@pytest.fixture
def good_trace(tmp_path: Path) -> Path:
    return make_trace(tmp_path / "good.wstrace", good_records())


@pytest.fixture
def redact() -> Redactor:
    return Redactor(CATALOG.credentials, b"key", CATALOG.key_shapes)


def changed(path: Path, *changes: Change, **options: Any) -> list[Record]:
    """The records of a sound new trace."""
    redact = Redactor(CATALOG.credentials, b"key", CATALOG.key_shapes)
    made = mutate(path, None, changes, redact=redact, **options)
    return sound(made.path, path, made.changes)


def sound(path: Path, origin: Path, changes: Iterable[str]) -> list[Record]:
    """See that a new trace is what a trace has to be; its records."""
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
        if not isinstance(record, End | Finding):
            folded.add(record)
    close = folded.close
    assert end.ending == (folded.derived_ending or end.ending)
    assert (end.frames_sent, end.frames_received) == (folded.sent.frames, folded.received.frames)
    assert (end.bytes_sent, end.bytes_received) == (folded.sent.size, folded.received.size)
    assert (end.close_code, end.close_reason) == (
        (close.code, close.reason) if close else (None, None)
    )
    assert end.closed_by == Session.read(path).closed_by
    assert end.findings == [r.id for r in records if isinstance(r, Finding)]
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


def audio(records: Iterable[Record]) -> bytes:
    return b"".join(f.payload for f in frames(records, from_client=True) if f.opcode == BINARY)


def end_of(records: list[Record]) -> End:
    end = records[-1]
    assert isinstance(end, End)
    return end


def simple(records: Iterable[Record]) -> list[tuple[int, bool, int, bytes]]:
    """Frames without their masks."""
    return [(f.t_ns, f.from_client, f.opcode, f.payload) for f in frames(records)]


ORIGINAL = simple(good_records())

# Changes of all kinds, for what holds of every one of them.
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
    Query.parse("model=nova-2"),
    Header.parse("X-Case: 1"),
    Status.parse('429:{"err_code": "TOO_MANY_REQUESTS"}'),
    Condition.parse("deepgram.listen.NET-0001"),
    Condition.parse("NET-0000", "3s"),
]


@pytest.mark.parametrize("change", SOME, ids=str)
def test_the_new_trace_is_sound_and_the_old_one_is_as_it_was(
    change: Change, good_trace: Path
) -> None:
    before = good_trace.read_bytes()
    assert changed(good_trace, change)
    assert good_trace.read_bytes() == before


@pytest.mark.parametrize("change", SOME, ids=str)
def test_the_text_of_a_change_makes_it_again(change: Change) -> None:
    name, _, value = str(change).removeprefix("--").partition(" ")
    value, _, after = value.partition(" --after ")
    again = type(change).parse(value, after) if after else type(change).parse(value)  # type: ignore[attr-defined,call-arg]
    assert again == change
    assert name


@given(st.lists(st.sampled_from(SOME), min_size=2, max_size=4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changes_in_any_order_make_a_sound_trace_or_none(
    good_trace: Path, changes: list[Change]
) -> None:
    with contextlib.suppress(UsageError):  # one that an earlier one made impossible
        changed(good_trace, *changes)


def test_changes_are_made_in_their_order(good_trace: Path) -> None:
    cut_first = changed(good_trace, Cut.parse("..3s"), Stall.parse("3s+1s"))
    stall_first = changed(good_trace, Stall.parse("3s+1s"), Cut.parse("..3s"))
    assert simple(cut_first) != simple(stall_first)


# -- time


def test_cut_takes_both_sides_out_and_closes_the_gap(good_trace: Path) -> None:
    records = changed(good_trace, Cut.parse("2s..8s"))
    kept = [f for f in ORIGINAL if not 2 * S <= f[0] < 8 * S]
    assert simple(records) == [(t if t < 2 * S else t - 6 * S, *rest) for t, *rest in kept]
    assert end_of(records).t_ns == 5300 * MS


def test_cut_to_the_end_leaves_the_end(good_trace: Path) -> None:
    records = changed(good_trace, Cut.parse("3s.."))
    assert [f.opcode for f in frames(records)][-2:] == [CLOSE, CLOSE]
    assert len(frames(records)) == 23
    assert end_of(records).ending == "close"
    assert end_of(records).t_ns == 3 * S


def test_cut_from_the_beginning_leaves_the_handshake(good_trace: Path) -> None:
    records = changed(good_trace, Cut.parse("..8s"))
    assert [record.t_ns for record in records[:4]] == [0, 0, 100 * MS, 100 * MS]
    assert audio(records)[0] == 20


def test_cut_takes_whole_messages(tmp_path: Path) -> None:
    parts = [
        frame(1 * S, True, TEXT, "a", fin=False),
        frame(2 * S, False, TEXT, "b", fin=False),
        frame(3 * S, True, Opcode.CONTINUATION, "a"),
        frame(4 * S, False, Opcode.CONTINUATION, "b"),
        frame(5 * S, False, Opcode.PING, "p"),
        Bytes(6 * S, False, b"\xff", "x"),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *parts, End(7 * S, "unfinished")])
    records = changed(path, Cut.parse("1.5s..3.5s"))
    assert [(f.t_ns, f.payload) for f in frames(records)] == [
        (1 * S, b"a"), (1500 * MS, b"a"), (3 * S, b"p"),
    ]  # fmt: skip
    assert not any(f.broken_rule for f in frames(records))
    assert end_of(records).ending == "unfinished"


def test_stall_makes_everything_after_it_later(good_trace: Path) -> None:
    records = changed(good_trace, Stall.parse("5s+15s"))
    assert simple(records) == [(t if t <= 5 * S else t + 15 * S, *rest) for t, *rest in ORIGINAL]
    assert end_of(records).t_ns == 26300 * MS


def test_stall_of_the_client_leaves_the_server_in_its_time(tmp_path: Path) -> None:
    script = [
        frame(1 * S, True, BINARY, "a"),
        frame(2 * S, True, BINARY, "b"),
        frame(3 * S, False, TEXT, "x"),
        frame(4 * S, True, CLOSE, b""),
        frame(5 * S, False, CLOSE, b""),
        Eof(6 * S, False),
        Eof(7 * S, True),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *script, End(7 * S, "close")])
    records = changed(path, Stall.parse("1s+10s:client"))
    # What the server does after the client's Close, it does because of that.
    assert [(f.t_ns // S, f.from_client) for f in frames(records)] == [
        (1, True), (3, False), (12, True), (14, True), (15, False),
    ]  # fmt: skip
    assert [r.t_ns // S for r in records if isinstance(r, Eof)] == [16, 17]
    assert end_of(records).closed_by == "client"


def test_stall_of_the_client_does_not_move_the_servers_close(tmp_path: Path) -> None:
    script = [
        frame(1 * S, True, BINARY, "a"),
        frame(2 * S, True, BINARY, "b"),
        frame(3 * S, False, CLOSE, b""),
        frame(4 * S, True, CLOSE, b""),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *script, End(4 * S, "close")])
    records = changed(path, Stall.parse("1s+10s:client"))
    assert [f.t_ns // S for f in frames(records)] == [1, 3, 12, 14]
    assert end_of(records).closed_by == "server"


# -- KeepAlive


def test_keepalives_are_dropped(good_trace: Path) -> None:
    records = changed(good_trace, KeepAlive.parse("drop"))
    assert simple(records) == [f for f in ORIGINAL if b"KeepAlive" not in f[3]]


def test_keepalives_are_added_where_the_client_is_silent(good_trace: Path) -> None:
    records = changed(good_trace, KeepAlive.parse("add:1s"))
    new = [f for f in simple(records) if f not in ORIGINAL]
    # Silent: 2.1 to 5.0, 5.0 to 8.0, 9.9 to 11.0.
    assert [t for t, *_ in new] == [3100 * MS, 4100 * MS, 6 * S, 7 * S, 10900 * MS]
    assert {f[1:3] for f in new} == {(True, TEXT)}
    assert {f[3] for f in new} == {b'{"type": "KeepAlive"}'}


@pytest.mark.parametrize(("provider", "api", "text"), [("soniox", "stt", {"type": "keepalive"})])
def test_the_keepalive_is_the_apis_own(
    tmp_path: Path, provider: str, api: str, text: object
) -> None:
    path = make_trace(tmp_path / "t.wstrace", [*head(provider, api), End(5 * S, "stopped")])
    records = changed(path, KeepAlive.parse("add:2s"))
    assert [json.loads(f.payload) for f in frames(records)] == [text] * 2


def test_no_keepalive_comes_into_the_middle_of_a_message(tmp_path: Path) -> None:
    script = [
        frame(1 * S, True, BINARY, "a", fin=False),
        frame(9 * S, True, Opcode.CONTINUATION, "b"),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *script, End(11 * S, "stopped")])
    records = changed(path, KeepAlive.parse("add:1s"))
    assert [f.t_ns // MS for f in frames(records)] == [1000, 9000, 10000]


# -- audio


@pytest.mark.parametrize("size", [1, 7, 640, 3200, 5000, 1 << 20])
def test_chunks_hold_the_same_audio(tmp_path: Path, size: int) -> None:
    short = [r for r in good_records() if getattr(r, "opcode", 0) != BINARY or r.t_ns < 400 * MS]
    path = make_trace(tmp_path / "t.wstrace", short)
    records = changed(path, Chunk(size=size))
    assert audio(records) == audio(short)
    chunks = [f for f in frames(records, from_client=True) if f.opcode == BINARY]
    assert all(len(f.payload) == size for f in chunks[:-1])


def test_chunks_keep_pace_and_pauses_and_what_is_said_between_them(good_trace: Path) -> None:
    records = changed(good_trace, Chunk.parse("20ms"))
    chunks = [f for f in frames(records, from_client=True) if f.opcode == BINARY]
    assert {len(f.payload) for f in chunks} == {640}
    first, second = chunks[:100], chunks[100:]
    assert [f.t_ns for f in first] == [(200 + 20 * n) * MS for n in range(100)]
    assert [f.t_ns for f in second] == [(8000 + 20 * n) * MS for n in range(100)]
    assert [f for f in simple(records) if f[2] != BINARY] == [f for f in ORIGINAL if f[2] != BINARY]


def test_larger_chunks_are_sent_when_their_first_byte_was(good_trace: Path) -> None:
    records = changed(good_trace, Chunk(size=4800))
    chunks = [f for f in frames(records, from_client=True) if f.opcode == BINARY]
    times = [f.t_ns for f in chunks if f.t_ns < 5 * S]
    assert times == [(200 + 150 * n) * MS for n in range(14)]
    assert len(chunks[13].payload) == 64000 - 13 * 4800  # what is left before the KeepAlive


def test_chunks_of_a_burst_come_at_once(tmp_path: Path) -> None:
    burst = [frame(1 * S, True, BINARY, bytes(100)) for _ in range(3)]
    last = frame(1 * S, True, TEXT, "end")
    path = make_trace(
        tmp_path / "t.wstrace", [*head(None, None), *burst, last, End(2 * S, "stopped")]
    )
    records = changed(path, Chunk(size=50))
    assert [(f.t_ns, len(f.payload)) for f in frames(records)] == [(1 * S, 50)] * 6 + [(1 * S, 3)]


# -- frames


def test_frames_are_dropped_by_the_numbers_of_the_old_trace(good_trace: Path) -> None:
    records = changed(good_trace, Drop.parse("1..20"), Drop.parse("#22"))
    assert simple(records) == [ORIGINAL[20], *ORIGINAL[22:]]


@pytest.mark.parametrize(("text", "at"), [("3", 1600), ("3:0", 0), ("3:3199", 3199)])
def test_a_byte_is_flipped(good_trace: Path, text: str, at: int) -> None:
    (_, _, _, old), new = ORIGINAL[2], simple(changed(good_trace, Corrupt.parse(text)))[2][3]
    assert [n for n in range(len(old)) if old[n] != new[n]] == [at]
    assert old[at] ^ new[at] == 0xFF
    assert len(new) == len(old)


def test_a_payload_is_replaced_and_the_rest_of_the_frame_is_not(good_trace: Path) -> None:
    records = changed(good_trace, Replace.parse("3=a=b é"))
    assert simple(records)[2] == (*ORIGINAL[2][:3], "a=b é".encode())
    assert frames(records)[2].wire_length == 2 + 4 + 6


def test_a_changed_message_is_not_compressed_any_more(tmp_path: Path) -> None:
    deflated: dict[str, Any] = {"rsv": RSV1}
    script = [
        frame(1 * S, False, TEXT, "x" * 1000, fin=False, **deflated),
        frame(2 * S, False, Opcode.CONTINUATION, "y" * 1000),
        frame(3 * S, False, TEXT, "z" * 1000, **deflated),
    ]
    script = [dataclasses.replace(r, wire_length=20) for r in script]
    extension = ["Sec-WebSocket-Extensions", "permessage-deflate"]
    path = make_trace(
        tmp_path / "t.wstrace", [*head(more=[extension]), *script, End(4 * S, "stopped")]
    )
    first, second, third = frames(changed(path, Replace.parse("2=new")))
    assert (first.rsv, first.wire_length, second.wire_length) == (0, 4 + 1000, 2 + 3)
    assert (third.rsv, third.wire_length) == (RSV1, 20)
    assert not any(f.broken_rule for f in (first, second, third))


def test_rules_that_the_change_breaks_are_told(tmp_path: Path) -> None:
    script = [
        frame(1 * S, True, TEXT, "a", fin=False),
        frame(2 * S, True, Opcode.CONTINUATION, "b"),
        frame(3 * S, False, Opcode.PING, "p"),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *script, End(4 * S, "stopped")])
    (rest, _) = frames(changed(path, Drop.parse("1")))
    assert rest.broken_rule == "continuation frame without a message (section 5.4)"
    long = frames(changed(path, Replace.parse("3=" + "x" * 126)))[2]
    assert long.broken_rule == "control frame with over 125 bytes (section 5.5)"


def test_messages_as_the_stock_layer_saw_them_have_no_masks(tmp_path: Path) -> None:
    start, *rest = head()
    assert isinstance(start, Start)
    script = [FrameRecord(1 * S, True, 2, b"abcd", wire_length=4)]
    records = [
        dataclasses.replace(start, capture="messages"),
        *rest,
        *script,
        End(9 * S, "stopped"),
    ]
    path = make_trace(tmp_path / "t.wstrace", records)
    made = mutate(path, None, [KeepAlive.parse("add:4s"), Replace.parse("1=xy")])
    found = frames(read_trace(made.path)[0])
    assert [(f.mask, f.wire_length) for f in found] == [(None, 2), (None, 21)]
    assert not any(f.broken_rule for f in found)


# -- the end


def closes(records: Iterable[Record]) -> list[tuple[bool, int | None, str]]:
    return [(f.from_client, f.close.code, f.close.reason) for f in frames(records) if f.close]


def test_the_servers_close_becomes_another(good_trace: Path) -> None:
    records = changed(good_trace, SetClose.parse("1011:NET-0001"))
    assert closes(records) == [(False, 1011, "NET-0001"), (True, 1011, "")]
    assert end_of(records).findings[0] == "deepgram.listen.NET-0001"
    assert [r.t_ns for r in frames(records)] == [f[0] for f in ORIGINAL]


def test_a_client_that_closed_first_answers_instead(tmp_path: Path) -> None:
    script = [
        frame(1 * S, True, BINARY, "a"),
        frame(2 * S, True, CLOSE, Close(1000).serialize()),
        frame(3 * S, False, TEXT, "late"),
        frame(4 * S, False, CLOSE, Close(1000).serialize()),
        Eof(5 * S, False),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *script, End(5 * S, "close")])
    records = changed(path, SetClose.parse("1008:DATA-0000"))
    assert closes(records) == [(False, 1008, "DATA-0000"), (True, 1008, "")]
    assert [f.t_ns // S for f in frames(records)] == [1, 2, 2]
    assert end_of(records).closed_by == "server"


@pytest.mark.parametrize("how", ["eof", "reset", None])
def test_a_session_without_a_close_gets_one_where_it_ended(tmp_path: Path, how: str | None) -> None:
    ended = [Eof(2 * S, False, how)] if how else []
    path = make_trace(
        tmp_path / "t.wstrace",
        [*head(), frame(1 * S, True, BINARY, "a"), *ended, End(2 * S, how or "stopped")],
    )
    records = changed(path, SetClose.parse("4000:why"))
    assert closes(records) == [(False, 4000, "why"), (True, 4000, "")]
    assert [f.t_ns for f in frames(records)] == [1 * S, 2 * S, 2 * S + MS]
    assert [(r.from_client, r.how) for r in records if isinstance(r, Eof)] == [
        (False, "eof"), (True, "eof"),
    ]  # fmt: skip


def test_a_code_that_may_not_be_sent_is_answered_with_1002(good_trace: Path) -> None:
    records = changed(good_trace, SetClose.parse("1006"))
    assert closes(records) == [(False, 1006, ""), (True, 1002, "")]
    assert "1006 must not be sent" in (frames(records)[45].broken_rule or "")


def test_without_close_frames_the_end_of_the_connection_is_what_ends_it(good_trace: Path) -> None:
    records = changed(good_trace, SetClose.parse("none"))
    assert closes(records) == []
    assert (end_of(records).ending, end_of(records).closed_by) == ("eof", "server")


@pytest.mark.parametrize(
    ("how", "ending", "ends"),
    [
        ("eof", "eof", [(False, "eof"), (True, "eof")]),
        ("reset", "reset", [(False, "reset")]),
        ("silence", "stopped", []),
    ],
)
def test_the_connection_ends_otherwise(
    good_trace: Path, how: str, ending: str, ends: list[tuple[bool, str]]
) -> None:
    records = changed(good_trace, SetClose.parse("none"), SetEnd.parse(how))
    assert [(r.from_client, r.how) for r in records if isinstance(r, Eof)] == ends
    assert end_of(records).ending == ending


def test_nothing_comes_after_a_reset(tmp_path: Path) -> None:
    script = [Eof(2 * S, True), frame(3 * S, False, TEXT, "late"), Eof(4 * S, False)]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *script, End(4 * S, "eof")])
    records = changed(path, SetEnd.parse("reset"))
    assert [(r.t_ns, r.from_client) for r in records if isinstance(r, Eof)] == [(2 * S, True)]
    assert frames(records) == []
    assert end_of(records).t_ns == 2 * S


# -- the handshake


def request_of(records: list[Record]) -> Request:
    return next(record for record in records if isinstance(record, Request))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("model=nova-2", "model=nova-2&encoding=linear16&sample_rate=16000"),
        ("model=", "model=&encoding=linear16&sample_rate=16000"),
        ("model", "encoding=linear16&sample_rate=16000"),
        ("language=a b&c", "model=nova-3&encoding=linear16&sample_rate=16000&language=a%20b%26c"),
    ],
)
def test_the_query_is_changed(good_trace: Path, text: str, query: str) -> None:
    assert request_of(changed(good_trace, Query.parse(text))).path == f"/v1/listen?{query}"


def test_a_parameter_that_is_there_twice_is_there_once(tmp_path: Path) -> None:
    records = [*head(path="/v1/listen?a=1&b=2&%61=3"), End(1 * S, "stopped")]
    path = make_trace(tmp_path / "t.wstrace", records)
    assert request_of(changed(path, Query.parse("a=4"))).path == "/v1/listen?a=4&b=2"
    assert request_of(changed(path, Query.parse("a"), Query.parse("b"))).path == "/v1/listen"


def test_headers_are_changed(good_trace: Path) -> None:
    records = changed(
        good_trace,
        Header.parse("x-new: 1:2"),
        Header.parse("connection: close"),
        Header.parse("Authorization:"),
    )
    request = request_of(records)
    names = [name for name, _ in request.headers]
    assert names == ["Host", "Upgrade", "connection", "Sec-WebSocket-Key", "x-new"]
    assert ["x-new", "1:2"] in request.headers
    assert ["connection", "close"] in request.headers
    assert request.redacted == []


SECRET = "abcdef0123456789abcdef0123456789abcdef01"


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (Header.parse(f"Authorization: Token {SECRET}"), "--header Authorization: Token REDACTED"),
        (Header.parse("Authorization: short"), "--header Authorization: REDACTED"),
        (
            Header.parse(f"Sec-WebSocket-Protocol: token, {SECRET}"),
            "--header Sec-WebSocket-Protocol: token, REDACTED",
        ),
        (Query.parse(f"token={SECRET}"), "--query token=REDACTED"),
    ],
    ids=["token", "short", "subprotocol", "query"],
)
def test_a_credential_is_taken_out_and_told(good_trace: Path, change: Change, shown: str) -> None:
    records = changed(good_trace, change)
    start, request = records[0], request_of(records)
    assert isinstance(start, Start)
    assert start.changes == [shown]
    assert SECRET not in repr(records)
    assert SECRET not in repr(change)
    assert request.redacted[-1]["length"] in (len(SECRET), len("short"))
    assert request.redacted[-1]["fingerprint"] != "abc"
    wheres = [(e["where"], e["name"].lower()) for e in request.redacted]
    assert len(wheres) == len(set(wheres))


def test_a_refusal_takes_the_frames(good_trace: Path) -> None:
    body = '{"err_code": "TOO_MANY_REQUESTS"}'
    records = changed(good_trace, Status.parse(f"429:{body}"))
    response = records[2]
    assert isinstance(response, Response)
    assert (response.status, response.reason, response.body) == (
        429, "Too Many Requests", body.encode(),
    )  # fmt: skip
    assert response.headers == [
        ["dg-request-id", "r-1"], ["Content-Type", "application/json"], ["Content-Length", "33"],
    ]  # fmt: skip
    assert end_of(records).ending == "refused"
    assert end_of(records).t_ns == response.t_ns
    assert end_of(records).findings[0] == "deepgram.listen.TOO_MANY_REQUESTS"
    assert not any(isinstance(r, FrameRecord | Eof) for r in records)


# -- conditions


def good_session(condition: Known, folder: Path) -> Path:
    """A session in which a well-behaved client of the condition's API says what it says."""
    place = home(condition)
    if condition.id == "deepgram.upgrade.self-hosted-url":
        host = "deepgram.example"
    else:
        host = place.host if place else ANYWHERE
    records = head(
        place.provider.id if place else None,
        place.api.name if place else None,
        host=host,
        path=place.path if place else "/",
    )
    if is_plain(condition):
        request = records[1]
        assert isinstance(request, Request)
        answer = Response(100 * MS, 200, "OK", body=b"{}", body_length=2)
        records[1:] = [
            dataclasses.replace(request, headers=[["Host", host]], method="POST"),
            answer,
        ]
        return make_trace(folder / "t.wstrace", [*records, End(200 * MS, "http")])
    behaviour = good(place)
    for n, said in enumerate([*behaviour.said, *behaviour.ends]):
        opcode = TEXT if isinstance(said, str) else BINARY
        records.append(frame((200 + 100 * n) * MS, True, opcode, said))
    if place is None:
        return make_trace(folder / "t.wstrace", [*records, End(2 * S, "stopped")])
    close = Close(1000).serialize()
    records += [frame(2 * S, False, CLOSE, close), frame(2001 * MS, True, CLOSE, close)]
    records += [Eof(2002 * MS, False), Eof(2003 * MS, True)]
    return make_trace(folder / "t.wstrace", [*records, End(2003 * MS, "close")])


# A user has to have asked for this, or been elsewhere, for the answer to mean it.
ASKED_FOR = {"aws_transcribe.upgrade.presigned-expiry"}
SIMULATED = [c for c in CATALOG.conditions if c.simulated and c.id not in ASKED_FOR]


@pytest.mark.parametrize("condition", SIMULATED, ids=lambda c: c.id)
def test_a_good_session_fails_with_the_condition(condition: Known, tmp_path: Path) -> None:
    path = good_session(condition, tmp_path)
    assert condition.id not in [f.id for f in diagnose(Session.read(path), CATALOG)]
    records = changed(path, Condition.parse(condition.id))
    assert end_of(records).findings[0] == condition.id
    made = next(p for p in tmp_path.glob("*.wstrace") if p != path)
    assert diagnose(Session.read(made), CATALOG)[0].id == condition.id


def test_what_came_after_the_condition_goes(good_trace: Path) -> None:
    records = changed(good_trace, Condition.parse("deepgram.listen.NET-0000", "1s"))
    kept = [f for f in ORIGINAL if f[0] <= 1100 * MS]  # the upgrade is done at 100 ms
    assert simple(records)[: len(kept)] == kept
    assert closes(records) == [(False, 1011, "NET-0000"), (True, 1011, "")]
    tail = records[3 + len(kept) :]
    assert [(r.kind, r.t_ns) for r in tail[:4]] == [
        ("frame", 1100 * MS), ("frame", 1101 * MS), ("eof", 1102 * MS), ("eof", 1102 * MS),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("after", "client_frames"), [("open", 0), ("audio", 1), ("7frames", 7), ("1audio", 10)]
)
def test_the_condition_comes_at_its_moment(
    good_trace: Path, after: str, client_frames: int
) -> None:
    records = changed(good_trace, Condition.parse("deepgram.listen.DATA-0000", after))
    sent = [f for f in frames(records, from_client=True) if f.opcode == BINARY]
    assert len(sent) == client_frames
    if sent:
        assert closes(records)[0] == (False, 1008, "DATA-0000")
        assert frames(records)[client_frames].t_ns == sent[-1].t_ns


def test_silence_is_waited_for_and_the_client_does_not_say_that_it_is_done(
    good_trace: Path,
) -> None:
    records = changed(good_trace, Condition.parse("deepgram.listen.NET-0001"))
    assert not any(b"CloseStream" in f.payload for f in frames(records))
    last = [f for f in frames(records, from_client=True) if f.opcode == BINARY][-1]
    close = next(f for f in frames(records) if f.opcode == CLOSE)
    assert close.t_ns - last.t_ns == 10 * S


def test_silence_in_the_middle_is_enough(good_trace: Path) -> None:
    records = changed(
        good_trace, Stall.parse("5s+15s"), Condition.parse("deepgram.listen.NET-0001")
    )
    close = next(f for f in frames(records) if f.opcode == CLOSE)
    assert close.t_ns == 15 * S
    assert len(frames(records)) == 22 + 2


def test_a_condition_that_is_a_message_leaves_the_session_as_it_was(good_trace: Path) -> None:
    records = changed(good_trace, Condition.parse("deepgram.listen.no-audio-decoded", "1s"))
    new = [f for f in simple(records) if f not in ORIGINAL]
    assert len(simple(records)) == len(ORIGINAL) + 1
    assert [(t, from_client, opcode) for t, from_client, opcode, _ in new] == [
        (1100 * MS, False, TEXT)
    ]


def test_no_message_comes_into_the_middle_of_another(tmp_path: Path) -> None:
    script = [
        frame(1 * S, False, TEXT, "{", fin=False),
        frame(2 * S, True, BINARY, bytes(100)),
        frame(3 * S, False, Opcode.CONTINUATION, "}"),
        frame(4 * S, True, BINARY, bytes(100)),
    ]
    path = make_trace(tmp_path / "t.wstrace", [*head(), *script, End(5 * S, "stopped")])
    said = frames(changed(path, Condition.parse("listen.no-audio-decoded")), from_client=False)
    assert [f.t_ns // S for f in said] == [1, 3, 3]
    ended = frames(changed(path, Condition.parse("listen.NET-0000")), from_client=False)
    assert [f.opcode for f in ended] == [CLOSE]
    assert not any(f.broken_rule for f in [*said, *ended])


def test_the_request_id_is_the_sessions_own(good_trace: Path, tmp_path: Path) -> None:
    records = changed(good_trace, Condition.parse("deepgram.upgrade.INVALID_AUTH"))
    response = records[2]
    assert isinstance(response, Response)
    assert ["dg-request-id", "r-1"] in response.headers
    assert b"00000000-0000" not in (response.body or b"")


def test_an_id_that_several_have_is_the_one_of_the_sessions_api(good_trace: Path) -> None:
    records = changed(good_trace, Condition.parse("net-0001"))
    assert end_of(records).findings[0] == "deepgram.listen.NET-0001"


# -- what cannot be done

BAD = [
    (Drop.parse("48"), "there is no frame 48; the last one is 47"),
    (Corrupt.parse("3:3200"), "the payload of frame 3 has 3200 bytes"),
    (Cut.parse("5s..99s"), "the session ends at 11.300 s"),
    (Cut.parse("12s.."), "the session ends at 11.300 s"),
    (Cut.parse("..0.05s"), "before the upgrade"),
    (Stall.parse("12s+1s"), "the session ends at 11.300 s"),
    (Stall.parse("0s+1s"), "before the upgrade"),
    (KeepAlive.parse("add:5s"), "never silent for so long"),
    (Query.parse("nothing"), "no such query parameter"),
    (Header.parse("nothing:"), "no such header"),
    (Condition.parse("deepgram.upgrade.401", "3s"), "refuses the upgrade"),
    (Condition.parse("NET-0000", "60s"), "the session is over 11.100 s after the upgrade"),
    (Condition.parse("NET-0000", "50frames"), "the client sends less than that"),
    (Condition.parse("NET-0000", "5audio"), "the client sends less than that"),
    (Condition.parse("deepgram.listen.nothing"), "no condition 'deepgram.listen.nothing'"),
    (
        Condition.parse("traffic.messages.invalid-json"),
        "is not something that a server brings about",
    ),
    (
        Condition.parse("deepgram.speak.NET-0002"),
        "deepgram.speak.NET-0002 does not happen in this session, which is of deepgram listen; "
        "near ones: deepgram.listen.NET-000",
    ),
    (Condition.parse("assemblyai.streaming.3007-rate"), "does not happen in this session"),
    (Condition.parse("deepgram.rest.UUID"), "does not happen in this session"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=lambda c: str(c)[:40])
def test_what_cannot_be_changed_is_said_and_nothing_is_written(
    good_trace: Path, change: Change, message: str
) -> None:
    with pytest.raises((UsageError, UnknownCondition)) as error:
        mutate(good_trace, None, [change])
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert [p.name for p in good_trace.parent.iterdir()] == ["good.wstrace"]


def test_what_another_change_took_away_is_said(good_trace: Path) -> None:
    with pytest.raises(UsageError, match="frame 5 is gone by a change before"):
        mutate(good_trace, None, [Drop.parse("4..6"), Corrupt.parse("5")])
    with pytest.raises(UsageError, match="was not accepted"):
        mutate(good_trace, None, [Status.parse("500"), Cut.parse("..1s")])
    with pytest.raises(UsageError, match="sent no KeepAlive"):
        mutate(good_trace, None, [KeepAlive.parse("drop"), KeepAlive.parse("drop")])
    with pytest.raises(UsageError, match="no Close frame"):
        mutate(good_trace, None, [SetClose.parse("none"), SetClose.parse("none")])


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        (Cut, ["", "..", "5s", "a..b", "5s..3s", "3s..3s", "-1..3", "1e9..2e9", "99999999m.."]),
        (Stall, ["", "5s", "5s+", "+5s", "5s+1s:server", "5s+1s:", "5s-1s"]),
        (KeepAlive, ["", "add", "add:", "add:0s", "drop:1s", "keep"]),
        (Chunk, ["", "0", "-5", "0ms", "20x", "99999999999"]),
        (Drop, ["", "0", "-1", "a", "5..", "..5", "9..5", "1,2"]),
        (Corrupt, ["", "5:", "5:-1", "a:1", "0"]),
        (Replace, ["", "5", "=text", "a=b", "1=" + "x" * ((1 << 20) + 1)]),
        (SetClose, ["", "abc", "65536", "-1", ":why", "1000:" + "x" * 124]),
        (SetEnd, ["", "fin"]),
        (Query, ["", "=1", "a=b\nc"]),
        (Header, ["", "a", ": b", "a b: c", "a: b\r\nc: d"]),
        (Status, ["", "101", "600", "abc", "200:" + "x" * 70_000]),
    ],
)
def test_bad_syntax_is_one_line(change: Any, texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(UsageError) as error:
            change.parse(text)
        assert "\n" not in str(error.value), text


def test_a_bad_moment_is_one_line() -> None:
    with pytest.raises(UsageError, match="no moment"):
        Condition.parse("x", "later")


def test_apis_without_what_is_asked_for(tmp_path: Path) -> None:
    speak = make_trace(tmp_path / "a.wstrace", [*head("deepgram", "speak"), End(9 * S, "stopped")])
    with pytest.raises(UsageError, match="knows no KeepAlive message of deepgram speak"):
        mutate(speak, None, [KeepAlive.parse("add:1s")])
    with pytest.raises(UsageError, match="no binary messages"):
        mutate(speak, None, [Chunk(size=10)])
    with pytest.raises(UsageError, match="give the size in bytes"):
        mutate(speak, None, [Chunk.parse("20ms")])
    azure = make_trace(
        tmp_path / "b.wstrace",
        [*head("azure_speech", "stt"), frame(1 * S, True, BINARY, "x"), End(9 * S, "stopped")],
    )
    with pytest.raises(UsageError, match="a form of its own"):
        mutate(azure, None, [Chunk(size=10)])
    nobody = make_trace(tmp_path / "c.wstrace", [*head("\x1b[31m", "x"), End(9 * S, "stopped")])
    with pytest.raises(UsageError, match="an API that the catalog does not know"):
        mutate(nobody, None, [KeepAlive.parse("drop")])


def test_amounts_have_limits(good_trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsproxy.mutate.audio.MAX_CHUNKS", 100)
    with pytest.raises(UsageError, match="over 100 messages"):
        mutate(good_trace, None, [Chunk(size=1)])
    monkeypatch.setattr("wsproxy.mutate.keepalive.MAX_ADDED", 100)
    with pytest.raises(UsageError, match="over 100 messages"):
        mutate(good_trace, None, [KeepAlive.parse("add:10ms")])
    monkeypatch.setattr(draft, "MAX_CONTENT", 50_000)
    with pytest.raises(LimitExceeded, match="in memory"):
        mutate(good_trace, None, [Drop.parse("1")])
    with pytest.raises(UsageError, match="1000 changes"):
        mutate(good_trace, None, [Drop.parse("1")] * 1001)


def test_a_long_change_is_told_in_short(good_trace: Path) -> None:
    made = mutate(good_trace, None, [Query.parse("a=" + "x" * 5000), Replace.parse("1=a\nb")])
    assert len(made.changes[0]) == make._LINE
    assert made.changes[1] == "--replace 1=a b"


# -- files


def test_an_output_that_is_there_is_not_replaced_unless_forced(good_trace: Path) -> None:
    out = good_trace.with_name("out.wstrace")
    out.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        mutate(good_trace, out, [Drop.parse("1")])
    assert out.read_text() == "mine"
    made = mutate(good_trace, out, [Drop.parse("1")], force=True)
    assert made.path == out
    sound(out, good_trace, made.changes)


def test_the_input_is_never_replaced(good_trace: Path) -> None:
    before = good_trace.read_bytes()
    link = good_trace.with_name("link.wstrace")
    link.symlink_to(good_trace)
    for out in (good_trace, link):
        with pytest.raises(UsageError, match="never overwritten"):
            mutate(good_trace, out, [Drop.parse("1")], force=True)
    assert good_trace.read_bytes() == before


def test_where_it_cannot_be_written_it_is_said(good_trace: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        mutate(good_trace, good_trace.parent / "none" / "x.wstrace", [Drop.parse("1")])
    with pytest.raises(UsageError, match=r"ends in \.wstrace"):
        mutate(good_trace, good_trace.parent / "x.txt", [Drop.parse("1")])


def test_a_disk_that_fills_up_leaves_nothing(
    good_trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wsproxy.trace.TraceWriter.finish", full)
    with pytest.raises(UsageError, match="No space left"):
        mutate(good_trace, None, [Drop.parse("1")])
    assert [p.name for p in good_trace.parent.iterdir()] == ["good.wstrace"]


def test_names_come_from_the_catalog_and_not_from_the_trace(tmp_path: Path) -> None:
    path = make_trace(tmp_path / "t.wstrace", [*head("../../evil", "x/y"), End(1 * S, "stopped")])
    made = mutate(path, None, [Query.parse("a=1")])
    assert made.path.parent == tmp_path
    assert "-websocket-" in made.path.name


def test_what_is_no_trace_is_not_read(tmp_path: Path, good_trace: Path) -> None:
    junk = tmp_path / "junk.wstrace"
    junk.write_bytes(b"junk")
    headless = make_trace(tmp_path / "headless.wstrace", good_records()[1:])
    for path in (junk, headless, tmp_path / "none.wstrace"):
        with pytest.raises(TraceError):
            mutate(path, None, [Drop.parse("1")])


@pytest.mark.parametrize(
    "strange",
    [
        Eof(1 << 62, False),
        Gap(0, 1 << 62, "x"),
        FrameRecord(0, False, 2, b"", wire_length=1 << 62),
        FrameRecord(0, False, 2, b"", cut=1 << 62),
    ],
    ids=repr,
)
def test_figures_without_sense_are_refused(tmp_path: Path, strange: Record) -> None:
    path = make_trace(tmp_path / "t.wstrace", [*head(), strange, End(1 * S, "eof")])
    with pytest.raises(TraceError, match=f"a {strange.kind} record with figures without sense"):
        mutate(path, None, [Stall.parse("1s+60000m")])


def test_what_the_old_trace_lacks_the_new_one_lacks(tmp_path: Path) -> None:
    whole = make_trace(tmp_path / "whole.wstrace", good_records())
    data = whole.read_bytes()
    broken = tmp_path / "broken.wstrace"
    middle = len(data) // 2
    broken.write_bytes(data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :])
    cut = tmp_path / "cut.wstrace"
    cut.write_bytes(data[:middle])
    for path in (broken, cut):
        records = sound_but_incomplete(path)
        assert any(record.kind == "gap" for record in records)
        assert "trace.incomplete" in end_of(records).findings


def sound_but_incomplete(path: Path) -> list[Record]:
    records = changed(path, Drop.parse("1"))
    assert not end_of(records).complete
    return records


def test_a_trace_of_a_trace_says_what_it_came_from(good_trace: Path) -> None:
    first = mutate(good_trace, None, [Drop.parse("1")])
    second = mutate(first.path, None, [Drop.parse("1")])
    assert second.session.start is not None
    assert second.session.start.origin == first.session.id
    assert len(frames(read_trace(second.path)[0])) == 45


def test_every_api_with_keepalives_can_have_them_added() -> None:
    apis: list[Api] = [api for p in CATALOG.providers for api in p.apis if api.vocabulary.keepalive]
    assert {api.name for api in apis} >= {"listen", "streaming", "agent"}


def tame(record: Record) -> Record:
    """With figures that have some sense."""
    names = {"t_ns", "until_ns", "wire_length", "cut"} & {
        field.name for field in dataclasses.fields(record)
    }
    return dataclasses.replace(record, **{name: getattr(record, name) % (12 * S) for name in names})


# What a stranger's trace may hold: all kinds of records in any order.
STRANGE = st.lists(
    st.one_of(
        RECORDS.map(tame),
        st.sampled_from(good_records()),
        st.builds(
            FrameRecord,
            st.integers(0, 12 * S),
            st.booleans(),
            st.sampled_from([0, 1, 2, 8, 9, 10]),
            st.binary(max_size=20),
            st.booleans(),
        ),
    ),
    max_size=30,
)


@given(STRANGE, st.lists(st.sampled_from(SOME), min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_a_strange_trace_makes_a_trace_that_reads_or_none(
    tmp_path: Path, records: list[Record], changes: list[Change]
) -> None:
    path = make_trace(tmp_path / "strange.wstrace", [*head(), *records])
    out = tmp_path / "out.wstrace"
    try:
        mutate(path, out, changes, force=True)
    except WsproxyError as error:
        assert "\n" not in str(error)
        return
    made, reader = read_trace(out)
    assert reader.losses == []
    assert [r.t_ns for r in made] == sorted(r.t_ns for r in made)


# -- replayed


@pytest.fixture
def short_trace(tmp_path: Path) -> Path:
    """The same in half a second."""
    records = good_records()
    opened = 100 * MS
    quick = [dataclasses.replace(r, t_ns=min(r.t_ns, opened) + r.t_ns // 25) for r in records]
    return make_trace(tmp_path / "short.wstrace", quick)


REPLAYED = [
    Cut.parse("0.3s.."),
    Chunk.parse("640"),
    Corrupt.parse("22:0"),
    SetClose.parse("4000:made"),
    Status.parse('429:{"err_code": "TOO_MANY_REQUESTS"}'),
    Condition.parse("deepgram.listen.DATA-0000", "0.1s"),
    Condition.parse("deepgram.listen.no-audio-decoded"),
]


def replayed(as_server: Path, as_client: Path) -> list[Verdict]:
    """Both ends' verdicts."""
    redact = Redactor(CATALOG.credentials, b"key")
    records = Records(as_server.parent / "replays", redact, partial(annotate, catalog=CATALOG))

    async def replay() -> list[Verdict]:
        async with ReplayServer(as_server, ServerOptions(timeout=5), records) as server:
            client = asyncio.create_task(
                replay_client(as_client, ClientOptions(server.url, timeout=5), records)
            )
            return [await server.verdict(), await client]

    return asyncio.run(replay())


@pytest.mark.parametrize("change", REPLAYED, ids=str)
def test_both_ends_of_a_new_trace_replay_it(change: Change, short_trace: Path) -> None:
    made = mutate(short_trace, None, [change])
    for verdict in replayed(made.path, made.path):
        assert (verdict.verdict, verdict.differences) == ("reproduced", [])


def test_a_changed_ending_is_not_what_was_recorded(short_trace: Path) -> None:
    made = mutate(short_trace, None, [SetClose.parse("1011:NET-0001")])
    _, verdict = replayed(made.path, short_trace)
    assert verdict.verdict != "reproduced"
    assert "close_code" in [difference.field for difference in verdict.differences]
