"""Plays a fault with both ends, direct or through a recorder, and says what was seen."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import socket
import termios
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fcntl import ioctl
from functools import partial
from pathlib import Path
from typing import Any

import mitmproxy.proxy.server
import pytest
from mitmproxy import ctx
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from extra_modes import listen
from wire_servers import unused_port
from wire_witness import Peer, wait_until
from wsproxy.proxy.embedding import ProxySettings, RunningProxy, background
from wsproxy.recorder import SessionWriter
from wsproxy.session import Session

from .certificates import HOST, Certificates, client_context
from .ends import QUIET, End
from .table import Case, Fault

# What bounds the waiting of a recorder whose upstream has stalled, and a connect that nobody
# answers: 10 minutes and 2 if left alone.
IDLE_TIMEOUT = 1  # seconds; mitmproxy's tcp_timeout
CONNECT_TIMEOUT = 0.3  # seconds; the kernel's


@dataclass(frozen=True)
class Seen:
    """What both ends saw of a fault, and what the trace says if there was a recorder."""

    client: str
    server: str
    trace: str = ""


def play(case: Case, certificates: Certificates, way: Way) -> Seen:
    """Play a fault once."""
    fault = case.fault
    acted, ready = threading.Event(), threading.Event()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_server(case, certificates, acted, ready))
        context = None
        if case.client_tls:
            context = client_context(way.authority if fault.trusts else None)
        sock, problem = way.connect(fault, server.port)
        if sock is None:
            client = problem
        else:
            seen = partial(way.until_seen, fault, server)
            end = End(sock, context, acted, ready, is_client=True, until_seen=seen)
            end.play(fault.client)
            client = end.summary
        if fault.server is not None:
            # A busy machine can give a connect up: then it is seen that nobody has come.
            with contextlib.suppress(AssertionError):
                wait_until(lambda: server.ends, patience=5)
        way.wait_released()
        server.join()
        return Seen(client, server.summary)


# -- the server


@dataclass
class Server:
    port: int
    listener: socket.socket | None = None
    ends: list[End] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def join(self) -> None:
        wait_until(lambda: not self._has_a_visitor)
        for thread in self.threads:
            thread.join()

    @property
    def _has_a_visitor(self) -> bool:
        """Whether somebody has connected who has not been let in yet."""
        return self.listener is not None and bool(select.select([self.listener], [], [], 0)[0])

    @property
    def summary(self) -> str:
        return " / then: ".join(end.summary for end in self.ends) or "no connection"


@contextlib.contextmanager
def _server(
    case: Case, certificates: Certificates, acted: threading.Event, ready: threading.Event
) -> Iterator[Server]:
    fault = case.fault
    script = fault.server
    if fault.blackhole:
        with _blackhole(fault) as port:
            yield Server(port)
        return
    if script is None:
        yield Server(unused_port())
        return
    context = certificates.server_context(fault.certificate) if case.server_tls else None
    listener = socket.create_server((HOST, 0))
    server = Server(listener.getsockname()[1], listener)

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            again = bool(server.ends)
            end = End(sock, context, acted, ready, is_client=False, is_again=again)
            thread = threading.Thread(target=end.play, args=(script,), daemon=True)
            server.threads.append(thread)
            thread.start()
            server.ends.append(end)

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
        listener.close()


@contextlib.contextmanager
def _blackhole(fault: Fault) -> Iterator[int]:
    """A port where a SYN gets no answer: its queue of connections is full."""
    with socket.create_server((HOST, 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        port = listener.getsockname()[1]
        if not fault.gives_up:
            BLACKHOLES.add(port)
        try:
            yield port
        finally:
            BLACKHOLES.discard(port)


BLACKHOLES: set[int] = set()


# -- ways to the server


class Way:
    """Without a proxy.

    Args:
        authority: whom the client trusts.
    """

    def __init__(self, authority: Path) -> None:
        self.authority = authority

    def connect(self, fault: Fault, port: int) -> tuple[socket.socket | None, str]:
        """A connection, or what the client sees instead."""
        sock = None
        try:
            address = socket.getaddrinfo(fault.host, port, socket.AF_INET)[0][4]
            sock = socket.socket()
            sock.settimeout(CONNECT_TIMEOUT)
            sock.connect(address)
        except socket.gaierror:
            return None, "name does not resolve"
        except ConnectionRefusedError:
            problem = "connection refused"
        except ConnectionResetError:
            problem = "RST"
        except TimeoutError:
            problem = "gets no response" if fault.gives_up else "connect times out"
        else:
            return sock, ""
        assert sock is not None
        sock.close()
        return None, problem

    def until_seen(self, fault: Fault, server: Server) -> None:
        """Wait until the other end of the client's connection has read what was sent.

        A reset takes away what has not been read; that is left to chance otherwise.
        """
        if fault.stage == "partial request":
            wait_until(lambda: server.ends and server.ends[0].has_read)

    def wait_released(self) -> None:
        """Wait until the recorder has released all connections."""


class Redirect:
    """The mitmproxy addon that leads the connections of reverse mode to their servers.

    Attributes:
        targets: the address of the server, by the port of the client.
    """

    def __init__(self) -> None:
        self.targets: dict[int, tuple[str, int]] = {}

    def server_connect(self, data: ServerConnectionHookData) -> None:
        assert data.client.peername is not None
        data.server.address = self.targets.get(data.client.peername[1], data.server.address)


class Recorder:
    """A recorder in regular mode, as apps with HTTPS_PROXY use it, and in reverse mode."""

    def __init__(self, running: RunningProxy) -> None:
        self.authority = running.ca
        assert running.address is not None
        self.address = running.address
        self.redirect = Redirect()
        self.ports: set[int] = set()  # of clients: each once
        self._begun = 0
        self._ended: dict[str | None, list[Path]] = defaultdict(list)  # by client
        self._listen()
        self._tasks_before = self._tasks()

    def _listen(self) -> None:
        """Listen in reverse mode as well, for upstreams without and with TLS."""
        loop = _addon()._recorder._loop

        def prepare() -> None:
            # Of threads that look up names there is one, however many do at once.
            loop.set_default_executor(ThreadPoolExecutor(1))
            ctx.master.addons.add(self.redirect)

        loop.call_soon_threadsafe(prepare)
        # Where the server is, `redirect` says.
        plain, tls = listen(loop, f"reverse:http://{HOST}:1", f"reverse:https://{HOST}:1")
        self.reverse = {False: plain, True: tls}

    def way(self, case: Case) -> Through:
        """The way of one case, which nobody else uses."""
        if case.is_mixed:
            return Through(self, self.reverse[case.server_tls], is_reverse=True)
        return Through(self, self.address, is_reverse=False)

    def begun(self, recording: SessionWriter) -> None:
        self._begun += 1

    def ended(self, recording: SessionWriter) -> None:
        assert recording.session.start is not None
        self._ended[recording.session.start.client].append(recording.path)

    def wait_quiet(self) -> None:
        """Wait until mitmproxy has let go of all connections, and the traces are complete."""
        wait_until(self._is_quiet)
        wait_until(lambda: not _addon()._recorder._backlog.size and self._begun == self._count())

    def _count(self) -> int:
        return sum(map(len, self._ended.values()))

    def handlers(self, port: int) -> list[Any]:
        """mitmproxy's handlers of the connection of a client."""
        connections = ctx.master.addons.get("proxyserver").connections
        return [each for each in list(connections.values()) if each.client.peername[1] == port]

    def _is_quiet(self) -> bool:
        """Whether only the tasks are left that were there when it began."""
        connections = ctx.master.addons.get("proxyserver").connections
        return not connections and self._tasks() <= self._tasks_before

    def _tasks(self) -> int:
        return len(asyncio.all_tasks(_addon()._recorder._loop))

    def traces(self, port: int) -> list[Path]:
        """The traces of a client's connection."""
        return self._ended[f"127.0.0.1:{port}"]

    def held(self) -> dict[str, int]:
        """What is held at rest: read until it does not change for a while."""
        lately: deque[dict[str, int]] = deque(maxlen=20)

        def is_settled() -> bool:
            lately.append(self._held())
            return len(lately) == 20 and all(each == lately[0] for each in lately)

        wait_until(is_settled)
        return lately[0]

    def more_than(self, before: dict[str, int]) -> dict[str, int]:
        """What more is held of than before."""
        now = self._held()
        return {what: number for what, number in now.items() if number > before[what]}

    def _held(self) -> dict[str, int]:
        addon = _addon()
        return {
            "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
            "threads": threading.active_count(),
            "tasks": self._tasks(),
            "live": len(addon._live),
            "busy": len(addon._flows),
        }


