"""Limits for HTTP heads in mitmproxy, and the original target and Host of a request.

mitmproxy rewrites a request before its first hook, accepts heads of any size, and keeps the
complete body of a request that it answers itself. `install` replaces these parts, and
`uninstall` restores them.
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
from wsproxy.wire.http_head import MAX_HEAD

from . import connection_control

logger = logging.getLogger(__name__)

_TOO_LARGE = f"the head is longer than {MAX_HEAD >> 10} KiB, the limit of wsproxy"

_Commands = CommandGenerator[None]


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """The destination of a request as the client sent it.

    Attributes:
        origin_form: it was sent to a proxy as if to a server: its target names no host
            (RFC 9112, section 3.2.1).
        hosts: the names of the server: in its target, and in each Host header.
    """

    origin_form: bool
    hosts: tuple[str, ...]


_paused: WeakSet[_http1.Http1Server] = WeakSet()  # whose client's reads are paused
_client_requests: WeakKeyDictionary[http.HTTPFlow, ClientRequest] = WeakKeyDictionary()


def client_request(flow: http.HTTPFlow) -> ClientRequest | None:
    """The request of a flow as it was sent; None if no client has sent it."""
    return _client_requests.get(flow)


def install() -> None:
    """Replace the parts of mitmproxy."""
    HttpStream.state_wait_for_request_headers = _begin_request  # type: ignore[method-assign]
    HttpStream.state_consume_request_body = _consume_body  # type: ignore[method-assign]
    _http1.Http1Connection._handle_event = _handle_http1  # type: ignore[assignment,method-assign]
    _UpstreamProxy.receive_handshake_data = _receive_connect_response  # type: ignore[assignment,method-assign]


def uninstall() -> None:
    """Restore the parts of mitmproxy."""
    HttpStream.state_wait_for_request_headers = _stock_begin_request  # type: ignore[method-assign]
    HttpStream.state_consume_request_body = _stock_consume_body  # type: ignore[method-assign]
    _http1.Http1Connection._handle_event = _stock_handle_http1  # type: ignore[method-assign]
    _UpstreamProxy.receive_handshake_data = _stock_receive_connect_response  # type: ignore[method-assign]


_stock_begin_request = HttpStream.state_wait_for_request_headers
_stock_consume_body = HttpStream.state_consume_request_body
_stock_handle_http1 = _http1.Http1Connection._handle_event
_stock_receive_connect_response = _UpstreamProxy.receive_handshake_data


@functools.wraps(_stock_begin_request)
def _begin_request(stream: HttpStream, event: RequestHeaders) -> _Commands:
    """Store how the request was sent; mitmproxy has created its flow at the first command."""
    request = event.request
    proxied = stream.mode is not HTTPMode.transparent and request.method != "CONNECT"
    target_host = [request.host] if request.host else []
    sent = ClientRequest(
        proxied and not request.host, (*target_host, *request.headers.get_all("Host"))
    )
    yield from _with_client_request(stream, sent, _stock_begin_request(stream, event))


def _with_client_request(
    stream: HttpStream, sent: ClientRequest, rest: Generator[Any, Any, None]
) -> _Commands:
    try:
        command = next(rest)
        _client_requests[stream.flow] = sent
        while True:
            command = rest.send((yield command))
    except StopIteration:
        return


@functools.wraps(_stock_consume_body)
def _consume_body(stream: HttpStream, event: events.Event) -> _Commands:
    """Drop the body of a request that the proxy has answered itself, such as with 407."""
    if not (isinstance(event, RequestData) and stream.flow.response is not None):
        yield from _stock_consume_body(stream, event)


def _handle_http1(connection: _http1.Http1Connection, event: events.Event) -> _Commands:
    """End a connection whose peer sends an endless head."""
    # In these states the buffer holds an incomplete head, trailers or a chunk header. While
    # another request is answered, it may hold anything.
    reading = connection.state in (connection.read_headers, connection.read_body)
    if not isinstance(event, events.DataReceived):
        yield from _stock_handle_http1(connection, event)
    elif reading and len(connection.buf) > MAX_HEAD:
        yield from _refuse_head(connection)
    elif (
        connection.state != connection.done
    ):  # otherwise the connection is being closed, and data is dropped
        yield from _stock_handle_http1(connection, event)
    if isinstance(connection, _http1.Http1Server):
        _pause_while_waiting(connection)


def _pause_while_waiting(connection: _http1.Http1Server) -> None:
    """Pause reads from a client that sends much data before its request is answered."""
    pause = connection.state == connection.wait and len(connection.buf) > MAX_HEAD
    if pause:
        _paused.add(connection)
        connection_control.pause_reading(connection.context.client, True)
    elif connection in _paused:
        _paused.discard(connection)
        connection_control.pause_reading(connection.context.client, False)


def _refuse_head(connection: _http1.Http1Connection) -> _Commands:
    peer = connection.conn.peername
    logger.warning("wsproxy: %s: %s", authority(*peer[:2]) if peer else "unknown peer", _TOO_LARGE)
    connection.buf = ReceiveBuffer()
    if isinstance(connection, _http1.Http1Server) and connection.state == connection.read_headers:
        yield commands.SendData(connection.conn, _response_431())
    yield commands.CloseConnection(connection.conn)
    if connection.request is not None and connection.stream_id is not None:
        error = connection.ReceiveProtocolError
        yield ReceiveHttp(error(connection.stream_id, _TOO_LARGE, code=error.code))
    connection.state = connection.done


def _response_431() -> bytes:
    body = f"wsproxy: {_TOO_LARGE}\n".encode()
    head = (
        "HTTP/1.1 431 Request Header Fields Too Large\r\nServer: wsproxy\r\nConnection: close\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _receive_connect_response(
    proxy: _UpstreamProxy, data: bytes
) -> CommandGenerator[tuple[bool, str | None]]:
    """End the wait for an upstream proxy whose CONNECT response is endless."""
    if proxy.send_connect and len(proxy.buf) > MAX_HEAD:
        return False, f"upstream proxy: {_TOO_LARGE}"
    return (yield from _stock_receive_connect_response(proxy, data))
