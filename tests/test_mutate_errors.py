"""What cannot be changed, and what becomes of the files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutations import (
    BINARY,
    CATALOG,
    SOME,
    S,
    changed,
    end_of,
    frame,
    frames,
    good_records,
    head,
    sound,
)
from traces import RECORDS, make_trace, read_trace
from wsproxy.catalog.model import Api
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
from wsproxy.trace import (
    End,
    Eof,
    FrameRecord,
    Gap,
    Record,
)

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
    (Condition.parse("deepgram.listen.nothing"), "unknown condition 'deepgram.listen.nothing'"),
    (
        Condition.parse("traffic.messages.invalid-json"),
        "is not something that a server brings about",
    ),
    (
        Condition.parse("deepgram.speak.NET-0002"),
        "deepgram.speak.NET-0002 does not happen in this session, which is of deepgram listen; "
        "did you mean deepgram.listen.NET-000",
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
    with pytest.raises(UsageError, match="invalid after value 'later': expected open, audio"):
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
    assert made.changes[1] == "replace 1=a b"


# -- files


def test_an_output_that_is_there_is_not_replaced_unless_forced(good_trace: Path) -> None:
    out = good_trace.with_name("out.wstrace")
    out.write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
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
