"""Raw peers on both sides of a connection, that note every byte and how it ended.

Frames are put together and taken apart by hand, without a WebSocket library and without
`wsproxy.wire`, so that the recorder is compared with independent code.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wsproxy.system.tcp import reset_on_close, unacknowledged

# Seconds after which a peer that waits fails its test: on a busy machine a program takes half a
# minute to start.
PATIENCE = 60.0

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK = b"\x12\x34\x56\x78"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = None,
    length_size: int | None = None,
) -> bytes:
    """The bytes of a frame; `length_size` is the size of its extended length, bytes."""
    size = len(payload)
    if length_size is None:
        length_size = 0 if size < 126 else 2 if size < 1 << 16 else 8
    marker = {0: size, 2: 126, 8: 127}[length_size]
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode, (0x80 if mask else 0) | marker])
    head += size.to_bytes(length_size, "big") if length_size else b""
    return head + (mask + masked(payload, mask) if mask else payload)


def masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def close(code: int | None, reason: bytes = b"", *, mask: bytes | None = None) -> bytes:
    payload = b"" if code is None else struct.pack("!H", code) + reason
    return frame(CLOSE, payload, mask=mask)


@dataclass(frozen=True)
class Split:
    """A frame taken apart."""

    fin: bool
    rsv: int
    opcode: int
    mask: bytes | None
    payload: bytes
    wire_length: int


def split(data: bytes) -> tuple[list[Split], bytes]:
    """All whole frames of a direction, and the bytes of one that is not whole."""
    out = []
    at = 0
    while len(data) - at >= 2:
        first, second = data[at], data[at + 1]
        extended = {126: 2, 127: 8}.get(second & 0x7F, 0)
        head = 2 + extended + (4 if second & 0x80 else 0)
        if len(data) - at < head:
            break
        size = (
            int.from_bytes(data[at + 2 : at + 2 + extended], "big") if extended else second & 0x7F
        )
        if len(data) - at < head + size:
            break
        mask = data[at + head - 4 : at + head] if second & 0x80 else None
        payload = data[at + head : at + head + size]
        payload = masked(payload, mask) if mask else payload
        out.append(
            Split(bool(first & 0x80), first >> 4 & 7, first & 0xF, mask, payload, head + size)
        )
        at += head + size
    return out, data[at:]


def wait_until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for a condition that nobody tells of."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it does not come to that"
        threading.Event().wait(0.01)


class Deflater:
    """Deflates messages with context takeover."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(wbits=-15)

    def message(self, text: bytes) -> bytes:
        return (self._zlib.compress(text) + self._zlib.flush(zlib.Z_SYNC_FLUSH))[:-4]


# -- certificates


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate and its key, one PEM file."""

    path: Path

    @classmethod
    def make(cls, path: Path, names: tuple[str, ...] = ("127.0.0.1", "localhost")) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        now = datetime.datetime.now(datetime.UTC)
        alternatives = [
            x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n)
            for n in names
        ]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .sign(key, hashes.SHA256())
        )
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return cls(path)

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context


def trusting_context() -> ssl.SSLContext:
    """A client's context that trusts everybody: who is who is no matter of the wire tests."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# -- peers


