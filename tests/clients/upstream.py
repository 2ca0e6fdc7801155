"""All hosts of the client matrix: they relay to servers of this process and log each session."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from urllib.parse import urlsplit

from frame_log import UpstreamSession

_MAX_HEAD = 65536  # bytes
_CHUNK = 65536  # bytes
_GRACE = 1.0  # seconds for the other direction, once one has ended
_INTERVAL = 0.01  # seconds


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
                session = UpstreamSession(host, _path(lines[0].split(" ")[1]))
                self.sessions.append(session)
            writer.write(answer)
        try:
            await _both_ways(
                _pipe(reader, outer, session.sent if session else None),
                _answer(inner, writer, session),
            )
        finally:
            outer.close()


async def _both_ways(*directions: Coroutine[None, None, None]) -> None:
    """Relay until both directions have ended; a server may ignore that its client has ended."""
    tasks = [asyncio.create_task(each) for each in directions]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    if pending:
        await asyncio.wait(pending, timeout=_GRACE)
    for task in pending:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _path(target: str) -> str:
    """The path of a request's target; one client sends a URL, and one a path that begins //."""
    return target.partition("?")[0] if target.startswith("/") else urlsplit(target).path


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: UpstreamSession | None
) -> None:
    """Relay what the server sends; a closing handshake is completed before the connection ends."""
    await _pipe(reader, writer, session.received if session else None, ends=False)
    if session is not None and session.is_closed(from_client=False):
        for _ in range(int(_GRACE / _INTERVAL)):
            if session.is_closed(from_client=True):
                break
            await asyncio.sleep(_INTERVAL)
    _end(writer)


async def _pipe(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    log: bytearray | None,
    *,
    ends: bool = True,
) -> None:
    """Relay one direction, with its reset, and with its end if it `ends` the other side's."""
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
    if ends:
        _end(writer)


def _end(writer: asyncio.StreamWriter) -> None:
    if writer.is_closing():
        return
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()
