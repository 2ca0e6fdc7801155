"""Heads of HTTP messages: what a client asked for, and how much of one is taken.

mitmproxy rewrites a request before its first hook, takes heads of any size, and keeps the
whole body of a request that it answers itself. What is replaced of it here is replaced by
`install` and given back by `uninstall`.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import HTTPMode, HttpStream, _http1
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestData, RequestHeaders
from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy as _UpstreamProxy

from wsproxy.system.address import authority

from . import relay_layer
from .request_head import MAX_HEAD

logger = logging.getLogger(__name__)

_TOO_LARGE = f"the head is longer than {MAX_HEAD >> 10} KiB, the most that wsproxy takes"

_Commands = CommandGenerator[None]


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """A request as it was sent.

    Attributes:
        origin_form: it was sent to a proxy as if to a server: its target names no host
            (RFC 9112, section 3.2.1).
        hosts: what it calls the server: in its target, and in each Host header.
    """

    origin_form: bool
    hosts: tuple[str, ...]


_held: WeakSet[_http1.Http1Server] = WeakSet()  # whose client is not read from
_asked: WeakKeyDictionary[http.HTTPFlow, ClientRequest] = WeakKeyDictionary()


def client_request(flow: http.HTTPFlow) -> ClientRequest | None:
    """How the request of a flow was sent; None where no client has sent it."""
    return _asked.get(flow)


def install() -> None:
    """Replace the parts of mitmproxy."""
    HttpStream.state_wait_for_request_headers = _begin_request  # type: ignore[method-assign]
    HttpStream.state_consume_request_body = _consume_body  # type: ignore[method-assign]
    _http1.Http1Connection._handle_event = _take_http1  # type: ignore[assignment,method-assign]
    _UpstreamProxy.receive_handshake_data = _take_answer  # type: ignore[assignment,method-assign]


def uninstall() -> None:
    """Give mitmproxy its own parts back."""
    HttpStream.state_wait_for_request_headers = _stock_begin_request  # type: ignore[method-assign]
    HttpStream.state_consume_request_body = _stock_consume_body  # type: ignore[method-assign]
    _http1.Http1Connection._handle_event = _stock_take_http1  # type: ignore[method-assign]
    _UpstreamProxy.receive_handshake_data = _stock_take_answer  # type: ignore[method-assign]


_stock_begin_request = HttpStream.state_wait_for_request_headers
_stock_consume_body = HttpStream.state_consume_request_body
_stock_take_http1 = _http1.Http1Connection._handle_event
_stock_take_answer = _UpstreamProxy.receive_handshake_data


@functools.wraps(_stock_begin_request)
def _begin_request(stream: HttpStream, event: RequestHeaders) -> _Commands:
    """Note how the request was sent; mitmproxy has made a flow of it at its first command."""
    request = event.request
    proxied = stream.mode is not HTTPMode.transparent and request.method != "CONNECT"
    named = [request.host] if request.host else []
    note = ClientRequest(proxied and not request.host, (*named, *request.headers.get_all("Host")))
    yield from _noted(stream, note, _stock_begin_request(stream, event))


def _noted(stream: HttpStream, note: ClientRequest, rest: Generator[Any, Any, None]) -> _Commands:
    try:
        command = next(rest)
        _asked[stream.flow] = note
        while True:
            command = rest.send((yield command))
    except StopIteration:
        return


@functools.wraps(_stock_consume_body)
def _consume_body(stream: HttpStream, event: events.Event) -> _Commands:
    """Drop the body of a request that is answered here already, such as with a 407."""
    if not (isinstance(event, RequestData) and stream.flow.response is not None):
        yield from _stock_consume_body(stream, event)


def _take_http1(connection: _http1.Http1Connection, event: events.Event) -> _Commands:
    """End a connection whose peer sends a head without an end."""
    # What waits here has been looked at: it is part of a head, of trailers or of a chunk's
    # header. Not so while another request is answered; then it may be anything.
    reading = connection.state in (connection.read_headers, connection.read_body)
    if not isinstance(event, events.DataReceived):
        yield from _stock_take_http1(connection, event)
    elif reading and len(connection.buf) > MAX_HEAD:
        yield from _give_up(connection)
    elif connection.state != connection.done:  # then it is being closed, and nothing is kept
        yield from _stock_take_http1(connection, event)
    if isinstance(connection, _http1.Http1Server):
        _hold_while_waiting(connection)


def _hold_while_waiting(connection: _http1.Http1Server) -> None:
    """Read no more from a client that sends on and on before its request is answered."""
    hold = connection.state == connection.wait and len(connection.buf) > MAX_HEAD
    if hold:
        _held.add(connection)
        relay_layer.hold_reading(connection.context.client, True)
    elif connection in _held:
        _held.discard(connection)
        relay_layer.hold_reading(connection.context.client, False)


def _give_up(connection: _http1.Http1Connection) -> _Commands:
    peer = connection.conn.peername
    logger.warning("wsproxy: %s: %s", authority(*peer[:2]) if peer else "?", _TOO_LARGE)
    connection.buf = ReceiveBuffer()
    if isinstance(connection, _http1.Http1Server) and connection.state == connection.read_headers:
        yield commands.SendData(connection.conn, _answer_431())
    yield commands.CloseConnection(connection.conn)
    if connection.request is not None and connection.stream_id is not None:
        error = connection.ReceiveProtocolError
        yield ReceiveHttp(error(connection.stream_id, _TOO_LARGE, code=error.code))
    connection.state = connection.done


def _answer_431() -> bytes:
    body = f"wsproxy: {_TOO_LARGE}\n".encode()
    head = (
        "HTTP/1.1 431 Request Header Fields Too Large\r\nServer: wsproxy\r\nConnection: close\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _take_answer(proxy: _UpstreamProxy, data: bytes) -> CommandGenerator[tuple[bool, str | None]]:
    """End the wait for an upstream proxy that answers a CONNECT without an end."""
    if proxy.send_connect and len(proxy.buf) > MAX_HEAD:
        return False, f"upstream proxy: {_TOO_LARGE}"
    return (yield from _stock_take_answer(proxy, data))