class Peer:
    """One end of a connection.

    Attributes:
        received, sent: bytes after the upgrade.
        saw: how the other side's direction ended, as this end saw it: "close-notify"
            (TLS), then "eof" or "reset"; "tls" if TLS broke.
        did: what this end did to end its own direction.
        tls_error: how OpenSSL calls what broke TLS.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.head = b""
        self.received = bytearray()
        self.sent = bytearray()
        self.saw: list[str] = []
        self.did: list[str] = []
        self.tls_error: str | None = None
        self._tls: ssl.SSLObject | None = None
        self._tls_lock = threading.Lock()
        self._send_lock = threading.Lock()

    def start_tls(self, context: ssl.SSLContext, server_name: str | None = None) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        server_side = context.protocol == ssl.PROTOCOL_TLS_SERVER
        tls = context.wrap_bio(
            self._in, self._out, server_side=server_side, server_hostname=server_name
        )
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.sock.sendall(self._out.read())
                data = self.sock.recv(65536)
                if not data:
                    raise ConnectionError("end of file in the TLS handshake") from None
                self._in.write(data)
            finally:
                self.sock.sendall(self._out.read())
        self._tls = tls

    @property
    def tls(self) -> bool:
        return self._tls is not None

    # -- receiving

    def _recv(self, *, tcp_end: bool = True) -> bytes:
        """The next bytes; empty once the direction has ended, which `saw` tells."""
        while True:
            if "close-notify" in self.saw and not tcp_end:
                return b""
            if self._tls is not None and "close-notify" not in self.saw:
                with self._tls_lock:
                    try:
                        data = self._tls.read(1 << 16)
                    except ssl.SSLWantReadError:
                        pass
                    except ssl.SSLZeroReturnError:
                        self.saw.append("close-notify")
                        continue
                    except ssl.SSLError as error:
                        self.saw.append("tls")
                        self.tls_error = error.reason
                        with contextlib.suppress(OSError):
                            self.sock.sendall(self._out.read())  # the alert that tells of it
                        return b""
                    else:
                        if data:
                            return data
                        self.saw.append("close-notify")
                        continue
            try:
                data = self.sock.recv(1 << 16)
            except ConnectionResetError:
                self.saw.append("reset")
                return b""
            if not data:
                # After a send that was told of the reset, recv says end of file.
                if "reset" not in self.saw:
                    self.saw.append("eof")
                return b""
            if self._tls is None:
                return data
            if "close-notify" not in self.saw:
                with self._tls_lock:
                    self._in.write(data)

    def read_head(self) -> bytes:
        """Read up to the empty line of an HTTP head; what follows counts as received."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._recv()
            if not more:
                self.head = data
                return data
            data += more
        head, end, rest = data.partition(b"\r\n\r\n")
        self.received += rest
        self.head = head + end
        return self.head

    def until(self, size: int) -> None:
        """Read until so many bytes have been received after the upgrade."""
        while len(self.received) < size:
            data = self._recv()
            assert data, f"ended ({self.saw}) after {len(self.received)} of {size} bytes"
            self.received += data

    def until_end(self) -> None:
        """Read until the other side's direction has ended."""
        while data := self._recv():
            self.received += data

    def until_close_notify(self) -> None:
        """Read until the other side has ended its direction in TLS (of a plain one: TCP)."""
        while data := self._recv(tcp_end=False):
            self.received += data

    # -- sending

    def send_head(self, head: bytes, then: bytes = b"") -> None:
        """Send an HTTP head, and frames in the same segment."""
        self.sent += then
        self._send(head + then)

    def send(self, *frames: bytes) -> None:
        """Send frames, all in one write."""
        data = b"".join(frames)
        self.sent += data
        self._send(data)

    def send_until_refused(self, chunk: bytes) -> None:
        """Send the same frames until the connection is gone."""
        while True:
            try:
                self.send(chunk)
            except ConnectionResetError:
                self.saw.append("reset")
                return
            except BrokenPipeError:
                return

    def _send(self, data: bytes) -> None:
        with self._send_lock:
            if self._tls is None:
                self.sock.sendall(data)
                return
            view = memoryview(data)
            while view:
                piece = view[: 1 << 18]
                with self._tls_lock:
                    written = self._tls.write(piece)
                    out = self._out.read()
                self.sock.sendall(out)
                view = view[written:]

    # -- ending

    def close_notify(self) -> None:
        """End this direction in TLS; nothing on a plain connection."""
        if self._tls is None:
            return
        self.did.append("close-notify")
        with self._send_lock, self._tls_lock:
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLError):
                self._tls.unwrap()
            self.sock.sendall(self._out.read())

    def eof(self) -> None:
        """End this direction of the TCP connection; the other stays open."""
        self.did.append("eof")
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Abort the connection once the other end's kernel has what was sent."""
        self.did.append("reset")
        self._wait_until_acknowledged()
        reset_on_close(self.sock)
        self.sock.close()

    def _wait_until_acknowledged(self) -> None:
        deadline = threading.Event()
        for _ in range(10_000):
            if not unacknowledged(self.sock):
                return
            deadline.wait(0.001)
        raise AssertionError("the other end's kernel does not take what was sent")

    def close(self) -> None:
        self.sock.close()


Script = Callable[[Peer], None]


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


_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3


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
        self._count = 0
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
        self._count += 1
        path = f"/{scenario.name}/{self._count}"
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


def upgrade(path: str, host: str, *headers: str) -> bytes:
    """The head of a request for a WebSocket."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {_KEY}",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def accepted(*headers: str) -> bytes:
    """The head of an answer that accepts it."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {_ACCEPT}",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


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
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


# -- ways to the server


def direct(port: int, *, tls: bool) -> Peer:
    peer = Peer(socket.create_connection(("127.0.0.1", port)))
    if tls:
        peer.start_tls(trusting_context(), "localhost")
    return peer


def through_connect(proxy: int, port: int, *, tls: bool, host: str = "127.0.0.1") -> Peer:
    """Through an HTTP proxy's CONNECT."""
    peer = Peer(socket.create_connection(("127.0.0.1", proxy)))
    peer.send_head(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    head = peer.read_head()
    assert head.startswith(b"HTTP/1.1 200"), head
    peer.head = b""
    if tls:
        peer.start_tls(trusting_context(), "localhost")
    return peer


def through_socks5(proxy: int, port: int, *, tls: bool) -> Peer:
    """Through a SOCKS5 proxy without authentication (RFC 1928)."""
    sock = socket.create_connection(("127.0.0.1", proxy))
    sock.settimeout(PATIENCE)
    sock.sendall(b"\x05\x01\x00")
    assert _exactly(sock, 2) == b"\x05\x00"
    sock.sendall(b"\x05\x01\x00\x01" + socket.inet_aton("127.0.0.1") + struct.pack("!H", port))
    assert _exactly(sock, 10)[1] == 0
    peer = Peer(sock)
    if tls:
        peer.start_tls(trusting_context(), "localhost")
    return peer


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        assert more, "the connection ended"
        data += more
    return data


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
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                back.start()
                pump(client, server)
                back.join()

    with accepting(listener, serve):
        yield listener.getsockname()[1]
