"""What the first bytes of a client say about its connection: the host that it wants."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy.layers.tls import parse_client_hello

from wsproxy.wire.http_head import RequestHead, find_head_end

MAX_SIZE = 64 << 10  # bytes; a ClientHello or a request head that is longer is not waited for
_REQUEST = re.compile(rb"[A-Z]{3,20} ")  # the beginning of a request line
_REQUEST_PREFIX = re.compile(rb"[A-Z]{0,20}\Z")
_PORT = re.compile(r":\d+\Z")


@dataclass(frozen=True, slots=True)
class FirstBytes:
    """The beginning of a connection.

    Attributes:
        host: the name in TLS or in the request, in lower case; None: it has none.
        path: of a request without TLS, or "/".
        is_upgrade: whether it is a request without TLS for a WebSocket.
        is_tls: whether it is TLS.
    """

    host: str | None = None
    path: str = "/"
    is_upgrade: bool = False
    is_tls: bool = False


def read(data: bytes) -> FirstBytes | None:
    """Read the first bytes of a client; None if more of them are needed."""
    if len(data) > MAX_SIZE:
        return FirstBytes()
    if starts_like_tls_record(data):
        return _client_hello(data)
    if _REQUEST.match(data):
        end = find_head_end(data)
        return None if end is None else _request(data[:end])
    if data[:1] == b"\x16" and len(data) < 3:
        return None
    return None if _REQUEST_PREFIX.match(data) else FirstBytes()


def _client_hello(data: bytes) -> FirstBytes | None:
    try:
        hello = parse_client_hello(data)
    except ValueError:
        return FirstBytes()
    if hello is None:
        return None
    return FirstBytes(hello.sni.lower() if hello.sni else None, is_tls=True)


def _request(data: bytes) -> FirstBytes:
    head = RequestHead.parse(data)
    hosts = [field.value for field in head.fields if field.name.lower() == b"host"]
    host = _PORT.sub("", hosts[0].decode("latin-1").lower()).strip("[]") if hosts else ""
    path = head.target.decode("latin-1").partition("?")[0]
    return FirstBytes(host or None, path, head.is_upgrade)
