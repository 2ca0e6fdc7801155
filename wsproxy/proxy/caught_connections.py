"""Connections of a command that its supervisor has caught (`wsproxy.intercept.catch`).

Each is first connected to the server that the app chose, then to the app. The app's first bytes
name the host: connections to speech APIs go through mitmproxy, all others are relayed verbatim
and are none of the recorder's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import socket
import time
from collections import Counter
from functools import partial
from typing import Any, Protocol

from mitmproxy import ctx
from mitmproxy.connection import Client
from mitmproxy.proxy.layers.modes import TransparentProxy
from mitmproxy.proxy.mode_specs import ProxyMode

from wsproxy.intercept.catch import meeting
from wsproxy.intercept.past_connections import PastConnection

from . import connection_control, first_bytes
from .adopted_server import AdoptingHandler, Streams
from .first_bytes import FirstBytes
from .recorded_hosts import RecordedHosts
from .relay import Leg, Relay
from .relay_layer import UnrecordedSink

logger = logging.getLogger(__name__)

# What connect(2) says about the network. An error of this process is not the app's.
_ERRORS = frozenset(
    {
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ETIMEDOUT,
    }
)
_READ_SIZE = 64 << 10
_MAX_LINE = 64 << 10
_MAX_NAMES = 1000
_INTERNAL = "by the supervisor"
_WITHOUT_CA = "its environment does not have the recorder's CA"


class CatchMode(ProxyMode):
    """The proxy mode of caught connections; it listens on no port, and no option selects it."""

    description = "caught connections"
    transport_protocol = "tcp"

    def __post_init__(self) -> None:
        if self.data != _INTERNAL:
            raise ValueError("unknown mode")


_MODE = CatchMode("catch", _INTERNAL, None, None)


class CatchRecorder(Protocol):
    """What records; `RecordAddon` does.

    Attributes:
        hosts: which hosts are recorded.
    """

    @property
    def hosts(self) -> RecordedHosts: ...

    def record_unreachable(
        self, client: Client, host: str, port: int, error: str, since: float
    ) -> None:
        """Record that a server could not be connected to."""


class CaughtConnections:
    """All caught connections of one command.

    Args:
        recorder: records them, or some of them.
        control: the supervisor's channel.

    Attributes:
        past: how many connections went past the recorder, by kind.
        relayed: how many were relayed because they are no API's, by host.
    """

    def __init__(self, recorder: CatchRecorder, control: socket.socket) -> None:
        self.past: Counter[PastConnection] = Counter()
        self.relayed: Counter[str] = Counter()
        self._recorder = recorder
        self._control = control
        self._tasks: set[asyncio.Task[None]] = set()
        self._names: dict[str, str] = {}  # hosts that are recorded, by IP address

    async def serve(self) -> None:
        """Handle the supervisor's messages until it ends; then end all connections."""
        reader, self._supervisor = await asyncio.open_connection(
            sock=self._control, limit=_MAX_LINE
        )
        try:
            while line := await reader.readline():
                self._handle(json.loads(line))
        finally:
            for task in self._tasks:
                task.cancel("the recorder is stopped")
            self._supervisor.close()

    def _handle(self, message: dict[str, Any]) -> None:
        match message:
            case {"opening": number, "to": to, "meeting": place, "app": app, "without_ca": program}:
                opening = self._open(number, tuple(to), tuple(place), tuple(app), program)
                task = asyncio.create_task(opening)
                self._tasks.add(task)
                task.add_done_callback(partial(self._on_task_end, number))
            case {"past": address, "program": program, "why": why}:
                self.past[PastConnection(address and tuple(address), program, why)] += 1

    def _on_task_end(self, number: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("wsproxy: a caught connection has failed", exc_info=error)
            self._report(number, errno.ECONNREFUSED)  # unless the app has an answer already

    def _report(self, number: int, error: int) -> None:
        self._supervisor.write(json.dumps({"opened": number, "errno": error}).encode() + b"\n")

    async def _open(
        self,
        number: int,
        to: tuple[Any, ...],
        place: meeting.Address,
        app: meeting.Address,
        without_ca: str | None,
    ) -> None:
        """Connect to the server, then to the app, and carry their data until both have ended."""
        began = time.time()
        try:
            server = await _connect(to)
        except OSError as error:
            self._report(number, error.errno if error.errno in _ERRORS else errno.ECONNREFUSED)
            self._on_unreachable(app, to, error, began)
            return
        with contextlib.closing(server[1]):
            try:
                client = await _join(place, app)
            except OSError:
                self._report(number, errno.ECONNREFUSED)
                return  # the app has closed its socket
            self._report(number, 0)
            with contextlib.closing(client[1]):
                await self._carry(client, server, to, without_ca)

    def _on_unreachable(
        self, app: meeting.Address, to: tuple[Any, ...], error: OSError, since: float
    ) -> None:
        host = self._names.get(to[0])
        if host is None and self._recorder.hosts.is_named(to[0]):
            host = to[0]
        if host is not None:
            client = Client(peername=app, sockname=("", 0), timestamp_start=since, proxy_mode=_MODE)
            self._recorder.record_unreachable(client, host, to[1], str(error), since)

    async def _carry(
        self, client: Streams, server: Streams, to: tuple[Any, ...], without_ca: str | None
    ) -> None:
        first = await _first_bytes(client, server)
        host = first.host or to[0]
        hosts = self._recorder.hosts
        if not hosts.is_wanted(host) and not (first.is_upgrade and hosts.includes(host)):
            if host in self.relayed or len(self.relayed) < _MAX_NAMES:
                self.relayed[host] += 1
            await _relay(client, server)
            return
        if without_ca is not None and first.is_tls and not hosts.is_named(host):
            self.past[PastConnection((host, to[1]), without_ca, _WITHOUT_CA)] += 1
            await _relay(client, server)
            return
        self._names[to[0]] = host
        if len(self._names) > _MAX_NAMES:
            del self._names[next(iter(self._names))]
        await _record(client, server, to)


async def _connect(to: tuple[Any, ...]) -> Streams:
    """Connect to a server.

    Raises:
        OSError: it cannot be reached.
    """
    family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
    # With the protocol, as otherwise asyncio does not send small data at once.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, to)
        return await asyncio.open_connection(sock=sock)
    except BaseException:
        sock.close()
        raise


async def _join(place: meeting.Address, app: meeting.Address) -> Streams:
    """Connect to an app's socket.

    Raises:
        OSError: it was closed.
    """
    sock = meeting.recorder_socket(place)
    try:
        await asyncio.get_running_loop().sock_connect(sock, app)
        return await asyncio.open_connection(sock=sock)
    except BaseException:
        sock.close()
        raise


async def _first_bytes(client: Streams, server: Streams) -> FirstBytes:
    """Wait for the first bytes of the client; they stay in its reader.

    If the server speaks first, or one of them ends the connection, it is not an API's.
    """
    size = 0
    answer = asyncio.create_task(_peek(server[0], 0))
    request = asyncio.create_task(_peek(client[0], 0))
    try:
        while True:
            await asyncio.wait({request, answer}, return_when=asyncio.FIRST_COMPLETED)
            if not request.done() or len(data := request.result()) == size:
                return FirstBytes()
            if (first := first_bytes.read(data)) is not None:
                return first
            size = len(data)
            request = asyncio.create_task(_peek(client[0], size))
    finally:
        for task in (request, answer):
            task.cancel()
        await asyncio.gather(request, answer, return_exceptions=True)


async def _peek(reader: asyncio.StreamReader, known: int) -> bytes:
    """Wait until a reader has more bytes than are known, or an end; nothing is consumed."""
    data = b""
    try:
        while len(data) <= known and (received := await reader.read(_READ_SIZE)):
            data += received
    except OSError:  # a reset, which the reader keeps
        pass
    finally:
        # StreamReader has no way to look at data. This is older than anything in the buffer.
        reader._buffer[:0] = data  # type: ignore[attr-defined]
    return data


async def _relay(client: Streams, server: Streams) -> None:
    """Relay verbatim, with half-closes and resets, until both connections are lost."""
    ended = asyncio.Event()
    sink = UnrecordedSink()
    legs = Leg(True, *client, None), Leg(False, *server, None)
    relay = Relay(*legs, sink, lambda: False, ended.set)
    sink.attach(relay, lambda session: None)
    relay.start()
    await ended.wait()


async def _record(client: Streams, server: Streams, to: tuple[Any, ...]) -> None:
    """Let mitmproxy handle a connection, as one of its transparent mode."""
    handler = AdoptingHandler(ctx.master, *client, ctx.options, _MODE)  # type: ignore[no-untyped-call]  # of mitmproxy
    handler.adopt(server, to)
    context = handler.layer.context
    context.server.address = to[:2]
    handler.layer = TransparentProxy(context)
    with connection_control.proxyserver().register_connection(handler.client.id, handler):
        await handler.handle_client()
