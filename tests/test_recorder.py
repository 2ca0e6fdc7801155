"""The recorder's queue: bounded, held, released, and honest about what it drops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wsproxy.capture import backlog as module
from wsproxy.capture.live import LiveSession
from wsproxy.capture.recorder import Recorder
from wsproxy.recording import Clock, Recording, new_start, trace_path
from wsproxy.session import Session
from wsproxy.trace import Request, Response
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
        data = Recording.data

        def wait(recording: Recording, t_ns: int, from_client: bool, payload: bytes) -> bool:
            self.open.wait(20)
            return data(recording, t_ns, from_client, payload)

        monkeypatch.setattr(Recording, "data", wait)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def frame() -> bytes:
    return Frame(Opcode.BINARY, bytes(CHUNK), mask=b"abcd").serialize()


def run(body: Callable[[Recorder, Relay], object], folder: Path) -> Session:
    """Run the body on an event loop; returns the trace of its only session."""
    (session,) = run_many(body, folder)
    return session


def run_many(body: Callable[[Recorder, Relay], object], folder: Path) -> list[Session]:
    """Run the body on an event loop; returns the traces of its sessions."""

    async def main() -> None:
        recorder = Recorder(folder, asyncio.get_running_loop())
        result = body(recorder, Relay())
        if asyncio.iscoroutine(result):
            await result
        recorder.close()

    asyncio.run(main())
    return [Session.read(trace) for trace in folder.glob("*.wstrace")]


def begin(recorder: Recorder, relay: Relay) -> LiveSession:
    session = recorder.begin(clock := Clock.start(), new_start(clock))
    session.add(Request(1, "GET", "ws", "h", 80, "/", headers=[["Upgrade", "websocket"]]))
    session.add(Response(2, 101))
    session.attach(relay, lambda _: None)
    return session


def test_reading_is_held_over_the_high_mark_and_released_when_there_is_room(
    gate: Gate, tmp_path: Path
) -> None:
    async def body(recorder: Recorder, relay: Relay) -> None:
        session = begin(recorder, relay)
        count = 0
        while session.data(True, frame()):
            count += 1
            assert count * CHUNK <= module.HIGH + CHUNK
        gate.open.set()
        await asyncio.wait_for(relay.released.wait(), 20)
        assert recorder._backlog.size <= module.HIGH
        session.end()

    session = run(body, tmp_path)
    assert session.complete
    assert session.sent.frames > module.HIGH // CHUNK - 1


def test_reading_is_not_held_for_ever(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)

    async def body(recorder: Recorder, relay: Relay) -> None:
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
    monkeypatch.setattr(module, "HIGH", 2 * CHUNK)
    monkeypatch.setattr(module, "HARD", 4 * CHUNK)
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    sent = 12

    def body(recorder: Recorder, relay: Relay) -> None:
        session = begin(recorder, relay)
        for _ in range(sent):
            session.data(True, frame())
        gate.open.set()
        session.end()

    session = run(body, tmp_path)
    assert not session.complete
    (gap,) = session.gaps
    assert session.sent.size + gap.size == sent * len(frame())
    assert 4 <= session.sent.frames < sent


def test_an_open_session_is_stopped_with_the_recorder(tmp_path: Path) -> None:
    def body(recorder: Recorder, relay: Relay) -> None:
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
        recorder = Recorder(tmp_path / "file", asyncio.get_running_loop())
        for _ in range(3):
            session = begin(recorder, Relay())
            assert session.data(True, frame())
            session.end()
        recorder.close()

    asyncio.run(main())
    assert len([r for r in caplog.records if "cannot write" in r.message]) == 1


def test_a_session_that_had_ended_is_not_called_stopped(tmp_path: Path) -> None:
    """The connections were still open, but both Close frames had gone by."""

    def body(recorder: Recorder, relay: Relay) -> None:
        close = Close(1000).serialize()
        session = begin(recorder, relay)
        session.data(True, Frame(Opcode.CLOSE, close, mask=b"abcd").serialize())
        session.data(False, Frame(Opcode.CLOSE, close).serialize())

    session = run(body, tmp_path)
    assert (session.ending, session.closed_by) == ("close", "client")


def test_a_flood_is_held_and_a_session_beside_it_is_not(gate: Gate, tmp_path: Path) -> None:
    async def body(recorder: Recorder, flooded: Relay) -> None:
        flood, beside = begin(recorder, flooded), begin(recorder, quiet := Relay())
        while flood.data(True, frame()):
            pass
        assert recorder._backlog.size > module.HIGH
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
    monkeypatch.setattr(module, "BRIM", 8 * CHUNK)
    monkeypatch.setattr(module, "PATIENCE", 20.0)

    async def body(recorder: Recorder, quiet: Relay) -> None:
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
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    held = Gate(monkeypatch)

    async def body(recorder: Recorder, relay: Relay) -> None:
        session = begin(recorder, relay)
        lost: list[int] = []
        lose = recorder._backlog._lose_patience

        def moves(turns: int, done_before: int) -> None:
            lost.append(turns)
            lose(turns, done_before - 2 * module.STEP)

        monkeypatch.setattr(recorder._backlog, "_lose_patience", moves)
        while session.data(True, frame()):
            pass
        await asyncio.wait_for(relay.released.wait(), 20)
        assert lost == list(range(module.TURNS, 0, -1))
        assert session.data(True, frame())
        held.open.set()
        session.end()

    assert run(body, tmp_path).complete


def test_messages_that_were_not_kept_are_told_and_later_ones_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What mitmproxy's own layer relays cannot be held, and stays in bounds all the same."""
    monkeypatch.setattr(module, "HARD", 4 * CHUNK)
    waits = threading.Event()
    message = Recording.message

    def wait(recording: Recording, *values: Any) -> None:
        waits.wait(20)
        message(recording, *values)

    monkeypatch.setattr(Recording, "message", wait)

    async def body(recorder: Recorder, _: Relay) -> None:
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
    (gap,) = session.gaps
    assert gap.records is not None
    assert session.sent.frames + gap.records == 13
    assert gap.size == gap.records * CHUNK
    assert not session.complete


def test_what_is_pending_is_written_though_a_flood_never_ends(tmp_path: Path) -> None:
    """The thread does not come to an end of its queue, and looks after the others all the same."""

    async def body(recorder: Recorder, relay: Relay) -> None:
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
