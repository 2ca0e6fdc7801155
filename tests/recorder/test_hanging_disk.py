"""A disk that hangs does not keep the recorder from ending, and what it costs is said."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from echo_sessions import counted
from recorder_harness import until
from wire_bytes import accepted, upgrade
from wire_servers import serving
from wire_witness import PATIENCE, Peer, direct, wait_until
from wsproxy.recorder import Clock, new_start, shutdown_deadline
from wsproxy.recorder.live_session import LiveSession
from wsproxy.recorder.worker import RecorderWorker
from wsproxy.trace import SUFFIX, Request, Response, TraceWriter
from wsproxy.wire import Frame, Opcode

DATA = Frame(Opcode.BINARY, b"x" * 100, mask=b"abcd").serialize()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown_deadline, "STALL", 0.3)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hangs continues once it is set."""
    made = threading.Event()
    yield made
    made.set()
    wait_until(lambda: not any(t.name.startswith("wsproxy") for t in threading.enumerate()))


def hang_writes(
    monkeypatch: pytest.MonkeyPatch, gate: threading.Event, which: Callable[[str], bool]
) -> threading.Event:
    """Have writes to the traces of some sessions hang; the event is set as one does."""
    hangs = threading.Event()
    flush = TraceWriter.flush

    def wait(writer: TraceWriter) -> None:
        if which(writer._session):
            hangs.set()
            assert gate.wait(PATIENCE)
        flush(writer)

    monkeypatch.setattr(TraceWriter, "flush", wait)
    return hangs


def begin(recorder: RecorderWorker) -> LiveSession:
    session = recorder.begin(clock := Clock.start(), new_start(clock))
    session.add(Request(1, "GET", "ws", "h", 80, "/"))
    session.add(Response(2, 101))
    session.data(True, DATA)
    return session


def traces(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


def test_recorder_close_write_hangs_ends_and_marks_the_other_traces(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    gate: threading.Event,
) -> None:
    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop())
        sessions = [begin(recorder) for _ in range(3)]
        await until(lambda: [counted(path)[0] for path in traces(tmp_path)] == [1, 1, 1])
        stuck = sessions[1].start.session
        hangs = hang_writes(monkeypatch, gate, lambda session: session == stuck)
        for session in sessions:
            session.data(True, DATA)
        await until(hangs.is_set)
        assert not recorder.close()
        assert len(errors(caplog)) == 1
        assert "3 traces are incomplete" in errors(caplog)[0]
        assert "0 sessions" in errors(caplog)[0]
        for path in traces(tmp_path):
            assert str(path) in errors(caplog)[0]
            end = counted(path)[2].end
            if stuck[:8] in path.name:
                assert end is None
            else:
                assert end is not None
                assert not end.complete
        gate.set()
        recorder._thread.join(PATIENCE)
        assert not recorder._thread.is_alive()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_recorder_close_in_a_hurry_loses_nothing_on_a_disk_that_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop())
        for _ in range(20):
            begin(recorder)
        recorder.hurry()
        assert recorder.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert errors(caplog) == []
    ends = [counted(path)[2].end for path in traces(tmp_path)]
    assert len(ends) == 20
    assert all(end is not None and end.complete for end in ends)


def test_recorder_close_no_file_can_be_created_counts_the_sessions(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    gate: threading.Event,
) -> None:
    hangs = hang_writes(monkeypatch, gate, lambda session: True)

    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop())
        for _ in range(3):
            begin(recorder)
        await until(hangs.is_set)
        assert not recorder.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert "0 traces are incomplete" in errors(caplog)[0]
    assert "Without a trace: 3 sessions" in errors(caplog)[0]


def test_recorder_close_fsync_hangs_names_the_traces(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    gate: threading.Event,
) -> None:
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: gate.wait(PATIENCE) and fsync(fd))

    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop())
        for _ in range(2):
            begin(recorder)
        await until(lambda: len(traces(tmp_path)) == 2)
        assert not recorder.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    [line] = errors(caplog)
    assert "2 traces are complete, but may be lost in a power failure" in line
    assert all(str(path) in line for path in traces(tmp_path))
    assert all(counted(path)[2].end is not None for path in traces(tmp_path))


def test_recorder_close_slow_disk_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write takes long, all of them longer than a disk may do nothing."""
    flush = TraceWriter.flush

    def slow(writer: TraceWriter) -> None:
        time.sleep(0.1)
        flush(writer)

    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop())
        monkeypatch.setattr(TraceWriter, "flush", slow)
        for _ in range(5):
            begin(recorder)
        assert recorder.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert len(traces(tmp_path)) == 5
    assert all(counted(path)[2].end is not None for path in traces(tmp_path))


RECORD = """
import sys, threading
from wsproxy.cli.main import main
from wsproxy.recorder import shutdown_deadline
from wsproxy.trace import TraceWriter
shutdown_deadline.STALL = float(sys.argv.pop(1))
flush = TraceWriter.flush
def hang(writer):
    if len(writer._block) > 2000:  # a frame is in it
        print("hangs", file=sys.stderr, flush=True)
        threading.Event().wait()
    flush(writer)
TraceWriter.flush = hang
main()
"""


def record_on_hanging_disk(folder: Path, stall: float, *signals: signal.Signals) -> tuple[int, str]:
    """Run `wsproxy record` until its disk hangs, then send signals: its status and stderr."""

    def serve(peer: Peer) -> None:
        if peer.read_head():
            peer.send_head(accepted())
            peer.until_end()

    with serving(serve) as upstream:
        command = [sys.executable, "-c", RECORD, str(stall), "record", "--listen", "127.0.0.1:0"]
        command += ["--out", str(folder / "out"), "--confdir", str(folder / "conf")]
        command += ["--mode", f"reverse:ws://127.0.0.1:{upstream}"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            app = direct(int(process.stdout.readline().rpartition(":")[2]), tls=False)
            app.send_head(upgrade("/", "localhost"))
            app.read_head()
            wait_until(lambda: traces(folder / "out"))
            app.send(Frame(Opcode.BINARY, os.urandom(3000), mask=b"abcd").serialize())
            assert process.stderr.readline() == "hangs\n"
            for each in signals:
                process.send_signal(each)
                time.sleep(0.7)  # the second one of a user who waits in vain
            err = process.communicate(timeout=PATIENCE)[1]
        finally:
            process.kill()
        return process.returncode, err


def test_record_sigterm_on_a_hanging_disk_ends_it(tmp_path: Path) -> None:
    status, err = record_on_hanging_disk(tmp_path, 0.3, signal.SIGTERM)
    assert status == 1
    assert "Traceback" not in err
    [line] = err.splitlines()
    assert str(traces(tmp_path / "out")[0]) in line


def test_record_second_ctrl_c_on_a_hanging_disk_ends_it_at_once(tmp_path: Path) -> None:
    status, err = record_on_hanging_disk(tmp_path, 600, signal.SIGINT, signal.SIGINT)
    assert status == 1
    assert "incomplete" in err
