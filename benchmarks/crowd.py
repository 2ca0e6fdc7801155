"""Real-time sessions without an end: each ends after a while and another takes its place.

Run by `soak`, in a process of its own: `python -m benchmarks.crowd`, with its options as JSON.
Apps and server are both in here, on raw sockets: a frame's way through the recorder is
measured on one clock, and each end counts what it gets. A few sessions go directly to the
server, so that what the recorder adds can be distinguished from what the machine takes.

Prints lines of JSON: a session that has ended, or the figures of the last seconds. It ends
its sessions and itself when its standard input is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
import struct
import sys
from dataclasses import dataclass
from time import monotonic, monotonic_ns

from .load import ANSWER, KEY, header

SLOTS = 10  # a session speaks in one of this many parts of the interval
DIRECT = 4  # sessions that go to the server directly
RESULT_SIZE = 300  # bytes of the payload that the server sends once a second
PATIENCE = 60.0  # seconds that a connect, an upgrade or a closing handshake may take
REPORT_EVERY = 10.0  # seconds

STAMP = struct.Struct("!QI")  # when it was sent, ns on the monotonic clock, and its number
_CLOSE = header(2, opcode=8, masked=False) + b"\x03\xe8"
_MASKED_CLOSE = header(2, opcode=8, masked=True) + b"\x03\xe8"
_CONTENT = os.urandom(1 << 20)


@dataclass(frozen=True)
class Settings:
    """What the crowd does.

    Attributes:
        port: of the proxy.
        sessions: at a time.
        size: bytes of the payload of an app's frame.
        every: seconds between two of them.
        shortest, longest: seconds that a session lasts.
        ramp: sessions that are begun a second at the start.
    """

    port: int
    sessions: int
    size: int
    every: float
    shortest: float
    longest: float
    ramp: float

    @property
    def ramp_seconds(self) -> float:
        """Until all sessions are up."""
        return self.sessions / self.ramp


class Histogram:
    """Counts of durations in steps of 2^15 ns (33 µs), so that taking one costs next to nothing."""

    STEP = 15

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}

    def add(self, ns: int) -> None:
        step = ns >> self.STEP
        self.counts[step] = self.counts.get(step, 0) + 1


class End(asyncio.Protocol):
    """One end of a session: counts the other's frames, which have one size and a number.

    Attributes:
        received: frames that arrived complete and in order.
        wrong: frames with another number than was due.
        closed: the other end's Close has come, or the connection is lost.
        lost: the connection is lost.
    """

    def __init__(self, crowd: Crowd, wire_size: int, stamp_at: int) -> None:
        loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self.crowd = crowd
        self.received = self.wrong = self.sent = 0
        self.latencies: Histogram | None = None
        self.head = loop.create_future()
        self.closed = loop.create_future()
        self.lost = loop.create_future()
        self._wire_size = wire_size
        self._stamp_at = stamp_at
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self.head.done():
            end = buffer.find(b"\r\n\r\n") + 4
            if end < 4:
                return
            head = bytes(buffer[:end])
            del buffer[:end]
            self.head.set_result(head)
            self.opened(head)
        size = self._wire_size
        while len(buffer) >= size:
            stamp, number = STAMP.unpack_from(buffer, self._stamp_at)
            self.wrong += number != self.received
            self.received += 1
            if self.latencies is not None:
                self.latencies.add(monotonic_ns() - stamp)
            del buffer[:size]
        if buffer and buffer[0] == 0x88 and not self.closed.done():
            self.closed.set_result("close")
            self.got_close()

    def opened(self, head: bytes) -> None:
        pass

    def got_close(self) -> None:
        pass

    def connection_lost(self, exc: Exception | None) -> None:
        for each, result in ((self.closed, "lost"), (self.lost, None)):
            if not each.done():
                each.set_result(result)
        if not self.head.done():
            self.head.set_exception(ConnectionError("lost before it was open"))


class Server(End):
    """The server's end: answers, and echoes the Close."""

    def opened(self, head: bytes) -> None:
        self.transport.write(ANSWER)
        self.crowd.servers[int(head.partition(b"session=")[2].split(b" ")[0])] = self

    def got_close(self) -> None:
        self.transport.write(_CLOSE)
        self.transport.close()


