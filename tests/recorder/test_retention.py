"""The limit of a folder: the oldest finished traces go, and nothing else."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from echo_sessions import counted, recorder_setup
from wsproxy.recorder import Clock, SessionWriter, new_start, session_in, trace_path
from wsproxy.recorder import retention as folder_module
from wsproxy.recorder.limits import RecorderLimits
from wsproxy.recorder.retention import FolderRetention
from wsproxy.trace import SUFFIX, TraceReader
from wsproxy.trace.lock import hold
from wsproxy.wire import Opcode

MB = 1 << 20


def finished(folder: Path, number: int, size: int, **start: object) -> Path:
    """A recorded trace of about `size` bytes; the higher the number, the younger."""
    begun = new_start(Clock(number * 10**9, 0), **{"mitmproxy": "12", **start})
    recording = SessionWriter(trace_path(folder, begun), begun, max_size=MB)
    while recording.size < size:
        recording.message(1, True, Opcode.BINARY, os.urandom(20_000))
        recording.flush()
    recording.end(2)
    return recording.path


@pytest.fixture
def log_lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "wsproxy")
    return lambda: [record.getMessage() for record in caplog.records]


def test_retention_over_the_limit_removes_the_oldest_finished_traces(
    tmp_path: Path, log_lines: Callable[[], list[str]]
) -> None:
    paths = [finished(tmp_path, number, 100_000) for number in range(10)]
    limit = FolderRetention(tmp_path, 650_000)
    limit.check([])
    assert [path.exists() for path in paths] == [False] * 5 + [True] * 5
    [line] = log_lines()
    assert "removed the 5 oldest finished traces" in line


def test_retention_removes_all_parts_of_a_trace(tmp_path: Path) -> None:
    old, young = finished(tmp_path, 1, 2_500_000), finished(tmp_path, 2, 100_000)
    assert len(list(tmp_path.iterdir())) > 3
    FolderRetention(tmp_path, 1_000_000).check([])
    assert list(tmp_path.iterdir()) == [young]
    assert not old.exists()


def test_retention_open_unfinished_and_foreign_files_stay(
    tmp_path: Path, log_lines: Callable[[], list[str]]
) -> None:
    live_start = new_start(Clock(1, 0), mitmproxy="12")
    live = SessionWriter(trace_path(tmp_path, live_start), live_start)
    live.message(1, True, Opcode.BINARY, os.urandom(100_000))
    live.flush()
    cut = finished(tmp_path, 2, 100_000)
    cut.write_bytes(cut.read_bytes()[:-50])
    replayed = finished(tmp_path, 3, 100_000, mitmproxy=None, mode="replay-client")
    named = finished(tmp_path, 4, 100_000).rename(tmp_path / f"my-favourite{SUFFIX}")
    wrong = finished(tmp_path, 5, 100_000)
    wrong = wrong.rename(tmp_path / wrong.name.replace(session_in(wrong.name) or "", "0" * 8))
    notes = tmp_path / "notes.txt"
    notes.write_bytes(bytes(100_000))
    below = tmp_path / "below"
    below.mkdir()
    deep = finished(below, 6, 100_000)
    link = tmp_path / finished(below, 7, 100_000).name
    link.symlink_to(below / link.name)
    last = finished(tmp_path, 8, 100_000)
    limit = FolderRetention(tmp_path, 300_000)
    limit.check([live])
    kept = [live.path, cut, replayed, named, wrong, notes, deep, link]
    assert all(path.exists() for path in kept)
    assert not last.exists()
    limit.session_ended(live, [])
    assert [line for line in log_lines() if "no finished one is left to remove" in line]
    assert live.path.exists()
    live.end(2)
    limit.session_ended(live, [])
    assert not live.path.exists()


def test_retention_open_trace_of_another_recorder_stays(tmp_path: Path) -> None:
    """Its file is held; it may even look finished for a moment."""
    path = finished(tmp_path, 1, 500_000)
    with path.open("rb") as file:
        assert hold(file.fileno())
        FolderRetention(tmp_path, 100_000).check([])
        assert path.exists()
    FolderRetention(tmp_path, 100_000).check([])
    assert not path.exists()


def test_retention_below_the_limit_does_not_list_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = 0
    real = os.scandir

    def scandir(path: Path) -> object:
        nonlocal listed
        listed += 1
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    limit = FolderRetention(tmp_path, 2_000_000)
    limit.check([])
    for number in range(100):
        start = new_start(Clock(number * 10**9, 0), mitmproxy="12")
        recording = SessionWriter(trace_path(tmp_path, start), start)
        recording.message(1, True, Opcode.BINARY, os.urandom(40_000))
        recording.end(2)
        limit.session_ended(recording, [])
        names = os.listdir(tmp_path)  # noqa: PTH208  # pathlib asks os.scandir
        assert sum((tmp_path / name).stat().st_size for name in names) <= 2_000_000
    # 4 MB have come; each batch makes room for 200 kB, which is 5 sessions.
    assert 1 < listed <= 15


def test_retention_folder_emptied_by_others_is_counted_again(tmp_path: Path) -> None:
    """The account says that there is too much, and the folder says that there is not."""
    limit = FolderRetention(tmp_path, 1_000_000)
    limit.check([])
    for number in range(4):
        start = new_start(Clock(number * 10**9, 0), mitmproxy="12")
        recording = SessionWriter(trace_path(tmp_path, start), start)
        recording.message(1, True, Opcode.BINARY, os.urandom(300_000))
        recording.end(2)
        if number < 3:
            limit.session_ended(recording, [])
            recording.path.unlink()
    limit.session_ended(recording, [])
    assert recording.path.exists()


def test_retention_missing_folder_is_logged(
    tmp_path: Path, log_lines: Callable[[], list[str]]
) -> None:
    FolderRetention(tmp_path / "none", 1_000_000).check([])
    assert "cannot list" in log_lines()[0]


def test_worker_keeps_its_folder_below_the_limit(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with recorder_setup(out, tmp_path / "conf", RecorderLimits(max_folder=MB)) as at:
        running = at.open_session()
        running.talk(size=20_000)
        for _ in range(8):
            call = at.open_session()
            call.talk(size=40_000, times=3)  # 240 kB
            call.hang_up()
            at.next()
        running.hang_up()
        path = at.next().path
    assert counted(path)[:2] == (running.frames, 0)  # the oldest, and open all the time
    left = [each for each in out.iterdir() if each.suffix == SUFFIX]
    assert sum(each.stat().st_size for each in left) <= MB
    assert len(left) > 2


def test_retention_unremovable_traces_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of replays, which the user wants to keep, and a recorder that continues."""
    read: list[Path] = []

    class Counting(TraceReader):
        def __init__(self, path: Path) -> None:
            read.append(path)
            super().__init__(path)

    monkeypatch.setattr(folder_module, "TraceReader", Counting)
    replays = [finished(tmp_path, number, 100_000, mitmproxy=None) for number in range(5)]
    limit = FolderRetention(tmp_path, 650_000)
    for number in range(10, 14):
        young = finished(tmp_path, number, 200_000)
        limit._next_check, limit._finished_size = 0.0, None  # a trace that it has not heard of
        limit.check([])
        assert not young.exists()
    assert all(path.exists() for path in replays)
    assert {read.count(path) for path in replays} == {2}  # its end, and its beginning


def test_retention_nothing_removable_lists_the_folder_rarely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log_lines: Callable[[], list[str]]
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for number in range(5):
        finished(tmp_path, number, 100_000, mitmproxy=None)
    limit = FolderRetention(tmp_path, 200_000)
    listed = 0
    real = limit._list_traces

    def counting() -> dict[str, Any]:
        nonlocal listed
        listed += 1
        return real()

    monkeypatch.setattr(limit, "_list_traces", counting)
    for _ in range(100):
        limit.check([])
        now += 1.5
    assert 4 <= listed <= 6
    [line] = log_lines()
    assert "no finished one is left to remove" in line
