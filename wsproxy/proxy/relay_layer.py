"""The layer that replaces mitmproxy's WebSocket layer.

It fires the same start and end hooks and relays through `relay`. `install` replaces attributes of
mitmproxy, here, in `http1_patches` and in `head_limits`; only these files, `relay` and
`connection_control` depend on mitmproxy's internals.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Protocol

from mitmproxy import http
from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import tls as tls_layers
from mitmproxy.proxy.layers import websocket
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.proxy.tunnel import TunnelLayer
from OpenSSL import SSL

from wsproxy.session import Session

from . import http1_patches
from .connection_control import NoProxyserver, all_layers, handler_of, proxyserver
from .relay import Leg, Relay, Sink

logger = logging.getLogger(__name__)

_Stock = websocket.WebsocketLayer

# The private attributes of asyncio's StreamReader that `relay` reads.
OF_STREAM_READER = ("_buffer", "_paused", "_waiter")

_TLS_TO_UPSTREAM_PROXY = "the upstream proxy is reached through TLS"


class RelaySink(Sink, Protocol):
    """A sink for one flow, which also needs its relay."""

    def attach(self, relay: Relay, on_complete: Callable[[Session], None]) -> None:
        """The relay begins.

        Args:
            on_complete: called with the session once its trace is complete.
        """


class UnrecordedSink:
    """A sink for a flow that is not recorded, but relayed verbatim like the others."""

    def attach(self, relay: Relay, on_complete: Callable[[Session], None]) -> None:
        self._on_complete = on_complete

    def data(self, from_client: bool, data: bytes) -> bool:
        return True

    def eof(self, from_client: bool, how: str) -> None:
        pass

    def failed(self, from_client: bool, message: str) -> None:
        pass

    def end(self) -> None:
        self._on_complete(Session())


class RelayEnded(events.MessageInjected[None]):
    """A relay has ended. It is injected past the protocol layers, which have not seen its data."""


class NotRelayable(Exception):
    """The relay cannot use the connections of a flow; the message is the reason."""


class RelayingLayer(layer.Layer):
    """A layer that hands its two connections to a relay."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._relay: Relay | None = None
        self._legs: tuple[Leg, Leg] | None = None
        self._no_timeout = ExitStack()

    def _start_relay(
        self, handler: ConnectionHandler, legs: tuple[Leg, Leg], sink: RelaySink
    ) -> None:
        """Relay from now on; `_finish` is called with the session once its trace is complete."""
        disarm_watchdog(handler, self._no_timeout)
        self._legs = legs
        self._relay = make_relay(handler, legs, sink, self._no_timeout.close)
        sink.attach(self._relay, self._finish)
        # Data received until now is older than anything that the relay will read.
        # The relay sees an end in there as well, when it takes over.
        for event in self._paused_event_queue:
            if isinstance(event, events.DataReceived):
                self._add_early(event)
        self._paused_event_queue.clear()
        self._relay.start()

    def _add_early(self, event: events.DataReceived) -> None:
        """Relay what mitmproxy had read before the relay took over; nothing without a relay."""
        if self._relay is not None and self._legs is not None:
            leg = self._legs[0 if event.connection == self.context.client else 1]
            self._relay.data(leg, bytes(event.data))

    def _finish(self, session: Session) -> None:
        raise NotImplementedError


class RelayLayer(RelayingLayer):
    """Relays an upgraded flow verbatim and fires websocket_start and websocket_end."""

    def __init__(
        self,
        context: Context,
        flow: http.HTTPFlow,
        handler: ConnectionHandler,
        legs: tuple[Leg, Leg],
        sink: RelaySink,
    ) -> None:
        super().__init__(context)
        self._flow = flow
        self._relayed = handler, legs, sink

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            yield websocket.WebsocketStartHook(self._flow)
            self._start_relay(*self._relayed)
        elif isinstance(event, events.DataReceived):
            self._add_early(event)
        elif isinstance(event, RelayEnded):
            yield websocket.WebsocketEndHook(self._flow)
            self._flow.live = False
            for connection in (self._flow.client_conn, self._flow.server_conn):
                yield commands.CloseConnection(connection)
        # Other events come from connections that were handed back: both are lost.

    def _finish(self, session: Session) -> None:
        """The trace is complete: set how the session ended, and end the flow."""
        data = self._flow.websocket
        assert data is not None
        data.timestamp_end = time.time()
        data.closed_by_client = session.closed_by == "client"
        close = session.close
        data.close_code = 1006 if close is None else 1005 if close.code is None else close.code
        data.close_reason = close.reason if close else None
        with suppress(ValueError):  # mitmproxy has removed the connection already
            proxyserver().inject_event(RelayEnded(self._flow, None))


