"""The recorder's queue: bounded, held, released, and honest about what it drops."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wsproxy.recorder import Clock, SessionWriter, disk_faults, new_start, trace_path
from wsproxy.recorder import backlog as module
from wsproxy.recorder.live_session import LiveSession
from wsproxy.recorder.worker import RecorderWorker
from wsproxy.session import Session
from wsproxy.trace import FindingRecord, Request, Response
from wsproxy.trace.lock import is_held
from wsproxy.wire import Close, Frame, Opcode

CHUNK = 1 << 20


class Relay:
    """Stands for a relay; counts what it is told."""

    def __init__(self) -> None:
        self.held = 0
        self.released = asyncio.Event()

    def hold(self) -> None:
        self.held += 1

    def release(self) -> None:
        self.released.set()


class Gate:
    """Keeps the recorder's thread from going on: a disk that does not answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        data = SessionWriter.data

        def wait(recording: SessionWriter, t_ns: int, from_client: bool, payload: bytes) -> bool:
            self.open.wait(20)
            return data(recording, t_ns, from_client, payload)

        monkeypatch.setattr(SessionWriter, "data", wait)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def frame() -> bytes:
    return Frame(Opcode.BINARY, bytes(CHUNK), mask=b"abcd").serialize()


def run(body: Callable[[RecorderWorker, Relay], object], folder: Path) -> Session:
    """Run the body on an event loop; returns the trace of its only session."""
    (session,) = run_many(body, folder)
    return session


def run_many(body: Callable[[RecorderWorker, Relay], object], folder: Path) -> list[Session]:
    """Run the body on an event loop; returns the traces of its sessions."""

    async def main() -> None:
        recorder = RecorderWorker(folder, asyncio.get_running_loop())
        result = body(recorder, Relay())
        if asyncio.iscoroutine(result):
            await result
        recorder.close()

    asyncio.run(main())
    return [Session.read(trace) for trace in folder.glob("*.wstrace")]


def begin(recorder: RecorderWorker, relay: Relay) -> LiveSession:
    session = recorder.begin(clock := Clock.start(), new_start(clock))
    session.add(Request(1, "GET", "ws", "h", 80, "/", headers=[["Upgrade", "websocket"]]))
    session.add(Response(2, 101))
    session.attach(relay, lambda _: None)
    return session


def test_reading_is_held_over_the_high_mark_and_released_when_there_is_room(
    gate: Gate, tmp_path: Path
) -> None:
    async def body(recorder: RecorderWorker, relay: Relay) -> None:
        session = begin(recorder, relay)
        count = 0
        while session.data(True, frame()):
            count += 1
            assert count * CHUNK <= module.HIGH_WATER + CHUNK
        gate.open.set()
        await asyncio.wait_for(relay.released.wait(), 20)
        assert recorder._backlog.size <= module.HIGH_WATER
        session.end()

    session = run(body, tmp_path)
    assert session.complete
    assert session.sent.frames > module.HIGH_WATER // CHUNK - 1


