"""The fold of records into a session."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace_builder import TraceBuilder, audio, upgrade_request
from traces import RECORDS, SESSION, make_trace, pack_trace
from wsproxy.errors import TraceError
from wsproxy.session import FrameInfo, Session
from wsproxy.session.audio_track import KEPT_HEAD
from wsproxy.session.head_tail_buffer import KEPT_MESSAGES, KEPT_TEXT
from wsproxy.session.session import KEPT_BROKEN, KEPT_RECORDS
from wsproxy.trace import (
    ENDINGS,
    Bytes,
    End,
    Eof,
    Failure,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
)
from wsproxy.wire import Close, Opcode

START = Start(0, 1, SESSION, 0, provider="deepgram", api="listen")
UPGRADE = Request(1, "GET", "wss", "h", 443, "/", headers=[["Upgrade", "websocket"]])
PLAIN = Request(1, "POST", "https", "h", 443, "/")
ACCEPTED = Response(2, 101)
REFUSED = Response(2, 401, headers=[["dg-error", "a"], ["DG-Error", "b"]])


def fold(*records: Record) -> Session:
    session = Session()
    for record in records:
        session.add(record)
    return session


def frame(
    t_ns: int, from_client: bool, opcode: int, payload: bytes, **values: object
) -> FrameRecord:
    values = {"wire_length": len(payload) + 2, **values}
    return FrameRecord(t_ns, from_client, opcode, payload, **values)  # type: ignore[arg-type]


def close(t_ns: int, from_client: bool, code: int | None, reason: str = "") -> FrameRecord:
    return frame(t_ns, from_client, 8, Close(code, reason).serialize())


ENDED: list[tuple[list[Record], str, str | None, bool]] = [
    ([UPGRADE, ACCEPTED], "unfinished", None, False),
    ([UPGRADE, REFUSED], "refused", "server", True),
    ([REFUSED], "refused", "server", True),
    ([PLAIN, REFUSED], "http", "server", True),
    ([UPGRADE, Failure(2, "dns", False)], "failed", "server", True),
    ([UPGRADE, Failure(2, "tls-client", True)], "failed", "client", True),
    ([UPGRADE, ACCEPTED, close(3, True, 1000), close(4, False, 1000)], "close", "client", False),
    ([UPGRADE, ACCEPTED, close(3, False, 1011), close(4, True, 1011)], "close", "server", True),
    ([UPGRADE, ACCEPTED, close(3, False, None)], "close", "server", False),
    ([UPGRADE, ACCEPTED, close(3, False, 1001), Eof(4, True, "reset")], "close", "server", False),
    ([UPGRADE, ACCEPTED, Eof(3, False), Eof(4, True)], "eof", "server", True),
    ([UPGRADE, ACCEPTED, Eof(3, True, "close-notify"), Eof(4, True)], "eof", "client", True),
    ([UPGRADE, ACCEPTED, Eof(3, True, "reset"), Eof(4, False)], "reset", "client", True),
    # An end record has the word where what showed it is lost.
    ([UPGRADE, ACCEPTED, End(9, "close", "server", 1011, "x")], "close", "server", True),
    ([UPGRADE, ACCEPTED, End(9, "close", "client", 1000, "")], "close", "client", False),
    ([UPGRADE, ACCEPTED, End(9, "stopped")], "stopped", None, False),
]


@pytest.mark.parametrize(("records", "ending", "closed_by", "failed"), ENDED)
def test_session_ending_of_records_is_expected(
    records: list[Record], ending: str, closed_by: str | None, failed: bool
) -> None:
    session = fold(START, *records)
    assert (session.ending, session.closed_by, session.failed) == (ending, closed_by, failed)
    assert session.ending in ENDINGS


def test_session_frame_numbers_start_at_one_over_both_directions() -> None:
    session = fold(
        START,
        frame(10, True, 2, b"abc"),
        frame(20, False, 1, b"hello", fin=False),
        frame(30, False, 0, b"", cut=7, wire_length=9),
        Bytes(40, False, b"junk"),
    )
    assert session.frame_count == 3
    assert session.frame(1) == FrameInfo(1, 10, True, Opcode.BINARY, True, 3, 5)
    assert session.frame(2) == FrameInfo(2, 20, False, Opcode.TEXT, False, 5, 7)
    assert session.frame(3) == FrameInfo(3, 30, False, Opcode.CONTINUATION, True, 7, 9)
    assert [f.number for f in session.frames()] == [1, 2, 3]
    assert [f.number for f in session.frames(from_client=False)] == [2, 3]
    assert (session.sent.frames, session.sent.size) == (1, 5)
    assert (session.received.frames, session.received.size, session.received.garbage) == (2, 20, 4)
    for number in (0, -1, 4):
        with pytest.raises(IndexError):
            session.frame(number)


def test_session_text_messages_are_reassembled() -> None:
    session = fold(
        frame(1, False, 1, b'{"a":', fin=False),
        frame(2, True, 1, b"mine"),
        frame(3, False, 9, b"ping"),
        frame(4, False, 0, b"1", fin=False),
        frame(5, False, 0, b"}"),
        frame(6, False, 1, b"\xff"),
    )
    [first, second] = session.messages(from_client=False)
    assert (first.frame, first.t_ns, first.text) == (1, 1, '{"a":1}')
    assert second.text == "\ufffd"
    assert [m.text for m in session.messages(from_client=True)] == ["mine"]


def test_session_many_messages_keeps_first_and_last() -> None:
    count = 3 * KEPT_MESSAGES
    session = fold(*(frame(n, True, 1, str(n).encode()) for n in range(count)))
    kept = [int(message.text) for message in session.messages(from_client=True)]
    assert kept == [*range(KEPT_MESSAGES), *range(count - KEPT_MESSAGES, count)]


def test_session_long_traffic_is_kept_in_bounded_memory() -> None:
    session = fold(frame(0, True, 1, b"x" * 2 * KEPT_TEXT))
    assert len(session.messages(from_client=True)[0].text) == KEPT_TEXT
    session = fold(*(frame(n, False, 2, b"a" * 1000) for n in range(KEPT_HEAD // 1000 + 5)))
    [track] = session.audio.tracks(from_client=False)
    assert len(track.head) == KEPT_HEAD
    many = KEPT_BROKEN + 5
    session = fold(*(Failure(n, "dns", True) for n in range(many)), *[Gap(0, 0, "")] * many)
    assert (len(session.failures), len(session.gaps)) == (KEPT_RECORDS, KEPT_RECORDS)
    session = fold(*(frame(n, True, 8, b"", broken_rule="r" * 999) for n in range(many)))
    assert (len(session.closes), len(session.broken)) == (KEPT_RECORDS, KEPT_BROKEN)
    assert session.broken[1] == (2, "r" * 200)


def test_session_facts_are_those_of_the_records() -> None:
    session = fold(START, UPGRADE, ACCEPTED)
    assert (session.id, session.provider, session.api) == (SESSION, "deepgram", "listen")
    assert session.opened_ns == 2
    assert session.request_header("UPGRADE") == "websocket"
    refused = fold(START, UPGRADE, REFUSED)
    assert refused.opened_ns is None
    assert refused.response_header("dg-error") == "a, b"
    empty = Session()
    assert (empty.id, empty.provider, empty.api, empty.close, empty.failure) == ("?", *[None] * 4)
    assert empty.request_header("a") is empty.response_header("a") is None


def test_session_complete_is_true_after_end_record(tmp_path: Path) -> None:
    end = End(9, "close")
    records: list[Record] = [START, UPGRADE, ACCEPTED, close(5, True, 1000), end]
    path = make_trace(tmp_path / "x.wstrace", records)
    assert Session.read(path).complete
    assert Session.read(path).duration_ns == 9
    assert not Session.read(make_trace(path, records[:-1])).complete
    assert Session.read(make_trace(path, records[:-1])).duration_ns == 5
    for spoilt in (
        [*records[:-1], dataclasses.replace(end, complete=False)],
        [*records[:-1], Gap(6, 7, "full"), end],
    ):
        assert not Session.read(make_trace(path, spoilt)).complete
    path.write_bytes(pack_trace([records])[:-3])
    session = Session.read(path)
    assert len(session.losses) == 1
    with pytest.raises(TraceError):
        Session.read(tmp_path / "none")


PROPERTIES = [name for name, value in vars(Session).items() if isinstance(value, property)]


@given(st.lists(RECORDS, max_size=20))
def test_session_any_records_never_raise(records: list[Record]) -> None:
    session = fold(*records)
    for name in PROPERTIES:
        getattr(session, name)
    assert len(list(session.frames())) == session.frame_count
    for from_client in (True, False):
        session.messages(from_client=from_client)


def test_session_with_recorder_failure_is_closed_by_nobody() -> None:
    session = Session()
    session.add(Failure(1, "recorder", False, "too many open files"))
    assert (session.ending, session.closed_by) == ("failed", None)


def test_following_a_growing_trace_gives_the_session_that_reading_gives(tmp_path: Path) -> None:
    builder = TraceBuilder(tmp_path / "a.wstrace", upgrade_request("/v1/listen")).accept()
    builder.recording.flush()
    session = Session()
    records = session.following(builder.path)
    assert [type(next(records)) for _ in range(4)] == [Start, Request, Response, type(None)]
    builder.client("one", audio(), audio()).closed(1011, "why")
    assert next(records) is not None
    assert session.sent.frames == 3
    assert None not in list(records)
    read = Session.read(builder.path)
    assert (session.sent, session.received) == (read.sent, read.received)
    assert (session.close, session.ending, session.losses) == (read.close, read.ending, [])
