"""An asyncio connection of a replay, which can end in every recorded way."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Protocol

from wsproxy.system.address import authority
from wsproxy.system.tcp import reset_on_close, unacknowledged

SEND_TIMEOUT = 10.0  # seconds for data before a reset to be delivered
CLOSE_TIMEOUT = 2.0  # seconds for an orderly close
_MAX_WAITING = 1 << 20  # received bytes without a receiver; then reading pauses


class Receiver(Protocol):
    """Takes what arrives on a connection."""

    def received(self, data: bytes) -> None:
        """Bytes arrived."""

    def peer_ended(self, how: str) -> None:
        """The peer ended its direction: "eof" or "reset"."""


class ReplayConnection(asyncio.Protocol):
    """Keeps received bytes until there is a receiver, then passes them on as they arrive.

    Args:
        on_connected: called when the connection is established.
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
            self._receiver.received(data)
        else:
            self._waiting += data
            if len(self._waiting) > _MAX_WAITING:
                self._transport.pause_reading()
        self._changed.set()

    def eof_received(self) -> bool:
        self._ended("eof")
        return not self.tls  # the other direction stays open, except with TLS

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
        """Read what arrived before an end that a failed write reported first.

        A server that ends during audio resets the connection right after its Close frame. The
        kernel keeps the frame readable, but asyncio does not read it.
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
            self._receiver.peer_ended(how)
        self._changed.set()

    # -- addresses

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

    # -- receiving

    async def read_head(self, find: Callable[[bytearray], int | None]) -> bytes | None:
        """Wait for the beginning of the received bytes, and take it.

        Args:
            find: returns the length of the beginning, None while it is incomplete.

        Returns:
            The beginning, or None if the peer ended before it was complete.
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

    def take_received(self) -> bytes:
        """Take the bytes that wait for a receiver."""
        waiting, self._waiting = bytes(self._waiting), bytearray()
        if self._end is None and not self._transport.is_closing():
            self._transport.resume_reading()
        return waiting

    def put_back(self, data: bytes) -> None:
        """Return bytes that were taken; they are received next."""
        self._waiting[:0] = data

    @property
    def peer_end(self) -> str | None:
        """How the peer ended its direction, "eof" or "reset"; None while it has not."""
        return self._end

    def receive_with(self, receiver: Receiver) -> None:
        """Pass waiting bytes, and all that arrive from now on, to a receiver."""
        self._receiver = receiver
        waiting, self._waiting = bytes(self._waiting), bytearray()
        if waiting:
            receiver.received(waiting)
        if self._end is not None:
            receiver.peer_ended(self._end)
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    async def wait_changed(self, seconds: float) -> None:
        """Wait at most `seconds` until something arrives, or the connection changes."""
        self._changed.clear()
        # This runs for every step of every session; asyncio.timeout() costs several times as much.
        timer = asyncio.get_running_loop().call_later(seconds, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()

    async def wait_peer_end(self, seconds: float) -> None:
        """Wait at most `seconds` until the peer has ended its direction."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._end is None and (left := until - loop.time()) > 0:
            await self.wait_changed(left)

    # -- sending

    def send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def finish(self) -> None:
        """End this direction with a FIN behind what was sent; with TLS, close the connection."""
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            with contextlib.suppress(OSError):  # not connected any more
                self._transport.write_eof()
        else:
            self._transport.close()

    async def reset(self) -> None:
        """Reset the connection (RST) once everything sent is delivered."""
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
        """Abort the connection, unless it is closed."""
        self._closing = True
        if not self._lost.is_set():
            self._transport.abort()

    async def close(self) -> None:
        """Close the connection; abort it if that takes longer than CLOSE_TIMEOUT."""
        self._closing = True
        if not self._transport.is_closing():  # a TLS transport closed twice fails in abort()
            self._transport.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._lost.wait()
        except TimeoutError:
            self._transport.abort()
