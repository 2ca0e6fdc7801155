"""The thread of the recorder: faults, errors of callbacks, the end of the recorder."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from recorder_harness import Relay, begin, frame, run, traces
from wsproxy.recorder import Annotation, Clock, SessionWriter, disk_fault_log, new_start
from wsproxy.recorder.worker import RecorderWorker
from wsproxy.session import Session
from wsproxy.trace.lock import is_held
from wsproxy.wire import Close, Frame, Opcode


def test_worker_close_open_session_ends_as_stopped(tmp_path: Path) -> None:
    def body(recorder: RecorderWorker, relay: Relay) -> None:
        begin(recorder, relay).data(True, Frame(Opcode.TEXT, b"hi", mask=b"abcd").serialize())

    session = run(body, tmp_path)
    assert session.ending == "stopped"
    assert session.sent.frames == 1
    assert session.complete


def test_worker_unwritable_folder_is_logged_once_and_traffic_continues(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()

    async def main() -> None:
        recorder = RecorderWorker(tmp_path / "file", asyncio.get_running_loop())
        for _ in range(3):
            session = begin(recorder, Relay())
            assert session.data(True, frame())
            session.end()
        recorder.close()

    asyncio.run(main())
    assert len([r for r in caplog.records if "cannot write" in r.message]) == 1


def test_worker_close_session_after_both_closes_ends_as_close(tmp_path: Path) -> None:
    """The connections were still open, but both Close frames had gone by."""

    def body(recorder: RecorderWorker, relay: Relay) -> None:
        close = Close(1000).serialize()
        session = begin(recorder, relay)
        session.data(True, Frame(Opcode.CLOSE, close, mask=b"abcd").serialize())
        session.data(False, Frame(Opcode.CLOSE, close).serialize())

    session = run(body, tmp_path)
    assert (session.ending, session.closed_by) == ("close", "client")


def broken(record: SessionWriter, *_: object) -> bool:
    raise ZeroDivisionError("a fault of ours")


def test_worker_error_in_one_session_ends_only_its_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[Path] = []
    attached: list[Session] = []

    async def main() -> None:
        recorder = RecorderWorker(
            tmp_path, asyncio.get_running_loop(), on_end=lambda each: ended.append(each.path)
        )
        bad, good = begin(recorder, Relay()), begin(recorder, Relay())
        bad.attach(Relay(), attached.append)
        monkeypatch.setattr(SessionWriter, "data", broken)
        bad.data(True, frame())
        await traces(tmp_path, lambda live: len(ended) == 1)
        monkeypatch.undo()
        assert not attached  # the connection is still there
        for session in (bad, good):
            session.data(True, frame())
            session.end()
        await traces(tmp_path, lambda live: len(ended) == 2 and attached)
        await traces(tmp_path, lambda live: recorder._backlog.size == 0)
        # Another thread lets go of them, a moment later.
        await traces(tmp_path, lambda live: not any(map(is_held, ended)))
        recorder.close()

    asyncio.run(main())
    first, second = (Session.read(path) for path in ended)
    assert not first.complete
    assert first.end is not None
    assert [gap.reason for gap in first.gaps] == ["the recorder failed; see its log"]
    assert second.complete
    assert second.sent.frames == 1
    assert len(attached) == 1
    assert "a fault of ours" in caplog.text


def test_session_writer_abandon_end_record_has_the_number_of_parts(tmp_path: Path) -> None:
    recording = SessionWriter(
        tmp_path / "t.wstrace", new_start(Clock(0, 0)), max_size=1 << 20, must_create=False
    )
    for number in range(60):
        recording.message(number, True, Opcode.BINARY, os.urandom(50_000))
        recording.flush()
    recording.abandon(100, "a fault of ours")
    session = Session.read(recording.path)
    assert session.end is not None
    assert session.end.parts == len(recording.paths) > 1
    assert not session.complete


def test_worker_error_at_the_end_still_writes_an_end_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body(recorder: RecorderWorker, relay: Relay) -> None:
        session = begin(recorder, relay)
        monkeypatch.setattr(SessionWriter, "_add_incomplete_frame", broken)
        session.end()

    session = run(body, tmp_path)
    assert session.end is not None
    assert not session.complete


def test_worker_error_in_a_rule_costs_only_the_findings(tmp_path: Path) -> None:
    def annotate(*args: object) -> Annotation:
        raise ZeroDivisionError

    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop(), annotate=annotate)
        begin(recorder, Relay()).end()
        recorder.close()

    asyncio.run(main())
    [session] = [Session.read(path) for path in tmp_path.glob("*.wstrace")]
    assert session.end is not None
    assert session.complete


@pytest.mark.parametrize("error", [SystemExit(1), BrokenPipeError()])
def test_worker_callback_raises_recording_continues(error: BaseException, tmp_path: Path) -> None:
    def noted(recording: SessionWriter) -> None:
        raise error

    async def main() -> None:
        loop = asyncio.get_running_loop()
        recorder = RecorderWorker(tmp_path, loop, on_begin=noted, on_end=noted)
        for _ in range(3):
            session = begin(recorder, Relay())
            session.data(True, frame())
            session.end()
        recorder.close()

    asyncio.run(main())
    sessions = [Session.read(path) for path in tmp_path.glob("*.wstrace")]
    assert [session.sent.frames for session in sessions] == [1, 1, 1]


@pytest.mark.parametrize("error", [SystemExit(1), OSError(28, "No space left on device")])
def test_worker_log_handler_raises_recording_continues(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is on the disk that is full. mitmproxy's handler exits then."""

    class Full(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise error

    handler = Full()
    out = tmp_path / "out"
    out.touch()
    monkeypatch.setattr(disk_fault_log, "RETRY_AFTER", 0.0)

    async def main() -> None:
        recorder = RecorderWorker(out, asyncio.get_running_loop())
        session = begin(recorder, Relay())
        session.data(True, frame())
        async with asyncio.timeout(20):
            while not recorder._faults.active:
                await asyncio.sleep(0.01)
            out.unlink()
            while not list(out.glob("*.wstrace")):
                session.data(True, frame())
                await asyncio.sleep(0.01)
        session.end()
        recorder.close()

    logging.getLogger().addHandler(handler)
    try:
        asyncio.run(main())
    finally:
        logging.getLogger().removeHandler(handler)
    [session] = [Session.read(path) for path in out.glob("*.wstrace")]
    assert session.end is not None
    assert "Not a directory" in session.gaps[0].reason or "File exists" in session.gaps[0].reason
