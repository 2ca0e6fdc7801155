"""Changes of the end and of the handshake, and replays of the new traces."""

from __future__ import annotations

import asyncio
import dataclasses
from functools import partial
from pathlib import Path

import pytest

from mutations import (
    BINARY,
    CATALOG,
    CLOSE,
    MS,
    ORIGINAL,
    TEXT,
    S,
    changed,
    closes,
    end_of,
    frame,
    frames,
    good_records,
    head,
)
from traces import make_trace
from wsproxy.diagnose.annotation import annotate
from wsproxy.mutate import (
    Change,
    Chunk,
    Corrupt,
    Cut,
    FailWithCondition,
    SetClose,
    SetEnd,
    SetHeader,
    SetQuery,
    SetStatus,
    mutate,
)
from wsproxy.redact import HeadRedactor
from wsproxy.replayer import ClientOptions, ReplayServer, ServerOptions, Verdict, replay_client
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.trace import End, Eof, FrameRecord, Record, Request, Response, Start
from wsproxy.wire import Close

# -- the end


def test_set_close_server_close_is_replaced(good_trace: Path) -> None:
    records = changed(good_trace, SetClose.parse("1011:NET-0001"))
    assert closes(records) == [(False, 1011, "NET-0001"), (True, 1011, "")]
    assert end_of(records).findings[0] == "deepgram.listen.NET-0001"
    assert [r.t_ns for r in frames(records)] == [f[0] for f in ORIGINAL]


def test_set_close_client_closed_first_becomes_the_reply(tmp_path: Path) -> None:
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
def test_set_close_without_close_is_added_at_the_end(tmp_path: Path, how: str | None) -> None:
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


def test_set_close_forbidden_code_is_answered_with_1002(good_trace: Path) -> None:
    records = changed(good_trace, SetClose.parse("1006"))
    assert closes(records) == [(False, 1006, ""), (True, 1002, "")]
    assert "1006 must not be sent" in (frames(records)[45].broken_rule or "")


def test_set_close_none_leaves_the_end_of_the_connection(good_trace: Path) -> None:
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
def test_set_end_kind_replaces_the_end(
    good_trace: Path, how: str, ending: str, ends: list[tuple[bool, str]]
) -> None:
    records = changed(good_trace, SetClose.parse("none"), SetEnd.parse(how))
    assert [(r.from_client, r.how) for r in records if isinstance(r, Eof)] == ends
    assert end_of(records).ending == ending


def test_set_end_reset_removes_later_records(tmp_path: Path) -> None:
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
def test_set_query_parameter_is_changed(good_trace: Path, text: str, query: str) -> None:
    assert request_of(changed(good_trace, SetQuery.parse(text))).path == f"/v1/listen?{query}"


def test_set_query_duplicate_parameter_is_set_once(tmp_path: Path) -> None:
    records = [*head(path="/v1/listen?a=1&b=2&%61=3"), End(1 * S, "stopped")]
    path = make_trace(tmp_path / "t.wstrace", records)
    assert request_of(changed(path, SetQuery.parse("a=4"))).path == "/v1/listen?a=4&b=2"
    assert request_of(changed(path, SetQuery.parse("a"), SetQuery.parse("b"))).path == "/v1/listen"


def test_set_header_headers_are_changed(good_trace: Path) -> None:
    records = changed(
        good_trace,
        SetHeader.parse("x-new: 1:2"),
        SetHeader.parse("connection: close"),
        SetHeader.parse("Authorization:"),
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
        (
            SetHeader.parse(f"Authorization: Token {SECRET}"),
            "header Authorization: Token REDACTED",
        ),
        (SetHeader.parse("Authorization: short"), "header Authorization: REDACTED"),
        (
            SetHeader.parse(f"Sec-WebSocket-Protocol: token, {SECRET}"),
            "header Sec-WebSocket-Protocol: token, REDACTED",
        ),
        (SetQuery.parse(f"token={SECRET}"), "query token=REDACTED"),
    ],
    ids=["token", "short", "subprotocol", "query"],
)
def test_set_header_or_query_credential_is_redacted_and_recorded(
    good_trace: Path, change: Change, shown: str
) -> None:
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


def test_set_status_refusal_removes_the_frames(good_trace: Path) -> None:
    body = '{"err_code": "TOO_MANY_REQUESTS"}'
    records = changed(good_trace, SetStatus.parse(f"429:{body}"))
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
    """The good trace in half a second."""
    records = good_records()
    opened = 100 * MS
    quick = [dataclasses.replace(r, t_ns=min(r.t_ns, opened) + r.t_ns // 25) for r in records]
    return make_trace(tmp_path / "short.wstrace", quick)


REPLAYED = [
    Cut.parse("0.3s.."),
    Chunk.parse("640"),
    Corrupt.parse("22:0"),
    SetClose.parse("4000:made"),
    SetStatus.parse('429:{"err_code": "TOO_MANY_REQUESTS"}'),
    FailWithCondition.parse("deepgram.listen.DATA-0000", "0.1s"),
    FailWithCondition.parse("deepgram.listen.no-audio-decoded"),
]


def replayed(as_server: Path, as_client: Path) -> list[Verdict]:
    """The verdicts of both ends."""
    redact = HeadRedactor(CATALOG.credentials, b"key")
    records = ReplayRecording(
        as_server.parent / "replays", redact, partial(annotate, catalog=CATALOG)
    )

    async def replay() -> list[Verdict]:
        async with ReplayServer(as_server, ServerOptions(timeout=5), records) as server:
            client = asyncio.create_task(
                replay_client(as_client, ClientOptions(server.url, timeout=5), records)
            )
            return [await server.verdict(), await client]

    return asyncio.run(replay())


@pytest.mark.parametrize("change", REPLAYED, ids=str)
def test_mutate_new_trace_is_reproduced_by_both_ends(change: Change, short_trace: Path) -> None:
    made = mutate(short_trace, None, [change])
    for verdict in replayed(made.path, made.path):
        assert (verdict.verdict, verdict.differences) == ("reproduced", [])


def test_replay_changed_ending_is_not_reproduced(short_trace: Path) -> None:
    made = mutate(short_trace, None, [SetClose.parse("1011:NET-0001")])
    _, verdict = replayed(made.path, short_trace)
    assert verdict.verdict != "reproduced"
    assert "close_code" in [difference.field for difference in verdict.differences]
