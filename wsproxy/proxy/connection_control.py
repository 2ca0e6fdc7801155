"""Reads and controls the connections that mitmproxy has opened for a client.

mitmproxy has no public interface for this: its proxyserver addon has a handler for each client,
and the handler has the transports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Connection, Server
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.server import ConnectionHandler


class NoProxyserver(Exception):
    """mitmproxy runs without its proxyserver addon."""


def proxyserver() -> Proxyserver:
    """Mitmproxy's addon that has the connections.

    Raises:
        NoProxyserver: mitmproxy runs without it.
    """
    addon = ctx.master.addons.get("proxyserver")
    if not isinstance(addon, Proxyserver):
        raise NoProxyserver("mitmproxy runs without its proxyserver addon")
    return addon


def handler_of(client: Client) -> ConnectionHandler | None:
    """The handler of a client's connection; None once it has ended.

    Raises:
        NoProxyserver: mitmproxy runs without its proxyserver addon.
    """
    handler = proxyserver().connections.get(client.id)
    return handler if isinstance(handler, ConnectionHandler) else None


def _transport(client: Client, connection: Connection) -> asyncio.Transport | None:
    """The transport of one of the connections that belong to a client."""
    handler = handler_of(client)
    io = handler.transports.get(connection) if handler is not None else None
    if io is None or not isinstance(io.writer, asyncio.StreamWriter):
        return None
    transport = io.writer.transport
    assert isinstance(transport, asyncio.Transport)
    return transport


def repeat_eof(client: Client, connection: Connection) -> None:
    """Report the FIN of a connection's peer to mitmproxy again.

    mitmproxy ignores it if nothing uses the connection yet.
    """
    if (handler := handler_of(client)) is not None:
        task = asyncio.create_task(handler.server_event(events.ConnectionClosed(connection)))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


_tasks: set[asyncio.Task[None]] = set()  # the event loop keeps no strong references


def on_task_failure(callback: Callable[[], None]) -> None:
    """Call `callback` if the current task, which is mitmproxy's, fails.

    The task that connects to a server fails if the server resets the connection as soon as it is
    made. mitmproxy does not notice it, and the app would wait for mitmproxy's timeout.
    """

    def ended(task: asyncio.Task[object]) -> None:
        if not task.cancelled() and task.exception() is not None:
            callback()

    task = asyncio.current_task()
    assert task is not None
    task.add_done_callback(ended)


def disconnect(client: Client) -> None:
    """Close the connection to a client, and those that were opened for it."""
    handler = handler_of(client)
    io = handler.transports.get(client) if handler is not None else None
    if io is not None and io.handler is not None:
        io.handler.cancel("the server has disconnected")


def abort(client: Client, server: Server) -> None:
    """Reset a connection to a server; nothing more is sent to it."""
    if (transport := _transport(client, server)) is not None:
        transport.abort()


def pause_reading(client: Client, pause: bool) -> None:
    """Pause reads from a client, or resume them."""
    transport = _transport(client, client)
    if transport is None:
        return
    if pause:
        transport.pause_reading()
    else:
        transport.resume_reading()


def close_leftovers(client: Client) -> None:
    """Close the connections that mitmproxy leaves open after a client has disconnected.

    A connection's task that is cancelled while it waits for the event lock ends without
    closing its socket.
    """
    if (handler := handler_of(client)) is not None:
        for io in handler.transports.values():
            if io.handler is not None and io.handler.done() and io.writer is not None:
                io.writer.close()


def unfinished_request(client: Client) -> tuple[tuple[str, int], int] | None:
    """The destination of a request whose head is incomplete, and its bytes so far."""
    handler = handler_of(client)
    if handler is None:
        return None
    for each in all_layers(handler):
        if isinstance(each, HttpLayer):
            reader = each.connections.get(client)
            address = each.context.server.address
            if isinstance(reader, Http1Server) and reader.buf and address is not None:
                return (address[0], address[1]), len(reader.buf)
    return None


def all_layers(handler: ConnectionHandler) -> Iterator[layer.Layer]:
    """All layers of a client's connection, each once."""
    seen: list[layer.Layer] = []
    contexts = [handler.layer.context]
    while contexts:
        for each in contexts.pop().layers:
            if each in seen:
                continue  # a stream's context contains the layers above it as well
            seen.append(each)
            yield each
            if isinstance(each, HttpLayer):
                contexts += [stream.context for stream in each.streams.values()]
