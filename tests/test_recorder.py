"""The recorder's queue: bounded, held, released, and honest about what it drops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from wsproxy.capture import recorder as module
from wsproxy.capture.recorder import Recorder
from wsproxy.recording import Clock, Recording, new_start
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
    """Run the body on an event loop with a session that was accepted; returns its trace."""

    async def main() -> None:
        recorder = Recorder(folder, asyncio.get_running_loop())
        result = body(recorder, Relay())
        if asyncio.iscoroutine(result):
            await result
        recorder.close()

    asyncio.run(main())
    (trace,) = folder.glob("*.wstrace")
    return Session.read(trace)


def begin(recorder: Recorder, relay: Relay) -> module.LiveSession:
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
        assert recorder.backlog <= module.HIGH
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
