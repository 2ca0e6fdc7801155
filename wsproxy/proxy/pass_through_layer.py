"""Layers that intercept TLS or pass it through, and a relay for what is passed through.

`TlsLayer` takes the place of mitmproxy's TLS layers, and runs them as its child until the client
has seen anything of them: up to then the connection can still be passed through. Only these
layers know of a failed handshake with the server before the client does.
"""

from __future__ import annotations

from typing import Protocol

from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import tls as tls_layers
from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy
from mitmproxy.proxy.layers.tcp import TCPLayer
from mitmproxy.proxy.tunnel import LayerStack
from mitmproxy.tls import ClientHello
from OpenSSL import SSL

from wsproxy.session import Session

from . import connection_control, relay_layer


class Decision(Protocol):
    """Decides for one connection; called in this order."""

    def on_hello(self, context: Context, hello: ClientHello) -> bool:
        """Whether to pass the connection through before anything was sent to the server."""

    def on_server_handshake(self, context: Context, tls: SSL.Connection | None) -> bool:
        """Whether to pass it through after the TLS handshake with the server, or its failure."""

    def on_client_handshake(self, context: Context, *, done: bool) -> None:
        """The TLS handshake with the client was completed, or has failed."""


class TlsLayer(layer.Layer):
    """Intercepts TLS with mitmproxy's layers, or passes it through.

    Args:
        stock: mitmproxy's layer for TLS with the server, with that for the client as its child.
    """

    def __init__(
        self, context: Context, stock: tls_layers.ServerTLSLayer, decision: Decision
    ) -> None:
        super().__init__(context)
        # mitmproxy's layers look for each other in this list.
        context.layers.remove(self)
        context.layers.insert(context.layers.index(stock), self)
        self._stock = stock
        self._decision = decision
        self._received: list[events.DataReceived] = []
        self._left: Connection | None = None  # the server's first connection

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            self._received.append(event)
        for command in self._stock.handle_event(event):
            if self._passes(command):
                yield from self._pass_through()
                return
            yield command

    def _passes(self, command: commands.Command) -> bool:
        """Whether to pass the connection through instead of executing a command."""
        match command:
            case tls_layers.TlsClienthelloHook():
                return self._decision.on_hello(self.context, command.data.client_hello)
            case tls_layers.TlsStartClientHook():
                if self._decision.on_server_handshake(self.context, self._stock.tls):
                    return True
                self._received.clear()
            case tls_layers.TlsEstablishedClientHook() | tls_layers.TlsFailedClientHook():
                done = isinstance(command, tls_layers.TlsEstablishedClientHook)
                self._decision.on_client_handshake(self.context, done=done)
                self._handle_event = self._stock.handle_event  # type: ignore[method-assign]
        return False

    def _pass_through(self) -> layer.CommandGenerator[None]:
        """Take mitmproxy's layers out, and relay what was received and what follows.

        If the server has seen the handshake of these layers, it gets a new connection.
        """
        context = self.context
        del context.layers[context.layers.index(self) + 1 :]
        context.client.tls = any(
            isinstance(each, tls_layers.TLSLayer) and each.conn == context.client
            for each in context.layers
        )
        server, stack = context.server, LayerStack()
        if self._stock.tls is not None:
            if server.connected:
                yield commands.CloseConnection(server)
            self._left = server
            context.server = Server(address=server.address)
            context.server.via = server.via
            if server.via is not None:
                stack /= HttpUpstreamProxy.make(context, send_connect=True)
        else:
            server.tls = False
        stack /= PassThroughLayer(context)
        self._handle_event = stack[0].handle_event  # type: ignore[method-assign]
        yield from stack[0].handle_event(events.Start())
        for event in self._received:
            if event.connection != self._left:
                yield from stack[0].handle_event(event)
        self._received.clear()

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Ignore the end of a connection to the server that was left."""
        if isinstance(event, events.ConnectionEvent) and event.connection == self._left:
            return
        yield from super().handle_event(event)


class PassThroughLayer(relay_layer.RelayingLayer):
    """Relays a connection verbatim, with the relay of recorded sessions but without a record."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._ended = False

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        context = self.context
        if isinstance(event, events.Start):
            error = None
            if not context.server.connected:
                error = yield commands.OpenConnection(context.server)
            if error is None:
                yield from self._start()
            else:
                self._ended = True
                yield commands.CloseConnection(context.client)
        elif isinstance(event, events.DataReceived):
            self._add_early(event)
        elif isinstance(event, events.ConnectionClosed) and self._ended:
            for connection in (context.client, context.server):
                yield commands.CloseConnection(connection)

    def _start(self) -> layer.CommandGenerator[None]:
        context = self.context
        try:
            handler, legs = relay_layer.make_legs(context, context.server, context.layers)
        except relay_layer.NotRelayable:
            stock = TCPLayer(context, ignore=True)
            self._handle_event = stock.handle_event  # type: ignore[method-assign]
            yield from stock.handle_event(events.Start())
            return
        self._start_relay(handler, legs, relay_layer.UnrecordedSink())

    def _finish(self, session: Session) -> None:
        """Both connections are lost, and mitmproxy may have seen that before the relay began."""
        self._ended = True
        connection_control.repeat_eof(self.context.client, self.context.client)
