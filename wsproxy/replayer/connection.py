"""One connection of a replay: bytes as they come, and ends as they were recorded."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Protocol

from wsproxy.system.address import authority
from wsproxy.system.tcp import reset_on_close, unacknowledged

SEND_TIMEOUT = 10.0  # seconds that data before a reset may take to be delivered
CLOSE_TIMEOUT = 2.0  # seconds that a connection may take to close in good order
_MAX_WAITING = 1 << 20  # bytes that wait for a receiver


class Receiver(Protocol):
    """What takes what comes."""

    def data(self, data: bytes) -> None:
        """Bytes came."""

    def ended(self, how: str) -> None:
        """The peer ended its direction: "eof" or "reset"."""


class ReplayConnection(asyncio.Protocol):
    """Keeps what comes until there is a receiver, then hands it on as it comes.

    Args:
        on_connected: called once the connection stands.
    """

    def __init__(self, on_connected: Callable[[ReplayConnection], None] | None = None) -> None:
        self._on_connected = on_connected
        self._transport: asyncio.Transport
        self._receiver: Receiver | None = None
        self._waiting = bytearray()
        self._end: str | None = None
        self._closing = False
        self._lost = asyncio.Event()
        self._changed = asyncio.Event()
        self.writable = True
        self.tls = False

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.tls = transport.get_extra_info("ssl_object") is not None
        if self._on_connected is not None:
            self._on_connected(self)

    def data_received(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver.data(data)
        else:
            self._waiting += data
            if len(self._waiting) > _MAX_WAITING:
                self._transport.pause_reading()
        self._changed.set()

    def eof_received(self) -> bool:
        self._ended("eof")
        return not self.tls  # the other direction stays open; TLS has none that could

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not self._closing:
            self._read_rest()
            self._ended("reset" if isinstance(exc, OSError) else "eof")
        elif not self._closing:
            self._ended("eof")
        self._lost.set()
        self.writable = True
        self._changed.set()

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        self._changed.set()

    def _read_rest(self) -> None:
        """Read what came before the end that a failed write noticed first.

        A server that ends while audio is on its way resets the connection right behind
        its Close frame. The kernel keeps that readable, but asyncio does not read it.
        """
        sock = self._transport.get_extra_info("socket")
        if self.tls or sock is None:
            return
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(sock.fileno(), 1 << 16):
                self.data_received(data)

    def _ended(self, how: str) -> None:
        if self._end is not None and how != "reset":
            return
        self._end = how
        if self._receiver is not None:
            self._receiver.ended(how)
        self._changed.set()

    # -- who

    @property
    def peer(self) -> str:
        """The peer's address, "host:port"."""
        host, port = self._transport.get_extra_info("peername")[:2]
        return authority(host, port)

    @property
    def local(self) -> tuple[str, int]:
        """The address of this end."""
        host, port = self._transport.get_extra_info("sockname")[:2]
        return str(host), int(port)

    # -- what comes

    async def head(self, find: Callable[[bytearray], int | None]) -> bytes | None:
        """Wait for the beginning of what comes.

        Args:
            find: returns the length of the beginning once it is complete.

        Returns:
            The beginning, or None if the peer ended before.
        """
        while True:
            size = find(self._waiting)
            if size is not None:
                out = bytes(self._waiting[:size])
                del self._waiting[:size]
                if self._end is None and not self._transport.is_closing():
                    self._transport.resume_reading()
                return out
            if self._end is not None:
                return None
            self._changed.clear()
            await self._changed.wait()

    def put_back(self, data: bytes) -> None:
        """Let what was read too far come again."""
        self._waiting[:0] = data

    @property
    def end(self) -> str | None:
        """How the peer ended its direction; None while it has not."""
        return self._end

    def receive_with(self, receiver: Receiver) -> None:
        """Hand what waits, and what comes from now on, to a receiver."""
        self._receiver = receiver
        waiting, self._waiting = bytes(self._waiting), bytearray()
        if waiting:
            receiver.data(waiting)
        if self._end is not None:
            receiver.ended(self._end)
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    async def changed(self, seconds: float) -> None:
        """Wait until something came or ended, for so long at most."""
        self._changed.clear()
        # Every step of every session waits here; asyncio.timeout() costs several times this.
        timer = asyncio.get_running_loop().call_later(seconds, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()

    async def until_end(self, seconds: float) -> None:
        """Wait until the peer ended its direction, for so long at most."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._end is None and (left := until - loop.time()) > 0:
            await self.changed(left)

    # -- what is sent

    def send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def finish(self) -> None:
        """End this direction with a FIN behind what was sent; with TLS, the connection."""
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            with contextlib.suppress(OSError):  # not connected any more
                self._transport.write_eof()
        else:
            self._transport.close()

    async def reset(self) -> None:
        """Reset the connection (RST) once what was sent before is delivered."""
        sock = self._transport.get_extra_info("socket")
        deadline = asyncio.get_running_loop().time() + SEND_TIMEOUT
        while (  # noqa: ASYNC110  # the kernel has no event for it
            not self._transport.is_closing()
            and (self._transport.get_write_buffer_size() or unacknowledged(sock))
            and asyncio.get_running_loop().time() < deadline
        ):
            await asyncio.sleep(0.001)
        self._closing = True
        reset_on_close(sock)
        self._transport.abort()

    def abort(self) -> None:
        """Give the connection up, if it is not closed."""
        self._closing = True
        if not self._lost.is_set():
            self._transport.abort()

    async def close(self) -> None:
        """Close the connection, by force if it takes too long."""
        self._closing = True
        if not self._transport.is_closing():  # closed twice, one of TLS fails in abort()
            self._transport.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._lost.wait()
        except TimeoutError:
            self._transport.abort()
