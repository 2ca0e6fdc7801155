"""The load: clients and upstream in one process, on raw sockets, with ready-made frames.

Both ends are in one process so that a frame's way through the proxy is measured on one
clock: each frame carries the time at which it was sent.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import os
import ssl
import struct
import tempfile
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ACCEPT = base64.b64encode(hashlib.sha1((KEY + _GUID).encode()).digest()).decode()
ANSWER = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Accept: {_ACCEPT}\r\n\r\n"
).encode()

# Random content, as audio is for a compressor; more of it than a compressor looks back.
_CONTENT = os.urandom(1 << 20)


def header(size: int, *, opcode: int, masked: bool) -> bytes:
    """A frame's header; the masking key is zero, so that payloads need no masking here."""
    bit, key = (0x80, bytes(4)) if masked else (0, b"")
    if size < 126:
        return bytes([0x80 | opcode, bit | size]) + key
    if size < 1 << 16:
        return struct.pack("!BBH", 0x80 | opcode, bit | 126, size) + key
    return struct.pack("!BBQ", 0x80 | opcode, bit | 127, size) + key


class Peer(asyncio.Protocol):
    """One end of a session: sends frames of one size, counts those of the other end.

    Attributes:
        masked: what comes is from the app: masked, anew by some proxies, and stamped.
        received: frames that have come whole, as far as their count shows by bytes.
        latencies: ns that they were under way.
    """

    masked = False

    def __init__(self, wire_size: int, stamp_at: int) -> None:
        self.transport: asyncio.Transport
        self.received = 0
        self.latencies: list[int] = []
        self.open = asyncio.get_running_loop().create_future()
        self.writable = asyncio.Event()
        self.writable.set()
        self._wire_size = wire_size
        self._stamp_at = stamp_at
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self.open.done():
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(buffer[: end + 4])
            del buffer[: end + 4]
            self.head(head)
        self.count()

    def head(self, head: bytes) -> None:
        raise NotImplementedError

    def count(self) -> None:
        buffer, size, at = self._buffer, self._wire_size, self._stamp_at
        whole = len(buffer) // size
        if not whole or not self.open.done():
            return
        if self.masked:
            now = time.monotonic_ns()
            for start in range(at, whole * size, size):
                (sent,) = struct.unpack_from("!Q", buffer, start)
                (key,) = struct.unpack_from("!I", buffer, start - 4)
                self.latencies.append(now - (sent ^ (key << 32 | key)))
        self.received += whole
        del buffer[: whole * size]

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()
        if not self.open.done():
            self.open.set_exception(ConnectionError("lost before it was open"))


class Upstream(Peer):
    """The server's end."""

    masked = True

    def head(self, head: bytes) -> None:
        self.transport.write(ANSWER)
        self.open.set_result(None)


class Client(Peer):
    """The app's end; with a proxy, after CONNECT."""

    def head(self, head: bytes) -> None:
        self.open.set_result(head)


class Sizes:
    """Frame sizes of a workload: payload of the app's frames and of the server's, bytes."""

    def __init__(self, sent: int, received: int) -> None:
        self.sent_header = header(sent, opcode=2, masked=True)
        self.received_header = header(received, opcode=1, masked=False)
        self.sent, self.received = sent, received

    def upstream(self) -> Upstream:
        return Upstream(len(self.sent_header) + self.sent, len(self.sent_header))

    def client(self) -> Client:
        return Client(len(self.received_header) + self.received, len(self.received_header))

    def frame_sent(self, number: int) -> bytes:
        at = number * 7919 % (len(_CONTENT) - self.sent)
        stamp = struct.pack("!Q", time.monotonic_ns())
        return self.sent_header + stamp + _CONTENT[at : at + self.sent - 8]

    def frame_received(self) -> bytes:
        return self.received_header + bytes(8) + b"x" * (self.received - 8)


