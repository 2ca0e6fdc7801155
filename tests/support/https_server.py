"""A TLS server that answers HTTP requests and WebSocket upgrades, and counts."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from websockets.utils import accept_key

from tls_certificates import Certificate
from wire_bytes import TEXT, close, frame
from wire_servers import accepting
from wire_witness import PATIENCE, Peer

_UPGRADE = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
# What `git ls-remote` gets of a repository with one commit.
_REFS = b"0123456789abcdef0123456789abcdef01234567\trefs/heads/main\n"


@dataclass
class HttpsServer:
    """A running server.

    Attributes:
        handshakes: True for each TLS handshake that was completed, False for one that failed.
        client_certificates: of each completed one, DER, or None.
    """

    port: int
    handshakes: list[bool] = field(default_factory=list)
    client_certificates: list[bytes | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"


@contextlib.contextmanager
def https_server(
    certificate: Certificate, prepare: Callable[[ssl.SSLContext], object] = lambda _: None
) -> Iterator[HttpsServer]:
    """Run a server for the body of a `with`.

    Args:
        prepare: changes the server's context.
    """
    context = certificate.server_context()
    prepare(context)
    listener = socket.create_server(("127.0.0.1", 0))
    server = HttpsServer(listener.getsockname()[1])

    def serve(sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        try:
            tls = context.wrap_socket(sock, server_side=True)
        except OSError:
            server.handshakes.append(False)
            sock.close()
            return
        with tls, contextlib.suppress(OSError):
            server.handshakes.append(True)
            server.client_certificates.append(tls.getpeercert(binary_form=True))
            _answer(Peer(tls))

    with accepting(listener, serve):
        yield server


def _answer(peer: Peer) -> None:
    while head := peer.read_head():
        peer.head = b""
        if b"upgrade: websocket" in head.lower():
            (key,) = re.findall(r"(?i)sec-websocket-key: *(\S+)", head.decode())
            answer = f"{_UPGRADE}Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
            peer.send_head(answer.encode(), frame(TEXT, b"hello") + close(1000))
            peer.until_end()
            return
        body = _REFS if b"/info/refs" in head else b"ok"
        length = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        peer.send_head(length.encode() + body)