def _unread(sock: Any) -> bool:
    """Whether something lies in a socket that was not read."""
    waiting = bytearray(4)
    ioctl(sock.fileno(), termios.FIONREAD, waiting)
    return any(waiting)


class Through(Way):
    """A connection through a recorder.

    Attributes:
        port: of the client.
    """

    def __init__(self, recorder: Recorder, address: tuple[str, int], *, is_reverse: bool) -> None:
        super().__init__(recorder.authority)
        self._recorder = recorder
        self._address = address
        self._is_reverse = is_reverse
        self.port = 0

    def connect(self, fault: Fault, port: int) -> tuple[socket.socket | None, str]:
        sock = self._socket()
        if self._is_reverse:
            self._recorder.redirect.targets[self.port] = (fault.host, port)
        sock.connect(self._address)
        if fault.gives_up:
            sock.settimeout(QUIET)
        try:
            if not self._is_reverse:
                problem = _connect(sock, f"{fault.host}:{port}")
            elif fault.stage == "connect":
                # A request meanwhile would turn the FIN into a RST, or not.
                problem = "a response" if sock.recv(1) else "FIN"
            else:
                problem = ""
        except TimeoutError:
            problem = "gets no response"
        if problem:
            sock.close()
            return None, problem
        return sock, ""

    def _socket(self) -> socket.socket:
        while True:
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
            if self.port not in self._recorder.ports:
                self._recorder.ports.add(self.port)
                return sock
            sock.close()

    def until_seen(self, fault: Fault, server: Server) -> None:
        wait_until(self._has_read)

    def _has_read(self) -> bool:
        for handler in self._recorder.handlers(self.port):
            io = handler.transports.get(handler.client)
            if io is None or io.reader._buffer or _unread(io.writer.get_extra_info("socket")):
                return False
        return True

    def wait_released(self) -> None:
        wait_until(lambda: not self._recorder.handlers(self.port))