class Sessions:
    """Sessions through a proxy to an upstream in this process.

    Args:
        proxy_port: None for a direct connection.
        tls: wss.
    """

    def __init__(self, sizes: Sizes, proxy_port: int | None, tls: bool) -> None:
        self.sizes = sizes
        self.clients: list[Client] = []
        self.upstreams: list[Upstream] = []
        self._proxy_port = proxy_port
        self._tls = tls
        self._client_tls: ssl.SSLContext | None = None

    async def open(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        server_tls = None
        if self._tls:
            server_tls, self._client_tls = contexts()

        def accept() -> Upstream:
            self.upstreams.append(self.sizes.upstream())
            return self.upstreams[-1]

        self._server = await loop.create_server(accept, "127.0.0.1", 0, ssl=server_tls)
        self._port = self._server.sockets[0].getsockname()[1]
        for _ in range(count):
            self.clients.append(await self.connect())
        await asyncio.gather(*(c.open for c in self.clients), *(u.open for u in self.upstreams))

    async def connect(self) -> Client:
        """Begin one more session; its `open` is set when it is answered."""
        loop = asyncio.get_running_loop()
        client = self.sizes.client()
        port = self._proxy_port or self._port
        await loop.create_connection(lambda: client, "127.0.0.1", port)
        if self._proxy_port:
            client.transport.write(f"CONNECT 127.0.0.1:{self._port} HTTP/1.1\r\n\r\n".encode())
            await client.open
            client.open = loop.create_future()
        if self._client_tls is not None:
            transport = await loop.start_tls(
                client.transport, client, self._client_tls, server_hostname="127.0.0.1"
            )
            assert transport is not None
            client.transport = transport
        client.transport.write(
            f"GET /v1/listen HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        return client

    def received(self) -> int:
        """Frames that have reached either end."""
        return sum(p.received for p in (*self.clients, *self.upstreams))

    def take_latencies(self) -> list[int]:
        """Of the app's frames since the last call, ns."""
        taken = [ns for upstream in self.upstreams for ns in upstream.latencies]
        for upstream in self.upstreams:
            upstream.latencies.clear()
        return taken

    async def close(self) -> None:
        for peer in (*self.clients, *self.upstreams):
            peer.transport.abort()
        self._server.close()


async def real_time(sessions: Sessions, seconds: float) -> None:
    """A frame every 20 ms and session from the app, a text every 100 ms from the server."""
    clients, upstreams = sessions.clients, sessions.upstreams
    loop = asyncio.get_running_loop()
    slots = 10  # sessions do not all speak at the same moment
    started = loop.time()
    for tick in range(int(seconds / 0.02 * slots)):
        await asyncio.sleep(max(0.0, started + tick * 0.02 / slots - loop.time()))
        for client in clients[tick % slots :: slots]:
            client.transport.write(sessions.sizes.frame_sent(tick))
        if tick // slots % 5 == 0:
            for upstream in upstreams[tick % slots :: slots]:
                upstream.transport.write(sessions.sizes.frame_received())


async def burst(sessions: Sessions, frames: int, seconds: float) -> None:
    """As many frames as flow control lets through, up to a number and a time."""
    deadline = time.monotonic() + seconds
    each = frames // len(sessions.clients)

    async def flood(client: Client) -> None:
        for number in range(each):
            if not client.writable.is_set():
                await asyncio.wait_for(client.writable.wait(), 30)
            if time.monotonic() > deadline or client.transport.is_closing():
                return
            client.transport.write(sessions.sizes.frame_sent(number))
            if number % 16 == 0:
                await asyncio.sleep(0)

    await asyncio.gather(*(flood(client) for client in sessions.clients))
    before = -1
    while sessions.received() != before:  # until what is under way has come
        before = sessions.received()
        await asyncio.sleep(0.3)


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's TLS context, with a certificate made for the occasion."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "server.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        server.load_cert_chain(pem)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    return server, client
