"""The recorder's queue: bounded, held, released, with a gap record for dropped data."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from recorder_harness import CHUNK, Gate, Relay, begin, frame, run, run_many, traces
from wsproxy.recorder import Clock, SessionWriter, new_start, trace_path
from wsproxy.recorder import backlog as module
from wsproxy.recorder.worker import RecorderWorker
from wsproxy.session import Session
from wsproxy.trace import Request, Response
from wsproxy.wire import Frame, Opcode


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def test_backlog_over_high_water_holds_and_releases_reads(gate: Gate, tmp_path: Path) -> None:
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


def test_backlog_thread_without_progress_holds_reads_for_a_bounded_time(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HOLD_TIMEOUT", 0.05)

    async def body(recorder: RecorderWorker, relay: Relay) -> None:
        session = begin(recorder, relay)
        while session.data(True, frame()):
            pass
        await asyncio.wait_for(relay.released.wait(), 20)  # though the thread stands still
        assert session.data(True, frame())  # traffic continues
        gate.open.set()
        session.end()

    assert run(body, tmp_path).complete


def test_backlog_over_drop_size_records_a_gap(
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


def test_backlog_dropped_data_when_the_recorder_stops_is_in_a_gap(
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


def test_backlog_first_dropped_bytes_write_a_gap_at_once(
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


def test_backlog_flood_holds_only_its_own_session(gate: Gate, tmp_path: Path) -> None:
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


def test_backlog_nearly_full_holds_all_sessions(
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


def test_backlog_thread_with_progress_holds_reads_longer_but_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder is notified of the consumed bytes; the thread does not run."""
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


def test_backlog_dropped_messages_are_in_gaps_and_later_ones_recorded(
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

    async def body(recorder: RecorderWorker, relay: Relay) -> None:
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


def test_worker_endless_flood_flushes_other_sessions(
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
                if recorder._backlog.size < CHUNK // 4:
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


def test_backlog_dropped_empty_messages_are_counted(
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