def disarm_watchdog(handler: ConnectionHandler, until: ExitStack) -> None:
    """Prevent mitmproxy's watchdog from ending an idle connection, until a stack is closed."""
    watchdog = handler.timeout_watchdog
    until.enter_context(watchdog.disarm())
    # Disarmed during its sleep, it still fires at the end of that: it does not count the
    # relay's bytes as activity. Leaving `disarm` sets the time again.
    watchdog.last_activity = float("inf")


def make_relay(
    handler: ConnectionHandler, legs: tuple[Leg, Leg], sink: Sink, on_end: Callable[[], None]
) -> Relay:
    """A relay between two connections of a handler, which has not begun."""
    lock = handler._server_event_lock
    return Relay(*legs, sink, lambda: _has_waiters(lock), on_end)


def log_fallback(flow: http.HTTPFlow, why: str) -> None:
    """Log that a session is not relayed verbatim."""
    logger.warning(
        "wsproxy: %s goes through mitmproxy's own WebSocket layer, which does not "
        "relay verbatim: %s",
        flow.request.pretty_host,
        why,
    )


def install(
    sink_for: Callable[[http.HTTPFlow], RelaySink | None],
    on_fallback: Callable[[http.HTTPFlow, str], None] = log_fallback,
) -> None:
    """Relay WebSocket flows with RelayLayer from now on.

    Args:
        sink_for: called for each accepted upgrade; returns its sink, or None to use
            mitmproxy's own layer.
        on_fallback: called with the reason if a flow with a sink cannot be relayed. The flow
            goes through mitmproxy's own layer, and the sink is not attached.
    """

    def make(context: Context, flow: http.HTTPFlow) -> layer.Layer:
        sink = sink_for(flow)
        if sink is None:
            return _Stock(context, flow)
        try:
            handler, legs = make_legs(context, flow.server_conn, _layers(context, flow))
        except NotRelayable as error:
            on_fallback(flow, str(error))
            return _Stock(context, flow)
        return RelayLayer(context, flow, handler, legs, sink)

    # mitmproxy uses this attribute only as a factory.
    websocket.WebsocketLayer = make  # type: ignore[assignment,misc]
    tls_layers.TLSLayer.receive_data = _receive_data  # type: ignore[assignment,method-assign]
    http1_patches.install()


def uninstall() -> None:
    """Restore mitmproxy's own WebSocket layer."""
    websocket.WebsocketLayer = _Stock  # type: ignore[misc]
    tls_layers.TLSLayer.receive_data = _stock_receive_data  # type: ignore[method-assign]
    http1_patches.uninstall()


_stock_receive_data = tls_layers.TLSLayer.receive_data


def _receive_data(tls_layer: tls_layers.TLSLayer, data: bytes) -> layer.CommandGenerator[None]:
    """Report at once that TLS has failed.

    mitmproxy only logs the failure. It also treats a fatal alert as a close-notify that it has
    forwarded already. The other side would wait for mitmproxy's timeout of ten minutes.
    """
    yield from _stock_receive_data(tls_layer, data)
    tls, conn = tls_layer.tls, tls_layer.conn
    if tls.get_state_string() == b"error" and conn.error is None:
        conn.error = "TLS was broken, or ended by an alert"
        yield from tls_layer.tls_interact()  # sends our own alert
        conn.state &= ~ConnectionState.CAN_READ
        tls.set_shutdown(SSL.RECEIVED_SHUTDOWN)  # do not report the end of TCP as well
        yield from tls_layer.event_to_child(events.ConnectionClosed(conn))


