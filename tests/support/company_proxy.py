"""A company's proxy, as a witness: HTTP requests and CONNECT, with a password or without."""

from __future__ import annotations

import base64
import contextlib
import io
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from wire_servers import accepting
from wire_witness import PATIENCE

USER, PASSWORD = "clerk", "s3cret/word"
_AUTHORIZED = b"Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode())


@dataclass
class CompanyProxy:
    """A running proxy.

    Attributes:
        requests: the first lines, such as "CONNECT localhost:443", in order.
        refused: hosts that it answers with 403.
    """

    port: int
    requests: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


@contextlib.contextmanager
def company_proxy(
    *, password: bool = False, tls: ssl.SSLContext | None = None
) -> Iterator[CompanyProxy]:
    """Run a proxy for the body of a `with`.

    Args:
        tls: of the proxy's own port; None: plain.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = CompanyProxy(listener.getsockname()[1])

    def serve(client: socket.socket) -> None:
        client.settimeout(PATIENCE)
        with contextlib.suppress(OSError), client:
            if tls is not None:
                client = tls.wrap_socket(client, server_side=True)
            _serve(proxy, client, password)

    with accepting(listener, serve):
        yield proxy


def _serve(proxy: CompanyProxy, client: socket.socket, password: bool) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (data := client.recv(65536)):
            return
        head += data
    line, _, rest = head.partition(b"\r\n")
    method, target = line.split(b" ")[:2]
    proxy.requests.append(f"{method.decode()} {target.decode()}")
    fields = [each.split(b": ", 1) for each in rest.split(b"\r\n") if b": " in each]
    authorized = [value for name, value in fields if name.lower() == b"proxy-authorization"]
    is_tunnel = method == b"CONNECT"
    where = urlsplit(f"//{target.decode()}" if is_tunnel else target.decode())
    assert where.hostname is not None
    if password and authorized != [_AUTHORIZED]:
        client.sendall(
            b"HTTP/1.1 407 Proxy Authentication Required\r\n"
            b'Proxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
        )
        return
    if where.hostname in proxy.refused:
        client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        return
    # Every name is a server of the test.
    with socket.create_connection(("127.0.0.1", where.port or 80), PATIENCE) as server:
        if is_tunnel:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = (where.path or "/").encode()
            kept = [b": ".join(f) for f in fields if f[0].lower() != b"proxy-authorization"]
            server.sendall(b"\r\n".join([method + b" " + path + b" HTTP/1.1", *kept, b"", b""]))
        _pump_both(client, server)


@contextlib.contextmanager
def socks_proxy() -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """A SOCKS5 proxy without a password (RFC 1928): its port, and what it was asked for."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[tuple[str, int]] = []

    def serve(client: socket.socket) -> None:
        client.settimeout(PATIENCE)
        with client, client.makefile("rb", 0) as stream:
            stream.read(_exactly(stream, 2)[1])
            client.sendall(b"\x05\x00")
            is_name = _exactly(stream, 4)[3] == 3
            host = _exactly(stream, _exactly(stream, 1)[0] if is_name else 4)
            port = int.from_bytes(_exactly(stream, 2), "big")
            asked.append((host.decode() if is_name else socket.inet_ntoa(host), port))
            with socket.create_connection(("127.0.0.1", port)) as server:
                client.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
                _pump_both(client, server)

    with accepting(listener, serve):
        yield listener.getsockname()[1], asked


def _exactly(stream: io.RawIOBase, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += stream.read(size - len(data)) or b""
    return data


def _pump_both(client: socket.socket, server: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(server, client), daemon=True)
    back.start()
    _pump(client, server)
    back.join(PATIENCE)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
