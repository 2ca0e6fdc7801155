"""Disk faults lose records but never traffic, and the loss is reported."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import resource
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from echo_sessions import EchoSession, RecorderSetup, counted, recorder_setup
from recorder_harness import until
from wire_witness import PATIENCE, wait_until
from wsproxy.recorder import Clock, SessionWriter, backlog, disk_fault_log, live_session, new_start
from wsproxy.recorder.limits import RecorderLimits
from wsproxy.recorder.worker import RecorderWorker
from wsproxy.trace import SUFFIX, Request, Response, TraceWriter
from wsproxy.wire import Frame, Opcode

NO_ROOM = os.strerror(errno.ENOSPC)


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conf")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long before it is tried whether a fault has passed."""
    monkeypatch.setattr(disk_fault_log, "RETRY_AFTER", 0.3)


def mount(*args: str) -> None:
    done = subprocess.run(["mount", *args], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("file systems can be mounted by root only")


@dataclass
class Disk:
    """A file system of 2 MB."""

    folder: Path

    def fill(self) -> None:
        """Leave no byte free."""
        with contextlib.suppress(OSError), (self.folder / "filler").open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        (self.folder / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "wsproxy-test", str(folder))
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@dataclass
class LogLines:
    """What was logged by the recorder."""

    log: pytest.LogCaptureFixture

    def lines(self, *words: str) -> list[str]:
        found = [r.getMessage() for r in self.log.records if r.name.startswith("wsproxy")]
        return [line for line in found if all(word in line for word in words)]

    def has(self, *words: str) -> Callable[[], list[str]]:
        return lambda: self.lines(*words)


@pytest.fixture
def log_lines(caplog: pytest.LogCaptureFixture) -> LogLines:
    caplog.set_level(logging.INFO, "wsproxy")
    return LogLines(caplog)


def traces(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def wait_for_trace(folder: Path, frames: int) -> Path:
    """The only trace in a folder, as soon as it is there and has that many frames."""
    wait_until(lambda: [counted(path)[0] for path in traces(folder)] == [frames])
    [path] = traces(folder)
    return path


def ended(at: RecorderSetup, echo: EchoSession) -> SessionWriter:
    echo.hang_up()
    return at.next()


# -- full


@pytest.fixture
def over(monkeypatch: pytest.MonkeyPatch) -> list[SessionWriter]:
    """All sessions that are over, those without a trace too."""
    ends: list[SessionWriter] = []
    ended = disk_fault_log.DiskFaults.session_ended

    def note(watch: disk_fault_log.DiskFaults, recording: SessionWriter) -> None:
        ended(watch, recording)
        ends.append(recording)

    monkeypatch.setattr(disk_fault_log.DiskFaults, "session_ended", note)
    return ends


def test_disk_full_records_gaps_and_logs_once(
    disk: Disk, confdir: Path, log_lines: LogLines, over: list[SessionWriter]
) -> None:
    with recorder_setup(disk.folder, confdir) as at:
        before = at.open_session()
        before.talk(times=5)
        wait_until(lambda: len(traces(disk.folder)) == 1)
        disk.fill()
        before.talk_until(log_lines.has("cannot write", NO_ROOM))
        lost, late = at.open_session(), at.open_session()
        for echo in (lost, late, before):
            echo.talk(times=20)
        lost.hang_up()
        wait_until(lambda: len(over) == 1)
        assert len(traces(disk.folder)) == 1
        disk.free()
        for echo in (before, late):
            echo.talk_until(log_lines.has("can be written again"))
            echo.talk(times=5)
        recorded = [ended(at, before), ended(at, late)]
        assert at.ended.empty()  # `lost` has no trace
    assert len(log_lines.lines("cannot write")) == 1
    [again] = log_lines.lines("again")
    assert "2 sessions with a gap, 1 session without a trace" in again
    assert len(traces(disk.folder)) == 2
    for recording, echo in zip(recorded, (before, late), strict=True):
        frames, missing, session = counted(recording.path)
        assert frames + missing == echo.frames
        assert missing > 0
        assert all(NO_ROOM in gap.reason for gap in session.gaps)
        assert session.request is not None
        assert session.response is not None
        assert session.end is not None
        assert not session.complete
        assert not session.losses  # what is in the file is sound


def test_disk_full_until_the_end_leaves_a_readable_trace_and_a_log_line(
    disk: Disk, confdir: Path, log_lines: LogLines
) -> None:
    with recorder_setup(disk.folder, confdir) as at:
        echo = at.open_session()
        echo.talk(times=5)
        wait_until(lambda: traces(disk.folder) and counted(traces(disk.folder)[0])[0] == 10)
        disk.fill()
        echo.talk_until(log_lines.has("cannot write"))
        echo.hang_up()
        path = at.next().path
    frames, _, session = counted(path)
    assert 0 < frames < echo.frames
    # Gap and end may have found room in the last page of the file; no frame has.
    assert session.gaps or session.end is None
    assert not session.complete
    assert not session.losses
    assert log_lines.lines("could not be written when the recorder stopped", "1 session with a gap")


# -- strict


def test_strict_unwritable_traces_refuses_new_sessions(
    disk: Disk, confdir: Path, log_lines: LogLines
) -> None:
    with recorder_setup(disk.folder, confdir, RecorderLimits(strict=True)) as at:
        running = at.open_session()
        running.talk(times=5)
        disk.fill()
        running.talk_until(log_lines.has("cannot write"))
        refused = at.ask()
        assert refused.app.head.startswith(b"HTTP/1.1 503 ")
        refused.app.until_end()
        assert b"turn strict mode off" in refused.app.received
        assert refused.path not in at.peers  # it has not reached the API
        running.talk(times=5)
        disk.free()
        running.talk_until(log_lines.has("again"))
        after = at.open_session()
        after.talk(times=5)
        assert counted(ended(at, after).path)[0] == after.frames
        frames, missing, _ = counted(ended(at, running).path)
    assert frames + missing == running.frames
    assert len(traces(disk.folder)) == 2


def test_strict_trace_cannot_be_created_refuses_the_session(disk: Disk, confdir: Path) -> None:
    """Nobody knows yet that the disk is full."""
    with recorder_setup(disk.folder, confdir, RecorderLimits(strict=True)) as at:
        disk.fill()
        assert at.ask().app.head.startswith(b"HTTP/1.1 503 ")
        assert traces(disk.folder) == []
    assert at.peers == {}


def test_strict_hanging_disk_refuses_after_the_timeout(
    tmp_path: Path, confdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_session, "OPEN_TIMEOUT", 0.1)
    gate = hang(monkeypatch)
    with recorder_setup(tmp_path / "out", confdir, RecorderLimits(strict=True)) as at:
        assert at.ask().app.head.startswith(b"HTTP/1.1 503 ")
        gate.set()
        echo = at.open_session()  # the recorder's thread has done the other one before
        echo.hang_up()
        assert at.next().session.sent.frames == 1
    assert len(traces(tmp_path / "out")) == 1


# -- read-only, gone


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    if os.geteuid():
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    mount("--bind", str(folder), str(folder))
    mount("-o", "remount,bind,ro", str(folder))
    yield
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_disk_folder_becomes_read_only_open_sessions_continue(
    tmp_path: Path, confdir: Path, log_lines: LogLines, over: list[SessionWriter]
) -> None:
    out = tmp_path / "out"
    with recorder_setup(out, confdir) as at:
        before = at.open_session()
        before.talk(times=3)
        with read_only(out):
            late, lost = at.open_session(), at.open_session()
            for echo in (late, lost, before):
                echo.talk(times=3)
            late.talk_until(log_lines.has("cannot write"))
            lost.hang_up()
            wait_until(lambda: len(over) == 1)
        late.talk_until(log_lines.has("again"))
        late.talk(times=3)
        frames, missing, session = counted(ended(at, late).path)
        assert frames + missing == late.frames
        assert missing > 0
        assert session.request is not None
        assert counted(ended(at, before).path)[:2] == (before.frames, 0)  # its file was open
    assert len(log_lines.lines("cannot write")) == 1
    assert log_lines.lines("again", "1 session without a trace")


def test_disk_removed_folder_is_created_again(
    tmp_path: Path, confdir: Path, log_lines: LogLines
) -> None:
    out = tmp_path / "a" / "out"
    with recorder_setup(out, confdir) as at:
        echo = at.open_session()
        echo.talk(times=5)
        wait_for_trace(out, echo.frames)
        shutil.rmtree(out.parent)
        echo.talk_until(log_lines.has("was removed"))
        after = at.open_session()
        after.talk(times=5)
        assert counted(ended(at, after).path)[:2] == (after.frames, 0)
        recording = ended(at, echo)
    [path] = recording.paths
    assert path.name.endswith(f".part2{SUFFIX}")
    frames, missing, session = counted(path)
    assert frames + missing == echo.frames
    assert missing >= 10
    assert ["removed" in gap.reason for gap in session.gaps] == [True]
    assert session.start is not None
    assert session.request is not None
    assert session.response is not None
    assert [str(loss) for loss in session.losses] == [
        f"part 2, offset 0: the parts before it are not read with it: {recording.path.name}"
    ]
    assert len(log_lines.lines("cannot write")) == 1


def test_disk_file_removed_at_the_end_is_replaced_with_a_gap(tmp_path: Path, confdir: Path) -> None:
    with recorder_setup(tmp_path, confdir) as at:
        echo = at.open_session()
        echo.talk(times=3)
        wait_for_trace(tmp_path, echo.frames).unlink()
        [path] = ended(at, echo).paths
    frames, missing, session = counted(path)
    assert frames + missing == echo.frames + 2  # and how both connections ended
    assert session.end is not None
    assert session.end.frames_sent == echo.frames / 2
    assert not session.end.complete


# -- slow


def hang(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Have every write wait until the event is set."""
    gate = threading.Event()
    flush = TraceWriter.flush

    def wait(writer: TraceWriter) -> None:
        assert gate.wait(PATIENCE)
        flush(writer)

    monkeypatch.setattr(TraceWriter, "flush", wait)
    return gate


def test_disk_hangs_traffic_continues_and_memory_is_bounded(
    tmp_path: Path, confdir: Path, log_lines: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "HOLD_TIMEOUT", 0.1)
    monkeypatch.setattr(backlog, "DROP_SIZE", 3 << 20)
    monkeypatch.setattr(backlog, "HOLD_ALL_SIZE", 1 << 20)
    monkeypatch.setattr(backlog, "HIGH_WATER", 1 << 19)
    most = 0
    size = vars(backlog.Backlog)["size"].fget

    def noted(queue: backlog.Backlog[live_session.LiveSession]) -> int:
        nonlocal most
        now = int(size(queue))
        most = max(most, now)
        return now

    monkeypatch.setattr(backlog.Backlog, "size", property(noted))
    with recorder_setup(tmp_path, confdir) as at:
        echo = at.open_session()
        echo.talk(times=5)
        gate = hang(monkeypatch)
        echo.talk(size=200_000, times=30)  # 12 MB both ways, and the disk takes nothing
        gate.set()
        wait_until(log_lines.has("keep up with the traffic again"))
        recording = ended(at, echo)
    session = counted(recording.path)[2]
    assert most <= (3 << 20) + (1 << 19)
    assert len(log_lines.lines("too slow")) == 1
    assert session.gaps
    wire = len(echo.app.sent) + len(echo.app.received)
    gap_size = sum(gap.size for gap in session.gaps)
    assert session.sent.size + session.received.size + gap_size == wire


# -- too many open files


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """No file can be opened in this process."""
    gc.collect()  # a file that is closed later would free its descriptor
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    try:
        highest = max(int(fd.name) for fd in Path("/proc/self/fd").iterdir())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, limits[1]))
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in taken:
            os.close(fd)


def test_disk_descriptors_available_again_records_open_sessions(
    tmp_path: Path, log_lines: LogLines
) -> None:
    data = Frame(Opcode.BINARY, b"x" * 100, mask=b"abcd").serialize()

    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop())
        with no_more_files():
            sessions = [recorder.begin(clock := Clock.start(), new_start(clock)) for _ in range(2)]
            for session in sessions:
                session.add(Request(1, "GET", "ws", "h", 80, "/"))
                session.add(Response(2, 101))
                session.data(True, data)
            sessions[1].end()
            await until(lambda: recorder._backlog.size == 0)
            # What is taken is not written yet: a step for each record, and some beyond that.
            taken = recorder._steps
            await until(lambda: recorder._steps > taken + 12)
        sessions[0].data(True, data)
        while not traces(tmp_path):
            sessions[0].data(True, data)
            await asyncio.sleep(0.02)
        sessions[0].data(True, data)  # those before may all be in the gap
        sessions[0].end()
        await until(log_lines.has("again"))
        recorder.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    [path] = traces(tmp_path)
    frames, missing, session = counted(path)
    assert frames >= 1
    assert missing >= 1
    assert session.request is not None
    assert session.accepted
    assert all(os.strerror(errno.EMFILE) in gap.reason for gap in session.gaps)
    assert len(log_lines.lines("cannot write", os.strerror(errno.EMFILE))) == 1
    assert log_lines.lines("again", "1 session without a trace")


# -- idle


def test_disk_writable_again_writes_the_trace_of_an_idle_session(
    disk: Disk, confdir: Path, log_lines: LogLines
) -> None:
    with recorder_setup(disk.folder, confdir) as at:
        disk.fill()
        idle = at.open_session()
        wait_until(log_lines.has("cannot write"))
        assert traces(disk.folder) == []
        disk.free()
        wait_until(log_lines.has("again", "0 sessions with a gap, 0 sessions without a trace"))
        [path] = traces(disk.folder)
        assert counted(path)[2].accepted
        assert counted(ended(at, idle).path)[2].complete
