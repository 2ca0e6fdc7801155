"""Changed sessions: what each change does, and that the new trace is sound."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutations import (
    BINARY,
    CATALOG,
    CLOSE,
    MS,
    ORIGINAL,
    SOME,
    TEXT,
    S,
    changed,
    closes,
    end_of,
    frame,
    frames,
    good_records,
    head,
    simple,
)
from traces import make_trace, read_trace
from wsproxy.diagnose import annotate
from wsproxy.errors import UsageError
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
    mutate,
)
from wsproxy.redact import Redactor
from wsproxy.replay import ClientOptions, ReplayServer, ServerOptions, Verdict, replay_client
from wsproxy.replay.recorded import Records
from wsproxy.trace import (
    Bytes,
    End,
    Eof,
    FrameRecord,
    Record,
    Request,
    Response,
    Start,
)
from wsproxy.wire import RSV1, Close, Opcode


def audio(records: Iterable[Record]) -> bytes:
    return b"".join(f.payload for f in frames(records, from_client=True) if f.opcode == BINARY)


@pytest.mark.parametrize("change", SOME, ids=str)
def test_the_new_trace_is_sound_and_the_old_one_is_as_it_was(
    change: Change, good_trace: Path
) -> None:
    before = good_trace.read_bytes()
    assert changed(good_trace, change)
    assert good_trace.read_bytes() == before


@pytest.mark.parametrize("change", SOME, ids=str)
def test_the_text_of_a_change_makes_it_again(change: Change) -> None:
    name, _, value = str(change).partition(" ")
    value, _, after = value.partition(" after ")
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
        (Header.parse(f"Authorization: Token {SECRET}"), "header Authorization: Token REDACTED"),
        (Header.parse("Authorization: short"), "header Authorization: REDACTED"),
        (
            Header.parse(f"Sec-WebSocket-Protocol: token, {SECRET}"),
            "header Sec-WebSocket-Protocol: token, REDACTED",
        ),
        (Query.parse(f"token={SECRET}"), "query token=REDACTED"),
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
