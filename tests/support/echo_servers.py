"""A WebSocket server that echoes, on a thread, with TLS and without, for clients of all kinds."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection, serve


@dataclass(frozen=True)
class EchoServers:
    """The ports of a server on 127.0.0.1.

    It answers each message with "echo " before it, binary ones unchanged. After "bye" it closes,
    in a way that the path names: "reset" and "eof" without a Close frame, others with 1000.
    """

    secure_port: int
    plain_port: int


@contextlib.contextmanager
def echo_servers(context: ssl.SSLContext) -> Iterator[EchoServers]:
    """Serve for the body of a `with`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="echo-servers")
    thread.start()

    async def start() -> tuple[list[int], contextlib.AsyncExitStack]:
        stack = contextlib.AsyncExitStack()
        ports = []
        for tls in (context, None):
            server = await stack.enter_async_context(
                serve(_echo, "127.0.0.1", 0, ssl=tls, max_size=None, compression=None)
            )
            ports.append(next(iter(server.sockets)).getsockname()[1])
        return ports, stack

    ports, stack = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield EchoServers(*ports)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _echo(connection: ServerConnection) -> None:
    assert connection.request is not None
    path = connection.request.path
    async for message in connection:
        await connection.send(f"echo {message}" if isinstance(message, str) else message)
        if message != "bye":
            continue
        if "reset" in path:
            sock: socket.socket = connection.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.transport.abort()
        elif "eof" in path:
            connection.transport.close()
        else:
            await connection.close(1000, "good")
        return
