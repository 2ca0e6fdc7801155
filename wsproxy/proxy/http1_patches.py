"""Two changes to mitmproxy's HTTP/1 for the opening handshake.

- mitmproxy answers 400 to requests that its parser refuses, and writes a new head for the
  others. With this change an upgrade request is forwarded verbatim, except for what an addon
  changed.
- mitmproxy treats an interim response (RFC 9110, section 15.2: 100, 102, 103) as the final one,
  and the response after it as an error. With this change interim responses are forwarded, and
  mitmproxy waits for the final one.

`install` replaces four attributes of mitmproxy.
"""

from __future__ import annotations

import re
import time
from typing import Any

from mitmproxy import ctx, http
from mitmproxy.net.http import http1, url
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http import _http1
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import HttpEvent, RequestEndOfMessage, RequestHeaders
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server
from mitmproxy.proxy.layers.tcp import TCPLayer

from wsproxy.wire.http_head import MAX_HEAD, RequestHead, find_head_end

_GET = b"GET "
_INTERIM = re.compile(rb"HTTP/\d\.\d[ \t]+1(?!01)\d\d(?!\d)")
_SCHEMES = {b"ws": b"http", b"wss": b"https"}


class VerbatimRequest(http.Request):
    """An upgrade request that is forwarded with the head that the client sent.

    Attributes:
        head: None for a copy.
        problem: why the request cannot be forwarded; None if it can.
        is_framed: whether the length of its body is known.
    """

    head: RequestHead | None = None
    problem: str | None = None
    is_framed: bool = True

    @classmethod
    def parse(cls, raw: bytes) -> VerbatimRequest | None:
        """The request of a complete head; None if it is no upgrade request."""
        head = RequestHead.parse(raw)
        if not head.is_upgrade:
            return None
        fields = tuple((field.name, field.value) for field in head.fields)
        problem = None
        try:
            host, port, scheme, authority, path = _destination(head.target)
        except ValueError:
            problem = "its target names no server that can be reached"
            host, port, scheme, authority, path = "", 0, b"", b"", head.target
        request = cls(
            host, port, head.method, scheme, authority, path, head.version, http.Headers(fields),
            None, None, time.time(), None,
        )  # fmt: skip
        request.head, request.problem = head, problem
        try:
            http1.expected_http_body_size(request)
        except ValueError:
            request.is_framed = False
        return request

    def serialize(self) -> bytes:
        """The head to forward."""
        assert self.head is not None
        data = self.data
        line = None
        origin = data.scheme + b"://" + data.authority if data.authority else b""
        target = origin + data.path
        if (data.method, target, data.http_version) != (
            self.head.method,
            self.head.target,
            self.head.version,
        ):
            line = b" ".join(filter(None, (data.method, target, data.http_version)))
        return self.head.serialize(line, data.headers.fields)


def _destination(target: bytes) -> tuple[str, int, bytes, bytes, bytes]:
    """Host, port, scheme, authority and path of a request target.

    A target that is no URL is treated as origin form, which has only a path.

    Raises:
        ValueError: the target is a URL without a valid server.
    """
    scheme, is_url, rest = target.partition(b"://")
    if not is_url or not scheme.isalnum():
        return "", 0, b"", b"", target
    scheme = _SCHEMES.get(scheme.lower(), scheme.lower())
    authority = re.split(rb"[/?#]", rest, maxsplit=1)[0]
    path = rest[len(authority) :]
    host, port = url.parse_authority(authority.rpartition(b"@")[2], check=True)
    port = port or url.default_port(scheme)
    if not port:
        raise ValueError(f"{scheme!r} has no default port")
    return host, port, scheme, authority, path if path.startswith(b"/") else b"/" + path


def choose_layer(choice: layer.NextLayer) -> None:
    """Choose HTTP where mitmproxy does not recognize a request.

    mitmproxy decides by the first bytes received, and misjudges an empty line or a partial word.
    """
    chosen = choice.layer
    if not isinstance(chosen, TCPLayer) or chosen.flow is None or ctx.options.tcp_hosts:
        return
    data = choice.data_client().lstrip(b"\r\n")
    if choice.data_server():
        return
    if data.startswith(_GET):
        choice.layer = http_layers.HttpLayer(choice.context, http_layers.HTTPMode.transparent)
    elif _GET.startswith(data):
        choice.layer = None  # mitmproxy calls this hook again when it has more data


