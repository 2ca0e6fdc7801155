"""Servers that run scripts on raw connections, and scenarios with both ends."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tls_certificates import Certificate
from wire_bytes import accepted, upgrade
from wire_witness import PATIENCE, Peer
from wsproxy.system.tcp import reset_on_close

Script = Callable[[Peer], None]

# One count for all servers: a recorder's traces are found by the path, whichever server it was.
_RUNS = itertools.count(1)


@dataclass
class Scenario:
    """What both ends do after the upgrade.

    Attributes:
        server, client: the scripts.
        ending, closed_by: what the trace must say.
        tls: None for both; True or False where it makes sense with (without) TLS only.
        extensions: of the agreed handshake.
        with_101: frames in the segment of the server's 101.
        with_request: frames in the segment of the client's request.
        exact: whether it is fixed how many bytes are sent; else one side is cut off
            somewhere.
    """

    name: str
    server: Script
    client: Script
    ending: str
    closed_by: str | None
    tls: bool | None = None
    extensions: str = ""
    with_101: bytes = b""
    with_request: bytes = b""
    exact: bool = True

    def __str__(self) -> str:
        return self.name


@dataclass
class Witnessed:
    """One run of a scenario: both ends."""

    client: Peer
    server: Peer


def _extensions(scenario: Scenario) -> list[str]:
    return [f"Sec-WebSocket-Extensions: {scenario.extensions}"] if scenario.extensions else []


@dataclass
class _Run:
    scenario: Scenario
    done: threading.Event = field(default_factory=threading.Event)
    peer: Peer | None = None
    error: BaseException | None = None


class Upstream:
    """A listening server that plays the server's part of scenarios.

    Args:
        certificate: for wss; None for ws.
    """

    def __init__(self, certificate: Certificate | None = None) -> None:
        self._context = certificate.server_context() if certificate else None
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self._runs: dict[str, _Run] = {}
        self._accepting = accepting(listener, self._serve)

    def __enter__(self) -> Upstream:
        self._accepting.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._accepting.__exit__(None, None, None)

    def _serve(self, sock: socket.socket) -> None:
        peer = Peer(sock)
        run: _Run | None = None
        try:
            if self._context is not None:
                peer.start_tls(self._context)
            head = peer.read_head()
            if not head:
                return  # opened ahead, and not used
            run = self._runs[head.split(b" ", 2)[1].decode().partition("?")[0]]
            run.peer = peer
            peer.send_head(accepted(*_extensions(run.scenario)), run.scenario.with_101)
            run.scenario.server(peer)
        except BaseException as error:
            if run is None:
                return  # not a scenario's connection
            run.error = error
        finally:
            with contextlib.suppress(OSError):
                peer.close()
            if run is not None:
                run.done.set()

    def play(self, scenario: Scenario, connect: Callable[[], Peer]) -> Witnessed:
        """Play a scenario over a connection that `connect` opens to this server."""
        path = f"/{scenario.name}/{next(_RUNS)}"
        run = self._runs[path] = _Run(scenario)
        client = connect()
        try:
            request = upgrade(path, f"127.0.0.1:{self.port}", *_extensions(scenario))
            client.send_head(request, scenario.with_request)
            head = client.read_head()
            assert head.startswith(b"HTTP/1.1 101 "), head
            scenario.client(client)
        finally:
            client.close()
        assert run.done.wait(PATIENCE), "the server's script does not end"
        if run.error is not None:
            raise run.error
        assert run.peer is not None
        return Witnessed(client, run.peer)


@contextlib.contextmanager
def serving(script: Script, certificate: Certificate | None = None) -> Iterator[int]:
    """Run a script for each connection to a port; the connection is closed after it."""
    context = certificate.server_context() if certificate else None
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(sock: socket.socket) -> None:
        # A peer that goes away is what some tests are about.
        with sock, contextlib.suppress(OSError):
            peer = Peer(sock)
            if context is not None:
                peer.start_tls(context)
            script(peer)

    with accepting(listener, serve):
        yield listener.getsockname()[1]


@contextlib.contextmanager
def accepting(listener: socket.socket, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """Serve each connection on a thread of its own until the end of the `with`."""

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def unused_port() -> int:
    """A port that nobody listens on.

    For programs that take no port 0. It is none that the system gives to sockets by itself, and
    each worker of pytest has its own: nobody else takes it before the program does.
    """
    while True:
        port = next(_ports)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _own_ports() -> Iterator[int]:
    """Ports below those of Linux (32768) and of macOS (49152), again and again."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = range(20_000 + worker % 6 * 2000, 22_000 + worker % 6 * 2000)
    first = os.getpid() % len(ports)  # another run of pytest begins elsewhere
    return itertools.cycle([*ports[first:], *ports[:first]])


_ports = _own_ports()


def listens(port: int) -> bool:
    """Whether somebody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def connect_proxy() -> Iterator[int]:
    """A plain CONNECT proxy, for upstream mode: relays bytes, ends as each side ends."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for sock in (source, sink):
                reset_on_close(sock)
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RD)

    def serve(client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536)
            host, _, port = head.split(b" ")[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                # Else data waits until what was sent before is acknowledged; a reset drops it.
                for sock in (client, server):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                back.start()
                pump(client, server)
                back.join()

    with accepting(listener, serve):
        yield listener.getsockname()[1]
