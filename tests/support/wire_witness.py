"""Raw peers on both sides of a connection, which note every byte and how the connection ended."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable

from tls_certificates import trusting_context
from wsproxy.system.tcp import reset_on_close, unacknowledged

# Seconds after which a peer that waits fails its test: on a busy machine a program takes half a
# minute to start.
PATIENCE = 60.0


def wait_until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Poll until a condition is true."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        threading.Event().wait(0.01)


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
        """The next bytes; empty once the direction has ended; `saw` has how."""
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
                            self.sock.sendall(self._out.read())  # the TLS alert
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
                # After a send that failed with the reset, recv returns end of file.
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
        """Read until `size` bytes have been received after the upgrade."""
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
        with self._send_lock, self._tls_lock:
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLError):
                self._tls.unwrap()
            alert = self._out.read()
            if alert:  # none if unwrap failed first: then nobody can have seen one
                self.did.append("close-notify")
                self.sock.sendall(alert)

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


def through_socks5(proxy: int, port: int, *, tls: bool, host: str | None = None) -> Peer:
    """Through a SOCKS5 proxy without authentication (RFC 1928); a host has to be a name."""
    name = (host or "").encode()
    target = (
        b"\x03" + bytes([len(name)]) + name if host else b"\x01" + socket.inet_aton("127.0.0.1")
    )
    sock = socket.create_connection(("127.0.0.1", proxy))
    sock.settimeout(PATIENCE)
    sock.sendall(b"\x05\x01\x00")
    assert _exactly(sock, 2) == b"\x05\x00"
    sock.sendall(b"\x05\x01\x00" + target + struct.pack("!H", port))
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