def obstacle(flow: http.HTTPFlow) -> str | None:
    """Why a flow cannot be relayed, as far as its request determines it.

    Other reasons show only once its server is connected.
    """
    try:
        handler = _handler(flow.client_conn)
        _streams(handler, flow.client_conn)
        _tls_of(flow.client_conn, all_layers(handler))
        if flow.server_conn.via is not None and flow.server_conn.via[0] == "https":
            return _TLS_TO_UPSTREAM_PROXY
    except NotRelayable as error:
        return str(error)
    return None


def _handler(client: Client) -> ConnectionHandler:
    try:
        handler = handler_of(client)
    except NoProxyserver as error:
        raise NotRelayable(str(error)) from None
    if handler is None:
        raise NotRelayable("mitmproxy has no handler for the connection")
    if not isinstance(getattr(handler, "_server_event_lock", None), asyncio.Lock):
        raise NotRelayable("mitmproxy handles events in an unknown way")
    if client.alpn == b"h2":
        raise NotRelayable("the client speaks HTTP/2")
    return handler


def _streams(
    handler: ConnectionHandler, conn: Connection
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    io = handler.transports.get(conn)
    if io is None or not isinstance(io.reader, asyncio.StreamReader):
        raise NotRelayable("not an asyncio connection")
    if not isinstance(io.writer, asyncio.StreamWriter):
        raise NotRelayable("not an asyncio connection")
    if io.writer.get_extra_info("sslcontext") is not None:
        raise NotRelayable(_TLS_TO_UPSTREAM_PROXY)
    if not all(hasattr(io.reader, name) for name in OF_STREAM_READER):
        raise NotRelayable("the streams of this version of Python are unknown")
    return io.reader, io.writer


def _tls_of(conn: Connection, layers: Iterable[layer.Layer]) -> SSL.Connection | None:
    tls = [x.tls for x in layers if isinstance(x, tls_layers.TLSLayer) and x.conn == conn]
    if len(tls) > 1:
        raise NotRelayable("the app uses TLS inside a TLS connection to the proxy")
    if bool(conn.tls) != bool(tls):
        raise NotRelayable("the TLS layer was not found")
    return tls[0] if tls else None


def make_legs(
    context: Context, server: Server, layers: Iterable[layer.Layer]
) -> tuple[ConnectionHandler, tuple[Leg, Leg]]:
    """The legs for the client of a context and a server, and the handler of both.

    Args:
        layers: all layers of the two connections.

    Raises:
        NotRelayable: the relay cannot use the connections.
    """
    client = context.client
    handler, layers = _handler(client), list(layers)
    return handler, (_leg(True, client, handler, layers), _leg(False, server, handler, layers))


def _has_waiters(lock: asyncio.Lock) -> bool:
    """Whether a task waits for the lock, or is about to acquire it."""
    # `locked()` is false while the next task is being woken.
    return bool(lock._waiters)


def _leg(
    from_client: bool, conn: Connection, handler: ConnectionHandler, layers: list[layer.Layer]
) -> Leg:
    tls = _tls_of(conn, layers)
    # Through an upstream proxy the connection is a tunnel inside another one.
    outer = conn
    for each in layers:
        if isinstance(each, TunnelLayer) and each.conn == outer:
            outer = each.tunnel_connection
    if outer != conn and outer.tls:
        raise NotRelayable(_TLS_TO_UPSTREAM_PROXY)
    return Leg(from_client, *_streams(handler, outer), tls)


def _layers(context: Context, flow: http.HTTPFlow) -> Iterator[layer.Layer]:
    """All layers of a flow, including those of its server connection."""
    yield from context.layers
    for each in context.layers:
        if isinstance(each, HttpLayer):
            below = each.connections.get(flow.server_conn)
            while isinstance(below, TunnelLayer):
                if below not in context.layers:
                    yield below
                below = below.child_layer