def test_reading_is_not_held_for_ever(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HOLD_TIMEOUT", 0.05)

    async def body(recorder: RecorderWorker, relay: Relay) -> None:
        session = begin(recorder, relay)
        while session.data(True, frame()):
            pass
        await asyncio.wait_for(relay.released.wait(), 20)  # though the thread stands still
        assert session.data(True, frame())  # traffic goes on
        gate.open.set()
        session.end()

    assert run(body, tmp_path).complete


def test_what_is_dropped_over_the_hard_mark_is_told(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HIGH_WATER", 2 * CHUNK)
    monkeypatch.setattr(module, "DROP_SIZE", 4 * CHUNK)
    monkeypatch.setattr(module, "HOLD_TIMEOUT", 0.0)
    sent = 12

    def body(recorder: RecorderWorker, relay: Relay) -> None:
        session = begin(recorder, relay)
        for _ in range(sent):
            session.data(True, frame())
        gate.open.set()
        session.end()

    session = run(body, tmp_path)
    assert not session.complete
    assert session.sent.size + sum(gap.size for gap in session.gaps) == sent * len(frame())
    assert 4 <= session.sent.frames < sent


def test_what_was_dropped_is_told_where_only_the_recorder_ends(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DROP_SIZE", 4 * CHUNK)
    sent = 12

    def body(recorder: RecorderWorker, relay: Relay) -> None:
        session = begin(recorder, relay)
        for _ in range(sent):
            session.data(True, frame())
        gate.open.set()

    session = run(body, tmp_path)
    assert session.ending == "stopped"
    assert not session.complete
    assert session.sent.size + sum(gap.size for gap in session.gaps) == sent * len(frame())


def test_that_bytes_are_dropped_is_on_disk_at_once(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever becomes of the recorder: the app was not silent."""
    monkeypatch.setattr(module, "DROP_SIZE", 4 * CHUNK)

    async def body(recorder: RecorderWorker, relay: Relay) -> None:
        session = begin(recorder, relay)
        for _ in range(12):
            session.data(True, frame())
        gate.open.set()
        [path] = await traces(tmp_path, lambda live: live.gaps)
        assert "bytes from the client are missing" in Session.read(path).gaps[0].reason
        session.end()

    run(body, tmp_path)


async def traces(folder: Path, has: Callable[[Session], object]) -> list[Path]:
    """The traces in a folder, once all of them have what is waited for."""
    async with asyncio.timeout(20):
        while True:
            paths = list(folder.glob("*.wstrace"))
            if paths and all(has(Session.read(path)) for path in paths):
                return paths
            await asyncio.sleep(0.01)


def test_an_open_session_is_stopped_with_the_recorder(tmp_path: Path) -> None:
    def body(recorder: RecorderWorker, relay: Relay) -> None:
        begin(recorder, relay).data(True, Frame(Opcode.TEXT, b"hi", mask=b"abcd").serialize())

    session = run(body, tmp_path)
    assert session.ending == "stopped"
    assert session.sent.frames == 1
    assert session.complete


def test_a_folder_that_cannot_be_written_is_warned_of_once_and_traffic_goes_on(
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


def test_a_session_that_had_ended_is_not_called_stopped(tmp_path: Path) -> None:
    """The connections were still open, but both Close frames had gone by."""

    def body(recorder: RecorderWorker, relay: Relay) -> None:
        close = Close(1000).serialize()
        session = begin(recorder, relay)
        session.data(True, Frame(Opcode.CLOSE, close, mask=b"abcd").serialize())
        session.data(False, Frame(Opcode.CLOSE, close).serialize())

    session = run(body, tmp_path)
    assert (session.ending, session.closed_by) == ("close", "client")


def test_a_flood_is_held_and_a_session_beside_it_is_not(gate: Gate, tmp_path: Path) -> None:
    async def body(recorder: RecorderWorker, flooded: Relay) -> None:
        flood, beside = begin(recorder, flooded), begin(recorder, quiet := Relay())
        while flood.data(True, frame()):
            pass
        assert recorder._backlog.size > module.HIGH_WATER
        assert beside.data(True, Frame(Opcode.BINARY, b"audio", mask=b"abcd").serialize())
        gate.open.set()
        await asyncio.wait_for(flooded.released.wait(), 20)
        assert (quiet.held, quiet.released.is_set()) == (0, False)
        for each in (flood, beside):
            each.end()

    assert all(session.complete for session in run_many(body, tmp_path))


def test_all_are_held_before_the_queue_is_full(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HOLD_ALL_SIZE", 8 * CHUNK)
    monkeypatch.setattr(module, "HOLD_TIMEOUT", 20.0)

    async def body(recorder: RecorderWorker, quiet: Relay) -> None:
        beside = begin(recorder, quiet)
        relays = [Relay() for _ in range(9)]
        for relay in relays:  # each of them brings what it had read before it is held
            begin(recorder, relay).data(True, frame())
        assert [each.held for each in (quiet, relays[0])] == [1, 1]
        gate.open.set()
        for each in (quiet, *relays):
            await asyncio.wait_for(each.released.wait(), 20)
        beside.end()

    assert all(session.complete for session in run_many(body, tmp_path))


def test_a_thread_that_moves_is_waited_for_longer_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it gets through is what the recorder is told; the thread itself stands still."""
    monkeypatch.setattr(module, "HOLD_TIMEOUT", 0.05)
    held = Gate(monkeypatch)

    async def body(recorder: RecorderWorker, relay: Relay) -> None:
        session = begin(recorder, relay)
        lost: list[int] = []
        lose = recorder._backlog._on_hold_timeout

        def moves(turns: int, done_before: int) -> None:
            lost.append(turns)
            lose(turns, done_before - 2 * module.MIN_PROGRESS)

        monkeypatch.setattr(recorder._backlog, "_on_hold_timeout", moves)
        while session.data(True, frame()):
            pass
        await asyncio.wait_for(relay.released.wait(), 20)
        assert lost == list(range(module.MAX_HOLD_PERIODS, 0, -1))
        assert session.data(True, frame())
        held.open.set()
        session.end()

    assert run(body, tmp_path).complete


def test_messages_that_were_not_kept_are_told_and_later_ones_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What mitmproxy's own layer relays cannot be held, and stays in bounds all the same."""
    monkeypatch.setattr(module, "DROP_SIZE", 4 * CHUNK)
    waits = threading.Event()
    message = SessionWriter.message

    def wait(recording: SessionWriter, *values: Any) -> None:
        waits.wait(20)
        message(recording, *values)

    monkeypatch.setattr(SessionWriter, "message", wait)

    async def body(recorder: RecorderWorker, _: Relay) -> None:
        session = recorder.begin(clock := Clock.start(), new_start(clock))
        session.add(Request(1, "GET", "ws", "h", 80, "/", headers=[["Upgrade", "websocket"]]))
        session.add(Response(2, 101))
        for _ in range(12):
            session.message(True, Opcode.BINARY, bytes(CHUNK))
        assert recorder._backlog.size < 7 * CHUNK
        waits.set()
        while recorder._backlog.size:
            await asyncio.sleep(0)
        session.message(True, Opcode.TEXT, b"later")
        session.end()

    session = run(body, tmp_path)
    records = sum(gap.records for gap in session.gaps)
    assert session.sent.frames + records == 13
    assert sum(gap.size for gap in session.gaps) == records * CHUNK
    assert not session.complete


def test_what_is_pending_is_written_though_a_flood_never_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread does not come to an end of its queue, and looks after the others all the same."""
    # Thousands of equal frames in one read are denser than any session.
    monkeypatch.setenv("WSPROXY_NO_LIMITS", "1")

    async def body(recorder: RecorderWorker, relay: Relay) -> None:
        beside, flood = begin(recorder, Relay()), begin(recorder, relay)
        beside.data(True, Frame(Opcode.TEXT, b"hi", mask=b"abcd").serialize())
        stop = threading.Event()

        def feed() -> None:
            tiny = Frame(Opcode.TEXT, b"x", mask=b"abcd").serialize() * 2000
            while not stop.is_set():
                if recorder._backlog.size < 3 * CHUNK:
                    flood.data(True, tiny)

        feeding = threading.Thread(target=feed)
        feeding.start()
        path = tmp_path / f"{trace_path(tmp_path, beside.start).name}"
        try:
            async with asyncio.timeout(20):
                while not (path.exists() and Session.read(path).sent.frames):
                    await asyncio.sleep(0.01)
            assert recorder._backlog.size
        finally:
            stop.set()
            feeding.join()
        for each in (beside, flood):
            each.end()

    assert all(session.complete for session in run_many(body, tmp_path))


# -- faults of our own


def broken(record: SessionWriter, *_: object) -> bool:
    raise ZeroDivisionError("a fault of ours")


def test_a_fault_in_recording_costs_its_session_the_rest_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[Path] = []
    told: list[Session] = []

    async def main() -> None:
        recorder = RecorderWorker(
            tmp_path, asyncio.get_running_loop(), on_end=lambda each: ended.append(each.path)
        )
        bad, good = begin(recorder, Relay()), begin(recorder, Relay())
        bad.attach(Relay(), told.append)
        monkeypatch.setattr(SessionWriter, "data", broken)
        bad.data(True, frame())
        await traces(tmp_path, lambda live: len(ended) == 1)
        monkeypatch.undo()
        assert not told  # the connection is still there
        for session in (bad, good):
            session.data(True, frame())
            session.end()
        await traces(tmp_path, lambda live: len(ended) == 2 and told)
        await traces(tmp_path, lambda live: recorder._backlog.size == 0)
        # Another thread lets go of them, a moment later.
        await traces(tmp_path, lambda live: not any(map(is_held, ended)))
        recorder.close()

    asyncio.run(main())
    first, second = (Session.read(path) for path in ended)
    assert not first.complete
    assert first.end is not None
    assert [gap.reason for gap in first.gaps] == ["the recorder failed; its log says why"]
    assert second.complete
    assert second.sent.frames == 1
    assert len(told) == 1
    assert "a fault of ours" in caplog.text


def test_a_session_that_was_given_up_tells_how_many_parts_it_has(tmp_path: Path) -> None:
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


def test_dropped_messages_of_nothing_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body(recorder: RecorderWorker, relay: Relay) -> None:
        session = recorder.begin(clock := Clock.start(), new_start(clock))
        monkeypatch.setattr(module, "DROP_SIZE", -1)
        for _ in range(3):
            session.message(True, Opcode.TEXT, b"")
        session.end()

    session = run(body, tmp_path)
    assert sum(gap.records for gap in session.gaps) == 3


def test_a_fault_at_the_end_still_leaves_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body(recorder: RecorderWorker, relay: Relay) -> None:
        session = begin(recorder, relay)
        monkeypatch.setattr(SessionWriter, "_add_incomplete_frame", broken)
        session.end()

    session = run(body, tmp_path)
    assert session.end is not None
    assert not session.complete


def test_a_fault_in_a_rule_costs_the_findings_alone(tmp_path: Path) -> None:
    def diagnose(session: Session) -> list[FindingRecord]:
        raise ZeroDivisionError

    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop(), diagnose=diagnose)
        begin(recorder, Relay()).end()
        recorder.close()

    asyncio.run(main())
    [session] = [Session.read(path) for path in tmp_path.glob("*.wstrace")]
    assert session.end is not None
    assert session.complete


@pytest.mark.parametrize("error", [SystemExit(1), BrokenPipeError()])
def test_recording_goes_on_where_nobody_can_be_told(error: BaseException, tmp_path: Path) -> None:
    def tell(recording: SessionWriter) -> None:
        raise error

    async def main() -> None:
        loop = asyncio.get_running_loop()
        recorder = RecorderWorker(tmp_path, loop, on_begin=tell, on_end=tell)
        for _ in range(3):
            session = begin(recorder, Relay())
            session.data(True, frame())
            session.end()
        recorder.close()

    asyncio.run(main())
    sessions = [Session.read(path) for path in tmp_path.glob("*.wstrace")]
    assert [session.sent.frames for session in sessions] == [1, 1, 1]


@pytest.mark.parametrize("error", [SystemExit(1), OSError(28, "No space left on device")])
def test_recording_goes_on_where_nothing_can_be_logged(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is on the disk that is full. mitmproxy's handler exits then."""

    class Full(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise error

    handler = Full()
    out = tmp_path / "out"
    out.touch()
    monkeypatch.setattr(disk_faults, "RETRY_AFTER", 0.0)

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
