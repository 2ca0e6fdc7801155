"""Servers and clients of the samples: libraries, the simulated APIs, and scripts on sockets."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import serve
from websockets.exceptions import WebSocketException

from conditions import ANYWHERE, LIMITS, Home
from tools.samples.sample import (
    CATALOG,
    place_of,
    session,
    voice,
)
from wire_bytes import BINARY, CLOSE, MASK, frame, split, upgrade
from wire_servers import Script, serving
from wire_witness import Peer
from wsproxy.simulate import Plan, PlanStep, Simulator, Trigger
from wsproxy.wire import accept_key

Server = Callable[[], AbstractAsyncContextManager[int]]
Client = Callable[[Peer], Awaitable[object]]
ConnectionHandler = Callable[[Connection], Awaitable[None]]

STREAM = "/v1/stream"  # at `ANYWHERE`, a host of no provider
DEEPGRAM = place_of("deepgram.listen")
LISTEN = f"{DEEPGRAM.path}&interim_results=true"
PAUSE = 0.1  # seconds between two messages of a library
CHUNK = 3200  # bytes of audio in `PAUSE`
STEP_PAUSE = 0.07  # seconds before each step of a script


def audio(messages: int) -> list[bytes]:
    return [voice()[i * CHUNK :][:CHUNK] for i in range(messages)]


# -- servers


def simulated_server(condition: str = "", trigger: str = "", *, deflate: bool = False) -> Server:
    """The simulated APIs, which succeed or fail with a condition at a trigger."""

    @contextlib.asynccontextmanager
    async def server() -> AsyncIterator[int]:
        fails = CATALOG.condition(condition) if condition else None
        step = PlanStep(fails, trigger=Trigger.parse(trigger) if trigger else None)
        async with Simulator(Plan([step]), limits=LIMITS, deflate=deflate) as api:
            yield api.port

    return server


def scripted_server(*steps: Script) -> Server:
    """A server that accepts the upgrade, and then performs the steps."""

    def script(peer: Peer) -> None:
        peer.send_head(_accepting(peer.read_head()))
        for step in steps:
            step(peer)

    @contextlib.asynccontextmanager
    async def server() -> AsyncIterator[int]:
        with serving(script) as port:
            yield port

    return server


def _accepting(head: bytes) -> bytes:
    lines = head.decode().split("\r\n")
    names = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(names['sec-websocket-key'])}\r\n\r\n"
    ).encode()


def library_server(behave: ConnectionHandler, **options: Any) -> Server:
    """The `websockets` library's server; `options` are the library's."""

    async def handler(connection: Connection) -> None:
        with contextlib.suppress(WebSocketException):
            await behave(connection)

    @contextlib.asynccontextmanager
    async def server() -> AsyncIterator[int]:
        usual: dict[str, Any] = {"ping_interval": None}
        async with serve(handler, "127.0.0.1", 0, **{**usual, **options}) as running:
            yield running.sockets[0].getsockname()[1]

    return server


# -- clients


def library_client(
    behave: ConnectionHandler,
    place: Home | None = None,
    headers: dict[str, str] | None = None,
    **options: object,
) -> Client:
    """The `websockets` library's client; `options` are the library's."""
    host, path = (place.host, LISTEN) if place else (ANYWHERE, STREAM)

    async def client(peer: Peer) -> None:
        with contextlib.suppress(WebSocketException, OSError, TimeoutError):
            async with session(peer, host, path, headers or {}, **options) as connection:
                await behave(connection)

    return client


def scripted_client(
    *steps: Script, host: str = ANYWHERE, path: str = STREAM, headers: list[str] | None = None
) -> Client:
    """A client that performs the steps once its upgrade is accepted."""

    def script(peer: Peer) -> None:
        peer.send_head(upgrade(path, host, *(headers or [])))
        head = peer.read_head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        for step in steps:
            step(peer)

    async def client(peer: Peer) -> None:
        await asyncio.to_thread(script, peer)

    return client


# -- steps of scripts


def send(*frames: bytes, pause: float = STEP_PAUSE) -> Script:
    """Send frames, with a pause before each."""

    def step(peer: Peer) -> None:
        for each in frames:
            time.sleep(pause)
            peer.send(each)

    return step


def send_audio(messages: int) -> Script:
    """Send audio in real time."""
    frames = [frame(BINARY, data, mask=MASK) for data in audio(messages)]
    return send(*frames, pause=PAUSE)


def until_data(peer: Peer) -> None:
    """Wait for the first bytes of the peer."""
    peer.until(1)


def until_close(peer: Peer) -> None:
    """Wait for the peer's Close frame."""
    while all(each.opcode != CLOSE for each in split(bytes(peer.received))[0]):
        peer.until(len(peer.received) + 1)


END: tuple[Script, ...] = (Peer.until_end, Peer.eof)  # after the peer
FIN: tuple[Script, ...] = (Peer.eof, Peer.until_end)  # before the peer


# -- behavior of libraries


async def stream_and_listen(connection: Connection) -> None:
    await stream_audio(connection, 5)
    await connection.send('{"type": "CloseStream"}')
    async for _ in connection:
        pass


async def stream_and_close(connection: Connection) -> None:
    await stream_audio(connection, 7)
    await connection.close(1000, "the user hung up")


async def stream_and_wait(connection: Connection) -> None:
    """Send some audio, then wait for the peer."""
    await stream_audio(connection, 2)
    async for _ in connection:
        pass


async def stream_and_give_up(connection: Connection) -> None:
    await stream_audio(connection, 4)
    await asyncio.sleep(1.0)
    await connection.close(1001, "no answer")


async def stream_audio(connection: Connection, messages: int) -> None:
    for message in audio(messages):
        await connection.send(message)
        await asyncio.sleep(PAUSE)


async def send_and_receive(connection: Connection) -> None:
    """Send text and audio, and receive an answer to each."""
    messages: list[str | bytes] = [
        f'{{"type": "Configure", "keyterms": ["number {i}", "number"]}}' for i in range(3)
    ]
    messages += audio(4)
    for message in messages:
        await connection.send(message)
        await connection.recv()
        await asyncio.sleep(PAUSE)


async def answer_messages(connection: Connection) -> None:
    count = 0
    async for message in connection:
        count += 1
        answer = '{"type": "Results", "text": "number %d", "bytes": %d}'
        await connection.send(answer % (count, len(message)))


async def send_in_fragments(connection: Connection) -> None:
    text = ['{"type": "Configure", ', '"keyterms": ["one", ', '"two"]}']
    sound = _cut(audio(2)[1], 1200)
    messages: tuple[Sequence[str | bytes], ...] = (text, sound)
    for pieces in messages:
        await connection.send(_with_pings(connection, pieces))
        await connection.recv()


async def answer_in_fragments(connection: Connection) -> None:
    async for _ in connection:
        pieces = ['{"type": "Results", ', '"text": "one ', 'two"}']
        await connection.send(_with_pings(connection, pieces))


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


async def _with_pings(
    connection: Connection, pieces: Sequence[str | bytes]
) -> AsyncIterator[str | bytes]:
    for number, piece in enumerate(pieces):
        yield piece
        await connection.ping(b"after piece %d" % number)
        await asyncio.sleep(PAUSE)
