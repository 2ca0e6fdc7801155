"""One recording on a disk that fails, write by write; fsync."""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from echo_sessions import counted
from wire_witness import PATIENCE, wait_until
from wsproxy.recorder import FLUSH_INTERVAL, Clock, FsyncThread, SessionWriter, new_start
from wsproxy.trace import SUFFIX, FrameRecord, Request, Response, TraceWriter
from wsproxy.wire import Frame, Opcode

NO_ROOM = os.strerror(errno.ENOSPC)


def recording_in(folder: Path, **options: object) -> SessionWriter:
    start = new_start(Clock(0, 0))
    return SessionWriter(folder / f"x{SUFFIX}", start, must_create=False, **options)  # type: ignore[arg-type]


def talk(recording: SessionWriter, t_ms: int) -> None:
    recording.data(
        t_ms * 1_000_000, True, Frame(Opcode.TEXT, b"%d" % t_ms, mask=b"abcd").serialize()
    )
    recording.flush()


@pytest.mark.parametrize("t_ns", [0, 5_000_000_000])
def test_trace_output_flush_is_due_when_the_oldest_record_waited_for_the_interval(
    t_ns: int, tmp_path: Path
) -> None:
    recording = recording_in(tmp_path)
    recording.flush()
    assert not recording.is_flush_due(10**12)  # nothing is pending
    recording.add(FrameRecord(t_ns, True, 1, b"x"))
    recording.add(FrameRecord(t_ns + 50_000_000, True, 1, b"x"))
    due = t_ns + round(FLUSH_INTERVAL * 1e9)
    assert [recording.is_flush_due(now) for now in (due - 1, due)] == [False, True]


def test_trace_output_after_an_error_does_not_retry_every_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = recording_in(tmp_path)
    talk(recording, 1)
    tried = 0

    def full(writer: TraceWriter) -> None:
        nonlocal tried
        tried += 1
        raise OSError(errno.ENOSPC, NO_ROOM)

    with monkeypatch.context() as patched:
        patched.setattr(TraceWriter, "flush", full)
        for t_ms in range(2, 1002):
            talk(recording, t_ms)
    assert 3 <= tried <= 5  # every 250 ms
    recording.end(1_002_000_000)
    frames, missing, session = counted(recording.path)
    assert (frames, missing) == (1, 1000)
    assert len(session.gaps) == 1


def test_trace_output_after_an_error_writes_request_and_response(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = recording_in(tmp_path)

    def full(writer: TraceWriter) -> None:
        raise OSError(errno.ENOSPC, NO_ROOM)

    with monkeypatch.context() as patched:
        patched.setattr(TraceWriter, "flush", full)
        recording.add(Request(1, "GET", "ws", "h", 80, "/"))
        recording.response(Response(2, 101))
    talk(recording, 300)
    recording.end(301_000_000)
    frames, missing, session = counted(recording.path)
    assert (frames, missing) == (1, 0)
    assert session.request is not None
    assert session.accepted
    assert session.complete


def test_trace_output_partial_write_is_truncated_later(tmp_path: Path) -> None:
    """Not even the file can be cut to its sound blocks at first."""

    class Torn:
        def __init__(self, path: Path) -> None:
            self.file = path.open("wb", buffering=0)
            self.broken = False

        def write(self, data: bytes) -> int | None:
            if self.broken:
                self.file.write(data[: len(data) // 2])
                raise OSError(errno.EIO, "I/O error")
            return self.file.write(data)

        def truncate(self, size: int) -> int:
            if self.broken:
                raise OSError(errno.EIO, "I/O error")
            return self.file.truncate(size)

        def seek(self, offset: int) -> int:
            return self.file.seek(offset)

    path = tmp_path / f"x{SUFFIX}"
    file = Torn(path)
    writer = TraceWriter(file, "s")  # type: ignore[arg-type]  # what it needs of a file
    writer.write(FrameRecord(1, True, 1, b"one"))
    writer.flush()
    file.broken = True
    writer.write(FrameRecord(2, True, 1, b"two"))
    with pytest.raises(OSError, match="I/O"):
        writer.flush()
    file.broken = False
    writer.write(FrameRecord(3, True, 1, b"three"))
    writer.finish()
    frames, _, session = counted(path)
    assert frames == 2
    assert not session.losses


# -- fsync


@dataclass
class Fsyncs:
    """What was synced: file names, and the threads that did it."""

    names: list[str]
    threads: set[str]


@pytest.fixture
def fsyncs(monkeypatch: pytest.MonkeyPatch) -> Fsyncs:
    noted = Fsyncs([], set())

    def fsync(fd: int) -> None:
        noted.names.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        noted.threads.add(threading.current_thread().name)

    monkeypatch.setattr("wsproxy.recorder.fsync.os.fsync", fsync)
    return noted


@pytest.mark.parametrize("policy", ["never", "end", "block"])
def test_fsync_policy_determines_when_files_are_synced(
    policy: str, tmp_path: Path, fsyncs: Fsyncs
) -> None:
    out = tmp_path / "out"
    synced = FsyncThread(policy, lambda *_: None)  # type: ignore[arg-type]  # parametrized
    recording = recording_in(out, syncer=synced)
    if policy == "block":
        wait_until(lambda: "out" in fsyncs.names)

    def synced_times(count: int) -> bool:
        return fsyncs.names.count(recording.path.name) >= count

    for t_ms in range(5):
        talk(recording, t_ms)
        if policy == "block":
            wait_until(partial(synced_times, t_ms + 2))
    before_the_end = len(fsyncs.names)
    recording.end(10_000_000)
    synced.close()
    own = [name for name in fsyncs.names if name == recording.path.name]
    folder = [name for name in fsyncs.names if name == "out"]
    if policy == "never":
        assert fsyncs.names == []
    elif policy == "end":
        assert before_the_end == 0
        assert (len(own), len(folder)) == (1, 1)
    else:
        # The start, 5 blocks, and the complete file; its last block at times by itself.
        assert 7 <= len(own) <= 8
        assert len(folder) == 1
    assert fsyncs.threads <= {"wsproxy-syncer"}


def test_fsync_hangs_writer_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr("wsproxy.recorder.fsync.os.fsync", lambda fd: gate.wait(PATIENCE))
    synced = FsyncThread("block", lambda *_: None)
    for number in range(3):
        recording = recording_in(tmp_path / str(number), syncer=synced)
        talk(recording, 1)
        recording.end(2_000_000)
        assert counted(recording.path)[0] == 1
    gate.set()
    synced.close()


def test_fsync_error_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("wsproxy.recorder.fsync.os.fsync", broken)
    errors: list[tuple[Path, OSError]] = []
    synced = FsyncThread("end", lambda path, error: errors.append((path, error)))
    recording = recording_in(tmp_path, syncer=synced)
    recording.end(1)
    synced.close()
    assert [(path, error.errno) for path, error in errors] == [(recording.path, errno.EIO)]