class Talk:
    """One session.

    Args:
        number: in its URL.
        proxy: port of the proxy; None: it goes to the server directly.
    """

    def __init__(self, crowd: Crowd, number: int, proxy: int | None) -> None:
        self.number = number
        self._crowd = crowd
        self._proxy = proxy
        self.proxied = proxy is not None
        # Until there are connections, what they have to show is nothing.
        self.client = End(crowd, crowd.result_size, crowd.result_size - RESULT_SIZE)
        self.server = End(crowd, 0, 0)

    async def begin(self) -> None:
        crowd, loop = self._crowd, asyncio.get_running_loop()
        await loop.create_connection(lambda: self.client, "127.0.0.1", self._proxy or crowd.port)
        if self._proxy:
            self.client.transport.write(f"CONNECT 127.0.0.1:{crowd.port} HTTP/1.1\r\n\r\n".encode())
            await self.client.head
            self.client.head = loop.create_future()
        self.client.transport.write(
            f"GET /v1/listen?session={self.number} HTTP/1.1\r\nHost: 127.0.0.1:{crowd.port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = await self.client.head
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(head.partition(b"\r\n")[0].decode())
        self.server = crowd.servers.pop(self.number)
        self.server.latencies = crowd.proxied if self.proxied else crowd.direct

    def say(self) -> None:
        """A frame of the app, and once a second one of the server."""
        crowd, client = self._crowd, self.client
        if client.closed.done():
            return
        at = client.sent * 7919 % (len(_CONTENT) - crowd.settings.size)
        stamp = STAMP.pack(monotonic_ns(), client.sent)
        content = _CONTENT[at : at + crowd.settings.size - STAMP.size]
        client.transport.write(crowd.sent_header + stamp + content)
        client.sent += 1
        if client.sent % crowd.frames_a_result == 0:
            server = self.server
            stamp = STAMP.pack(monotonic_ns(), server.sent)
            server.transport.write(crowd.result_header + stamp + crowd.result)
            server.sent += 1

    async def end(self) -> str:
        """The closing handshake; returns how it went."""
        client = self.client
        client.transport.write(_MASKED_CLOSE)
        how = str(await client.closed)
        await client.lost
        await self.server.lost
        return how


class Crowd:
    """Keeps a number of sessions open."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.servers: dict[int, End] = {}  # whose client has not taken them yet
        self.port = 0
        self.sent_header = header(settings.size, opcode=2, masked=True)
        self.result_header = header(RESULT_SIZE, opcode=1, masked=False)
        self.result_size = len(self.result_header) + RESULT_SIZE
        self.result = b"x" * (RESULT_SIZE - STAMP.size)
        self.frames_a_result = max(1, round(1 / settings.every))
        self._renew()
        self._numbers = iter(range(1, 1 << 62))
        self._slots: list[set[Talk]] = [set() for _ in range(SLOTS)]
        self._stop = asyncio.Event()

    def _renew(self) -> None:
        self.proxied, self.direct, self.late = Histogram(), Histogram(), Histogram()

    async def run(self) -> None:
        wire_size = len(self.sent_header) + self.settings.size
        server = await asyncio.get_running_loop().create_server(
            lambda: Server(self, wire_size, len(self.sent_header)), "127.0.0.1", 0, backlog=1024
        )
        self.port = server.sockets[0].getsockname()[1]
        places = [
            asyncio.create_task(self._place(n)) for n in range(-DIRECT, self.settings.sessions)
        ]
        ticking = [asyncio.create_task(self._tick()), asyncio.create_task(self._report())]
        gc.freeze()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        self._stop.set()
        await asyncio.wait(places, timeout=2 * PATIENCE)
        for each in ticking:
            each.cancel()
        self._print_figures()
        server.close()

    async def _place(self, place: int) -> None:
        """One session after another; those with a negative place go directly."""
        await self._sleep(max(0, place) / self.settings.ramp)
        while not self._stop.is_set():
            talk = Talk(self, next(self._numbers), self.settings.port if place >= 0 else None)
            slot = self._slots[place % SLOTS]
            how = "?"
            try:
                await asyncio.wait_for(talk.begin(), PATIENCE)
                slot.add(talk)
                await self._sleep(random.uniform(self.settings.shortest, self.settings.longest))
                slot.discard(talk)
                how = await asyncio.wait_for(talk.end(), PATIENCE)
            except (OSError, TimeoutError, KeyError) as error:
                how = f"{type(error).__name__}: {error}"
                slot.discard(talk)
            self._print_ended(talk, how)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _tick(self) -> None:
        """Have each session speak at its interval; catch up when late, and report it."""
        pause = self.settings.every / SLOTS
        due = monotonic()
        while True:
            for slot in self._slots:
                await asyncio.sleep(max(0.0, due - monotonic()))
                self.late.add(max(0, int((monotonic() - due) * 1e9)))
                for talk in slot:
                    talk.say()
                due += pause

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY)
            self._print_figures()

    def _print_figures(self) -> None:
        proxied, direct, late = self.proxied, self.direct, self.late
        self._renew()
        for slot in self._slots:
            for talk in slot:
                talk.server.latencies = self.proxied if talk.proxied else self.direct
        print_json(
            kind="figures",
            sessions=sum(talk.proxied for slot in self._slots for talk in slot),
            proxied=proxied.counts,
            direct=direct.counts,
            late=late.counts,
        )

    def _print_ended(self, talk: Talk, how: str) -> None:
        print_json(
            kind="ended",
            session=talk.number,
            proxied=talk.proxied,
            how=how,
            sent=[talk.client.sent, talk.server.sent],
            received=[talk.server.received, talk.client.received],
            wrong=talk.server.wrong + talk.client.wrong,
        )


def print_json(**values: object) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    asyncio.run(Crowd(Settings(**json.loads(sys.argv[1]))).run())
