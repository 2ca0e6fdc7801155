"""A handler of mitmproxy that uses a connection to the server that exists already."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, server_hooks
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler
from mitmproxy.proxy.server import ConnectionIO

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class AdoptingHandler(ProxyConnectionHandler):
    """Uses a given connection in place of the first one that it would open itself."""

    _streams: Streams | None = None
    _address: tuple[Any, ...] = ()

    def adopt(self, streams: Streams, address: tuple[Any, ...]) -> None:
        """Use a connection for the first server with this address."""
        self._streams, self._address = streams, address

    async def open_connection(self, command: commands.OpenConnection) -> None:
        """As mitmproxy's own, with the connection that was given."""
        server, streams = command.connection, self._streams
        if streams is None or server.address != self._address[:2] or server.via is not None:
            await super().open_connection(command)
            return
        self._streams = None
        # With eager tasks, mitmproxy has not entered the connection into `transports` yet.
        await asyncio.sleep(0)
        data = server_hooks.ServerConnectionHookData(client=self.client, server=server)
        await self.handle_hook(server_hooks.ServerConnectHook(data))
        if server.error:
            await self.handle_hook(server_hooks.ServerConnectErrorHook(data))
            error = f"Connection killed: {server.error}"
            await self.server_event(events.OpenConnectionCompleted(command, error))
            return
        reader, writer = streams
        server.timestamp_start = server.timestamp_tcp_setup = time.time()
        server.state = ConnectionState.OPEN
        server.peername = writer.get_extra_info("peername")
        server.sockname = writer.get_extra_info("sockname")
        self.transports[server] = ConnectionIO(asyncio.current_task(), reader, writer)
        await self.handle_hook(server_hooks.ServerConnectedHook(data))
        await self.server_event(events.OpenConnectionCompleted(command, None))
        try:
            await self.handle_connection(server)
        finally:
            server.timestamp_end = time.time()
            await self.handle_hook(server_hooks.ServerDisconnectedHook(data))
