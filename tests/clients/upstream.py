"""All hosts of the client matrix: they relay to servers of this process and log each session."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

from frame_log import UpstreamSession

_MAX_HEAD = 65536  # bytes
_CHUNK = 65536  # bytes


class Upstream:
    """Listens on port 443 with TLS and on port 80 without.

    Args:
        backend: the port on 127.0.0.1 of the server for a host.

    Attributes:
        sessions: those whose opening handshake was answered with 101.
    """

    def __init__(self, address: str, context: ssl.SSLContext, backend: Callable[[str], int]):
        self._address, self._context, self._backend = address, context, backend
        self._active = 0
        self._changed = threading.Condition()
        self.sessions: list[UpstreamSession] = []

    def take(self, patience: float = 10.0) -> list[UpstreamSession]:
        """The sessions since the last call, once their connections have ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._active == 0, patience)
            taken, self.sessions = self.sessions, []
            return taken

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Serve for the body of a `with`."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="upstream", daemon=True)
        thread.start()

        async def start() -> list[asyncio.Server]:
            return [
                await asyncio.start_server(self._serve, self._address, port, ssl=tls)
                for port, tls in ((443, self._context), (80, None))
            ]

        asyncio.run_coroutine_threadsafe(start(), loop).result()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._changed:
            self._active += 1
        try:
            await self._relay(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # the client has gone
        finally:
            writer.close()
            with self._changed:
                self._active -= 1
                self._changed.notify_all()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        host = fields.get("host", "").partition(":")[0]
        inner, outer = await asyncio.open_connection("127.0.0.1", self._backend(host))
        outer.write(head)
        session = None
        if fields.get("upgrade", "").lower() == "websocket":
            answer = await inner.readuntil(b"\r\n\r\n")
            if answer.split(b" ", 2)[1] == b"101":
                path = lines[0].split(" ")[1].partition("?")[0]
                session = UpstreamSession(host, path)
                self.sessions.append(session)
            writer.write(answer)
        await asyncio.gather(
            _pipe(reader, outer, session.sent if session else None),
            _pipe(inner, writer, session.received if session else None),
        )


async def _pipe(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: bytearray | None
) -> None:
    """Relay one direction with the way it ends."""
    try:
        while data := await reader.read(_CHUNK):
            if log is not None:
                log += data
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()