# -- replacements of mitmproxy's methods


def _read_request(
    server: Http1Server, event: events.ConnectionEvent
) -> layer.CommandGenerator[None]:
    request = _upgrade(server.buf) if isinstance(event, events.DataReceived) else None
    if request is None:
        yield from _stock_read_request(server, event)
        return
    server.request = request
    size = http1.expected_http_body_size(request) if request.is_framed else 0
    yield ReceiveHttp(RequestHeaders(server.stream_id, request, size == 0))
    server.body_reader = _http1.make_body_reader(size)
    server.state = server.read_body
    yield from server.state(event)


def _upgrade(buffer: Any) -> VerbatimRequest | None:
    """Remove an upgrade request from the beginning of a buffer, if there is one."""
    end = _head_end(buffer)
    request = VerbatimRequest.parse(bytes(buffer)[:end]) if end is not None else None
    if request is not None:
        buffer.maybe_extract_at_most(end)
    return request


def _send_request(client: Http1Client, event: HttpEvent) -> layer.CommandGenerator[None]:
    request = client.request or getattr(event, "request", None)
    if not isinstance(request, VerbatimRequest) or request.head is None:
        yield from _stock_send_request(client, event)
    elif isinstance(event, RequestHeaders):
        for command in _stock_send_request(client, event):
            if isinstance(command, commands.SendData):
                command = commands.SendData(command.connection, request.serialize())  # noqa: PLW2901
            yield command
    elif isinstance(event, RequestEndOfMessage) and not request.is_framed:
        yield from client.mark_done(request=True)
    else:
        yield from _stock_send_request(client, event)


def _read_response(
    client: Http1Client, event: events.ConnectionEvent
) -> layer.CommandGenerator[None]:
    downstream = client.context.client
    if isinstance(event, events.DataReceived) and client.request and downstream.alpn != b"h2":
        while (end := _interim_end(client.buf)) is not None:
            yield commands.SendData(downstream, bytes(client.buf.maybe_extract_at_most(end) or b""))
    yield from _stock_read_response(client, event)


def _interim_end(buffer: Any) -> int | None:
    """The size of the complete interim response at the beginning of a buffer, or None."""
    return _head_end(buffer) if _INTERIM.match(buffer._data) else None


def _head_end(buffer: Any) -> int | None:
    """The size of the head at the beginning of a buffer, or None if it is incomplete.

    A head may arrive byte by byte: the part that the buffer has searched is not searched again.
    """
    if len(buffer) > MAX_HEAD:
        return None
    return find_head_end(buffer._data, buffer._multiple_lines_search)


def _validate_request(
    mode: http_layers.HTTPMode, request: http.Request, validate_inbound_headers: bool
) -> str | None:
    """Why a request is refused, or None; header fields are left to the server to validate."""
    if isinstance(request, VerbatimRequest):
        if request.problem is not None:
            return request.problem
        if mode is http_layers.HTTPMode.regular and not _names_server(request):
            return "it names no server, neither in its target nor in its Host header"
        validate_inbound_headers = False
    return _stock_validate_request(mode, request, validate_inbound_headers)


def _names_server(request: http.Request) -> bool:
    try:
        return bool(request.host or url.parse_authority(request.host_header or "", check=True))
    except ValueError:
        return False


_stock_read_request = Http1Server.read_headers
_stock_send_request = Http1Client.send
_stock_read_response = Http1Client.read_headers
_stock_validate_request = http_layers.validate_request


def install() -> None:
    """Forward upgrade requests and interim responses verbatim from now on."""
    Http1Server.read_headers = _read_request  # type: ignore[assignment,method-assign]
    Http1Client.send = _send_request  # type: ignore[assignment,method-assign]
    Http1Client.read_headers = _read_response  # type: ignore[assignment,method-assign]
    http_layers.validate_request = _validate_request


def uninstall() -> None:
    """Restore mitmproxy's own methods."""
    Http1Server.read_headers = _stock_read_request  # type: ignore[method-assign]
    Http1Client.send = _stock_send_request  # type: ignore[method-assign]
    Http1Client.read_headers = _stock_read_response  # type: ignore[method-assign]
    http_layers.validate_request = _stock_validate_request
