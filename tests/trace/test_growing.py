"""Traces that are read while they are written, and folders in which they appear."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trace_builder import TraceBuilder, upgrade_request
from wsproxy.errors import LimitExceeded, NotATrace
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.trace import (
    End,
    FolderWatch,
    FrameRecord,
    FrameRun,
    GrowingTrace,
    Record,
    TraceReader,
    blocks,
    growing,
    lock,
    reader,
)
from wsproxy.trace.compaction import compact

NAME = "session.wstrace"


def polled(trace: GrowingTrace) -> list[Record]:
    """The new records; each frame of a run by itself."""
    found: list[Record] = []
    for each in trace.poll():
        found += each.frames() if isinstance(each, FrameRun) else [each]
    return found


def kinds(records: list[Record]) -> list[str]:
    return [record.kind for record in records]


def all_records(path: Path) -> list[Record]:
    """The records of a complete trace, with runs as in `polled`."""
    found: list[Record] = []
    with TraceReader(path) as complete:
        for each in complete.with_runs():
            found += each.frames() if isinstance(each, FrameRun) else [each]
    return found


def begun(tmp_path: Path) -> TraceBuilder:
    """A session that is being recorded."""
    session = TraceBuilder(tmp_path / NAME, upgrade_request("/v1/listen")).accept()
    session.recording.flush()
    return session


def test_growing_trace_yields_each_record_once_as_its_block_is_written(tmp_path: Path) -> None:
    session = begun(tmp_path)
    with GrowingTrace(session.path) as trace:
        read = polled(trace)
        assert kinds(read) == ["start", "request", "response"]
        assert polled(trace) == []
        session.client("one")
        assert polled(trace) == []  # no block has it yet
        session.recording.flush()
        read += (more := polled(trace))
        assert [each.payload for each in more if isinstance(each, FrameRecord)] == [b"one"]
        assert not trace.is_read
        session.client(b"two", b"three").closed(1000)
        read += polled(trace)
        assert trace.is_read
        assert trace.losses == []
        assert polled(trace) == []
    assert read == all_records(session.path)


def test_growing_trace_reads_no_block_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offsets = []
    read_block = blocks.read_block

    def noted(file: object, offset: int) -> tuple[bytes, int]:
        block, end = read_block(file, offset)  # type: ignore[arg-type]  # the same file
        offsets.append(offset)
        return block, end

    monkeypatch.setattr(reader, "read_block", noted)
    session = begun(tmp_path)
    with GrowingTrace(session.path) as trace:
        for number in range(5):
            session.client(f"message {number}").recording.flush()
            polled(trace)
    assert len(offsets) == len(set(offsets)) > 5


def test_growing_trace_waits_for_the_rest_of_a_block(tmp_path: Path) -> None:
    session = begun(tmp_path)
    head = session.path.stat().st_size
    session.client("one").recording.flush()
    data = session.path.read_bytes()
    copy = tmp_path / "copy.wstrace"
    with copy.open("wb") as file:
        lock.hold(file.fileno())
        file.write(data[: head + 20])
        file.flush()
        with GrowingTrace(copy) as trace:
            assert kinds(polled(trace)) == ["start", "request", "response"]
            file.seek(head)  # a block that was written in part is written over
            file.write(b"\0" * 20)
            file.seek(head)
            file.write(data[head:])
            file.flush()
            assert kinds(polled(trace)) == ["frame"]
            assert trace.losses == []


def test_growing_trace_continues_in_the_next_part(tmp_path: Path) -> None:
    start = new_start(Clock(1_700_000_000_000_000_000, 0))
    recording = SessionWriter(tmp_path / NAME, start, max_size=3000)
    session = TraceBuilder.__new__(TraceBuilder)
    session.path, session.recording, session.ms = tmp_path / NAME, recording, 0.0
    recording.add(upgrade_request("/v1/listen"))
    session.accept()
    recording.flush()
    with GrowingTrace(tmp_path / NAME) as trace:
        read = polled(trace)
        for _ in range(12):
            session.client(os.urandom(1000))
            recording.flush()
            read += polled(trace)
        session.closed(1000)
        while not trace.is_read:
            read += polled(trace)
        assert trace.losses == []
    assert len(recording.paths) > 2
    assert [kind for kind in kinds(read) if kind in ("start", "request", "response")] == [
        "start",
        "request",
        "response",
    ]
    assert read == all_records(tmp_path / NAME)


def test_growing_trace_of_a_killed_recorder_ends_with_what_there_is(tmp_path: Path) -> None:
    session = begun(tmp_path)
    session.client("one").recording.flush()
    left = tmp_path / "left.wstrace"
    left.write_bytes(session.path.read_bytes()[:-3])  # nobody holds it
    with GrowingTrace(left) as trace:
        assert kinds(polled(trace)) == ["start", "request", "response"]
        assert polled(trace) == []
        assert trace.is_read
        assert [loss.at_end for loss in trace.losses] == [True]


def test_growing_trace_that_is_repacked_meanwhile_is_read_to_its_end(tmp_path: Path) -> None:
    session = begun(tmp_path)
    with GrowingTrace(session.path) as trace:
        read = polled(trace)
        session.client(*["the same words again"] * 50).recording.flush()
        session.closed(1000)
        compact(session.path)
        read += polled(trace)
        assert trace.is_read
    assert isinstance(read[-1], End)
    assert read == all_records(session.path)


def test_growing_trace_that_is_none_raises_not_a_trace(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"text" * 100)
    with GrowingTrace(tmp_path / NAME) as trace, pytest.raises(NotATrace):
        polled(trace)


def test_growing_trace_of_too_many_records_raises_limit_exceeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "MAX_RECORDS", 5)
    session = begun(tmp_path)
    session.client("one", "two", "three").recording.flush()
    with GrowingTrace(session.path) as trace, pytest.raises(LimitExceeded):
        polled(trace)


def test_growing_trace_without_locks_is_written_until_it_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "is_held_by_another", lambda _: None)
    session = begun(tmp_path)
    with GrowingTrace(session.path) as trace:
        polled(trace)
        polled(trace)
        assert not trace.is_read
        monkeypatch.setattr(growing, "QUIET", -1.0)
        polled(trace)
        assert trace.is_read


def test_asking_whether_a_file_is_held_leaves_it_free(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with path.open("rb") as asking, path.open("r+b") as holding:
        assert lock.is_held_by_another(asking.fileno()) is False
        assert lock.hold(holding.fileno())
        assert lock.is_held_by_another(asking.fileno()) is True


# -- folders


def test_folder_watch_returns_each_trace_once(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path / "later")
    assert watch.new() == []
    (tmp_path / "later" / "in").mkdir(parents=True)
    names = ["b.wstrace", "a.wstrace", "a.part2.wstrace", ".hidden.wstrace", "notes.txt"]
    for name in names:
        (tmp_path / "later" / name).touch()
    assert [path.name for path in watch.new()] == ["a.wstrace", "b.wstrace"]
    assert watch.new() == []
    (tmp_path / "later" / "in" / "c.wstrace").touch()
    (tmp_path / "later" / "a.part3.wstrace").touch()
    assert [path.name for path in watch.new()] == ["c.wstrace"]


def test_folder_watch_does_not_list_a_folder_that_has_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.wstrace").touch()
    os.utime(tmp_path, (1, 1))
    watch = FolderWatch(tmp_path)
    assert len(watch.new()) == 1
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", lambda _: pytest.fail("it is listed again"))
        assert watch.new() == []


def test_folder_watch_of_a_trace_without_its_first_part_returns_the_earliest(
    tmp_path: Path,
) -> None:
    for number in (12, 3):
        (tmp_path / f"a.part{number}.wstrace").touch()
    watch = FolderWatch(tmp_path)
    assert [path.name for path in watch.new()] == ["a.part3.wstrace"]
