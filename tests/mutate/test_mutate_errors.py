"""Impossible changes, and errors of the files."""

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
    draft,
    mutate,
    pipeline,
)
from wsproxy.trace import End, Eof, FrameRecord, Gap, Record

# -- impossible changes

BAD = [
    (Drop.parse("48"), "there is no frame 48; the last one is 47"),
    (Corrupt.parse("3:3200"), "the payload of frame 3 has 3200 bytes"),
    (Cut.parse("5s..99s"), "the session ends at 11.300 s"),
    (Cut.parse("12s.."), "the session ends at 11.300 s"),
    (Cut.parse("..0.05s"), "before the upgrade"),
    (Stall.parse("12s+1s"), "the session ends at 11.300 s"),
    (Stall.parse("0s+1s"), "before the upgrade"),
    (KeepAlive.parse("add:5s"), "never silent for that long"),
    (SetQuery.parse("nothing"), "no such query parameter"),
    (SetHeader.parse("nothing:"), "no such header"),
    (FailWithCondition.parse("deepgram.upgrade.401", "3s"), "refuses the upgrade"),
    (FailWithCondition.parse("NET-0000", "60s"), "the session ends 11.100 s after the upgrade"),
    (FailWithCondition.parse("NET-0000", "50frames"), "the client sends less in this session"),
    (FailWithCondition.parse("NET-0000", "5audio"), "the client sends less in this session"),
    (
        FailWithCondition.parse("deepgram.listen.nothing"),
        "unknown condition 'deepgram.listen.nothing'",
    ),
    (
        FailWithCondition.parse("traffic.messages.invalid-json"),
        "cannot be simulated: no server causes it",
    ),
    (
        FailWithCondition.parse("deepgram.speak.NET-0002"),
        "deepgram.speak.NET-0002 does not happen in this session, which is of deepgram listen; "
        "did you mean deepgram.listen.NET-000",
    ),
    (FailWithCondition.parse("assemblyai.streaming.3007-rate"), "does not happen in this session"),
    (FailWithCondition.parse("deepgram.rest.UUID"), "does not happen in this session"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=lambda c: str(c)[:40])
def test_mutate_impossible_change_is_reported_and_writes_nothing(
    good_trace: Path, change: Change, message: str
) -> None:
    with pytest.raises((UsageError, UnknownCondition)) as error:
        mutate(good_trace, None, [change])
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert [p.name for p in good_trace.parent.iterdir()] == ["good.wstrace"]


def test_mutate_frame_removed_by_an_earlier_change_is_reported(good_trace: Path) -> None:
    with pytest.raises(UsageError, match="frame 5 was removed by an earlier change"):
        mutate(good_trace, None, [Drop.parse("4..6"), Corrupt.parse("5")])
    with pytest.raises(UsageError, match="was not accepted"):
        mutate(good_trace, None, [SetStatus.parse("500"), Cut.parse("..1s")])
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
        (SetQuery, ["", "=1", "a=b\nc"]),
        (SetHeader, ["", "a", ": b", "a b: c", "a: b\r\nc: d"]),
        (SetStatus, ["", "101", "600", "abc", "200:" + "x" * 70_000]),
    ],
)
def test_change_parse_bad_syntax_is_one_line(change: Any, texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(UsageError) as error:
            change.parse(text)
        assert "\n" not in str(error.value), text


def test_condition_parse_bad_trigger_is_one_line() -> None:
    with pytest.raises(UsageError, match="invalid after value 'later': expected open, audio"):
        FailWithCondition.parse("x", "later")


def test_mutate_api_without_the_feature_is_reported(tmp_path: Path) -> None:
    speak = make_trace(tmp_path / "a.wstrace", [*head("deepgram", "speak"), End(9 * S, "stopped")])
    with pytest.raises(UsageError, match="has no KeepAlive message for deepgram speak"):
        mutate(speak, None, [KeepAlive.parse("add:1s")])
    with pytest.raises(UsageError, match="no binary messages"):
        mutate(speak, None, [Chunk(size=10)])
    with pytest.raises(UsageError, match="give the size in bytes"):
        mutate(speak, None, [Chunk.parse("20ms")])
    azure = make_trace(
        tmp_path / "b.wstrace",
        [*head("azure_speech", "stt"), frame(1 * S, True, BINARY, "x"), End(9 * S, "stopped")],
    )
    with pytest.raises(UsageError, match="not in plain binary messages"):
        mutate(azure, None, [Chunk(size=10)])
    nobody = make_trace(tmp_path / "c.wstrace", [*head("\x1b[31m", "x"), End(9 * S, "stopped")])
    with pytest.raises(UsageError, match="an API that the catalog does not know"):
        mutate(nobody, None, [KeepAlive.parse("drop")])


def test_mutate_too_many_messages_are_refused(
    good_trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsproxy.mutate.audio_chunks.MAX_CHUNKS", 100)
    with pytest.raises(UsageError, match="more than 100 messages"):
        mutate(good_trace, None, [Chunk(size=1)])
    monkeypatch.setattr("wsproxy.mutate.keepalive.MAX_ADDED", 100)
    with pytest.raises(UsageError, match="more than 100 messages"):
        mutate(good_trace, None, [KeepAlive.parse("add:10ms")])
    monkeypatch.setattr(draft, "MAX_CONTENT", 50_000)
    with pytest.raises(LimitExceeded, match="in memory"):
        mutate(good_trace, None, [Drop.parse("1")])
    with pytest.raises(UsageError, match="1000 changes"):
        mutate(good_trace, None, [Drop.parse("1")] * 1001)


def test_mutate_long_change_is_shortened_in_changes(good_trace: Path) -> None:
    made = mutate(good_trace, None, [SetQuery.parse("a=" + "x" * 5000), Replace.parse("1=a\nb")])
    assert len(made.changes[0]) == pipeline._MAX_LINE
    assert made.changes[1] == "replace 1=a b"


# -- files


def test_mutate_existing_output_is_replaced_only_with_force(good_trace: Path) -> None:
    out = good_trace.with_name("out.wstrace")
    out.write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        mutate(good_trace, out, [Drop.parse("1")])
    assert out.read_text() == "mine"
    made = mutate(good_trace, out, [Drop.parse("1")], force=True)
    assert made.path == out
    sound(out, good_trace, made.changes)


def test_mutate_input_is_never_replaced(good_trace: Path) -> None:
    before = good_trace.read_bytes()
    link = good_trace.with_name("link.wstrace")
    link.symlink_to(good_trace)
    for out in (good_trace, link):
        with pytest.raises(UsageError, match="never overwritten"):
            mutate(good_trace, out, [Drop.parse("1")], force=True)
    assert good_trace.read_bytes() == before


def test_mutate_unwritable_output_is_reported(good_trace: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        mutate(good_trace, good_trace.parent / "none" / "x.wstrace", [Drop.parse("1")])
    with pytest.raises(UsageError, match=r"ends in \.wstrace"):
        mutate(good_trace, good_trace.parent / "x.txt", [Drop.parse("1")])


def test_mutate_full_disk_leaves_no_file(good_trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wsproxy.trace.TraceWriter.finish", full)
    with pytest.raises(UsageError, match="No space left"):
        mutate(good_trace, None, [Drop.parse("1")])
    assert [p.name for p in good_trace.parent.iterdir()] == ["good.wstrace"]


def test_mutate_output_name_uses_names_of_the_catalog_only(tmp_path: Path) -> None:
    path = make_trace(tmp_path / "t.wstrace", [*head("../../evil", "x/y"), End(1 * S, "stopped")])
    made = mutate(path, None, [SetQuery.parse("a=1")])
    assert made.path.parent == tmp_path
    assert "-websocket-" in made.path.name


def test_mutate_invalid_trace_is_refused(tmp_path: Path, good_trace: Path) -> None:
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
def test_mutate_values_out_of_range_are_refused(tmp_path: Path, strange: Record) -> None:
    path = make_trace(tmp_path / "t.wstrace", [*head(), strange, End(1 * S, "eof")])
    with pytest.raises(TraceError, match=f"a {strange.kind} record with values out of range"):
        mutate(path, None, [Stall.parse("1s+60000m")])


def test_mutate_losses_of_the_original_become_gaps(tmp_path: Path) -> None:
    complete = make_trace(tmp_path / "whole.wstrace", good_records())
    data = complete.read_bytes()
    broken = tmp_path / "broken.wstrace"
    middle = len(data) // 2
    broken.write_bytes(data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :])
    cut = tmp_path / "cut.wstrace"
    cut.write_bytes(data[:middle])
    for path in (broken, cut):
        records = valid_but_incomplete(path)
        assert any(record.kind == "gap" for record in records)
        assert "trace.incomplete" in end_of(records).findings


def valid_but_incomplete(path: Path) -> list[Record]:
    records = changed(path, Drop.parse("1"))
    assert not end_of(records).complete
    return records


def test_mutate_derived_trace_names_its_origin(good_trace: Path) -> None:
    first = mutate(good_trace, None, [Drop.parse("1")])
    second = mutate(first.path, None, [Drop.parse("1")])
    assert second.session.start is not None
    assert second.session.start.origin == first.session.id
    assert len(frames(read_trace(second.path)[0])) == 45


def test_keepalive_add_works_for_every_api_with_keepalives() -> None:
    apis: list[Api] = [api for p in CATALOG.providers for api in p.apis if api.vocabulary.keepalive]
    assert {api.name for api in apis} >= {"listen", "streaming", "agent"}


def tame(record: Record) -> Record:
    """With figures that have some sense."""
    names = {"t_ns", "until_ns", "wire_length", "cut"} & {
        field.name for field in dataclasses.fields(record)
    }
    return dataclasses.replace(record, **{name: getattr(record, name) % (12 * S) for name in names})


# An untrusted trace: all kinds of records in any order.
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


@pytest.mark.one_python
@given(STRANGE, st.lists(st.sampled_from(SOME), min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_mutate_any_trace_gives_a_readable_trace_or_none(
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