def _connect(sock: socket.socket, target: str) -> str:
    """Ask a proxy for a connection; returns what goes wrong, if anything."""
    timeout = sock.gettimeout()
    peer = Peer(sock)
    sock.settimeout(timeout)
    peer.send_head(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    head = peer.read_head()
    return "" if head.startswith(b"HTTP/1.1 200") else f"CONNECT: {head[9:12].decode()}"


def _addon() -> Any:
    return ctx.master.addons.get("record")


@contextlib.contextmanager
def recorder(certificates: Certificates, folder: Path) -> Iterator[Recorder]:
    """A recorder that verifies servers' certificates by the authority of the tests."""
    ways: list[Recorder] = []
    options = [f"ssl_verify_upstream_trusted_ca={certificates.authority}"]
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(mitmproxy.proxy.server, "TCP_TIMEOUT"):  # mitmproxy 11
            patch.setattr(mitmproxy.proxy.server, "TCP_TIMEOUT", IDLE_TIMEOUT)
        else:
            options.append(f"tcp_timeout={IDLE_TIMEOUT}")
        _connect_impatiently(patch)
        settings = ProxySettings(
            port=0,
            out=folder / "traces",
            hosts=(".",),
            confdir=folder / "ca",
            options=tuple(options),
        )
        with background(
            settings,
            on_begin=lambda recording: ways[0].begun(recording),
            on_end=lambda recording: ways[0].ended(recording),
        ) as running:
            ways.append(Recorder(running))
            yield ways[0]


def _connect_impatiently(patch: pytest.MonkeyPatch) -> None:
    kind: Any = asyncio.SelectorEventLoop
    stock = kind.sock_connect

    async def sock_connect(self: Any, sock: socket.socket, address: Any) -> Any:
        if address[1] not in BLACKHOLES:
            return await stock(self, sock, address)
        try:
            return await asyncio.wait_for(stock(self, sock, address), CONNECT_TIMEOUT)
        except TimeoutError:
            # As asyncio passes the kernel's on.
            raise TimeoutError(errno.ETIMEDOUT, f"Connect call failed {address}") from None

    patch.setattr(kind, "sock_connect", sock_connect)


def recorded_outcomes(paths: list[Path]) -> str:
    """What the traces of one fault say."""
    return " / then: ".join(_recorded_outcome(Session.read(path)) for path in paths) or "no trace"


def _recorded_outcome(session: Session) -> str:
    words = f"{session.ending} by {session.closed_by or 'neither side'}"
    if session.failure is not None:
        side = "client" if session.failure.from_client else "server"
        words += f", {session.failure.where} on the {side}'s side"
    if not session.complete:
        words += ", not complete"
    finding = session.end.findings[0] if session.end and session.end.findings else "no finding"
    return f"{words} (`{finding}`)"
