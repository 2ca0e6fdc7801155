"""A recorder without a proxy: sessions, and a disk that does not respond."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.recorder.live_session import LiveSession
from wsproxy.recorder.worker import RecorderWorker
from wsproxy.session import Session
from wsproxy.trace import Request, Response
from wsproxy.wire import Frame, Opcode

CHUNK = 1 << 20


class Relay:
    """Stands for a relay; counts the calls that it receives."""

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


async def until(condition: Callable[[], object]) -> None:
    """Poll until a condition is true."""
    while not condition():
        await asyncio.sleep(0.01)


def begin(recorder: RecorderWorker, relay: Relay) -> LiveSession:
    session = recorder.begin(clock := Clock.start(), new_start(clock))
    session.add(Request(1, "GET", "ws", "h", 80, "/", headers=[["Upgrade", "websocket"]]))
    session.add(Response(2, 101))
    session.attach(relay, lambda _: None)
    return session


async def traces(folder: Path, has: Callable[[Session], object]) -> list[Path]:
    """The traces in a folder, once all of them have what is waited for."""
    async with asyncio.timeout(20):
        while True:
            paths = list(folder.glob("*.wstrace"))
            if paths and all(has(Session.read(path)) for path in paths):
                return paths
            await asyncio.sleep(0.01)
