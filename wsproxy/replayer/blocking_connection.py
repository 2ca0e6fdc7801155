"""A connection of a replay on a non-blocking socket, without asyncio."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Iterator

from wsproxy.system.tcp import reset_on_close, unacknowledged

from .connection import CLOSE_TIMEOUT, SEND_TIMEOUT, Receiver

_MAX_UNSENT = 64 << 10  # bytes that the peer does not read; then nothing more is sent
_READ_SIZE = 64 << 10  # bytes of one read
_MAX_READS = 16  # of one transfer: a flood must not delay the steps
_MAX_WAITING = 1 << 20  # received bytes without a receiver; then reading pauses
# What a non-blocking socket raises; TLS has exceptions of its own.
_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class BlockingConnection:
    """The counterpart of `ReplayConnection`; only `transfer` waits.

    Keeps received bytes until there is a receiver, then passes them on as they arrive.

    Args:
        sock: connected; with TLS, after the TLS handshake. `close` closes it.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._receiver: Receiver | None = None
        self._received = bytearray()
        self._unsent = bytearray()
        self._fin_pending = False  # the direction ends behind `_unsent`
        self._send_closed = False  # nothing can be sent any more
        self._closed = False
        self._peer_end: str | None = None

    # -- player.PlayerConnection

    @property
    def writable(self) -> bool:
        """Whether more may be sent."""
        return len(self._unsent) <= _MAX_UNSENT

    @property
    def peer_end(self) -> str | None:
        """How the peer ended its direction, "eof" or "reset"; None while it has not."""
        return self._peer_end

    def receive_with(self, receiver: Receiver) -> None:
        """Pass waiting bytes, and all that arrive from now on, to a receiver."""
        self._receiver = receiver
        if waiting := self.take_received():
            receiver.received(waiting)
        if self._peer_end is not None:
            receiver.peer_ended(self._peer_end)

    def send(self, data: bytes) -> None:
        """Send, behind what was sent before."""
        if not self._send_closed and not self._fin_pending:
            self._unsent += data
            self._write()

    def finish(self) -> None:
        """End this direction with a FIN behind what was sent; with TLS, close the connection."""
        self._fin_pending = True
        self._write()

    def follow(self, steps: Iterator[float | None]) -> None:
        """Do what `Player.steps` asks for."""
        for seconds in steps:
            if seconds is None:
                self.reset()
            else:
                self.transfer(seconds)

    # -- receiving

    def take_received(self) -> bytes:
        """Take the bytes that wait for a receiver."""
        waiting, self._received = bytes(self._received), bytearray()
        return waiting

    def put_back(self, data: bytes) -> None:
        """Return bytes that were taken; they are received next."""
        self._received[:0] = data

    def transfer(self, seconds: float) -> None:
        """Read and write what is possible; wait at most `seconds` until something is."""
        self._write()
        if self._read() or seconds <= 0:
            return
        self._wait(seconds)
        self._write()
        self._read()

    def _wait(self, seconds: float) -> None:
        reading = self._peer_end is None and len(self._received) <= _MAX_WAITING
        if self._closed or not (reading or self._unsent):
            time.sleep(seconds)
            return
        readers = [self._sock] if reading else []
        writers = [self._sock] if self._unsent else []
        if not hasattr(select, "poll"):
            select.select(readers, writers, [], seconds)
            return
        # select.select() fails for descriptors from 1024 on.
        poll = select.poll()
        wanted = (select.POLLIN if readers else 0) | (select.POLLOUT if writers else 0)
        poll.register(self._sock, wanted)
        poll.poll(seconds * 1000)

    def _read(self) -> bool:
        """Read what has arrived; returns whether there was anything."""
        for number in range(_MAX_READS):
            if self._closed or self._peer_end is not None or len(self._received) > _MAX_WAITING:
                return number > 0
            try:
                data = self._sock.recv(_READ_SIZE)
            except _WOULD_BLOCK:
                return number > 0
            except OSError:
                self._set_peer_end("reset")
                return True
            if not data:
                self._set_peer_end("eof")
                if self._tls:  # with TLS the other direction cannot stay open
                    self._send_closed = True
                return True
            self._deliver(data)
        return True

    def _deliver(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver.received(data)
        else:
            self._received += data

    def _set_peer_end(self, how: str) -> None:
        if self._peer_end in (how, "reset"):
            return
        self._peer_end = how
        self._send_closed = self._send_closed or how == "reset"
        if self._receiver is not None:
            self._receiver.peer_ended(how)

    # -- sending

    def _write(self) -> None:
        """Send what the kernel accepts now."""
        while self._unsent and not self._send_closed and not self._closed:
            try:
                sent = self._sock.send(self._unsent)
            except _WOULD_BLOCK:
                return
            except OSError:
                self._read_rest()
                return
            del self._unsent[:sent]
        if self._send_closed:
            self._unsent.clear()
        elif self._fin_pending:
            self._send_fin()

    def _read_rest(self) -> None:
        """A write reported the end first: read what arrived before it."""
        self._send_closed = True
        self._unsent.clear()
        with contextlib.suppress(*_WOULD_BLOCK, OSError):
            while (
                not self._tls and self._peer_end is None and (data := self._sock.recv(_READ_SIZE))
            ):
                self._deliver(data)
        self._set_peer_end("reset")

    def _send_fin(self) -> None:
        self._send_closed = True
        with contextlib.suppress(*_WOULD_BLOCK, OSError):  # not connected any more
            if isinstance(self._sock, ssl.SSLSocket):
                self._close_socket()
                self._set_peer_end("eof")
            else:
                self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Reset the connection (RST) once everything sent is delivered."""
        deadline = time.monotonic() + SEND_TIMEOUT
        while (
            not self._closed
            and self._peer_end != "reset"
            and (self._unsent or unacknowledged(self._sock))
            and time.monotonic() < deadline
        ):
            self.transfer(0.001)
        reset_on_close(self._sock)
        self._closed = self._send_closed = True
        self._sock.close()

    def close(self) -> None:
        """Close the connection once everything is sent; after CLOSE_TIMEOUT in any case."""
        self._receiver = None
        deadline = time.monotonic() + CLOSE_TIMEOUT
        while self._unsent and not self._closed and time.monotonic() < deadline:
            self._received.clear()
            self.transfer(CLOSE_TIMEOUT / 10)
        self._close_socket()

    def _close_socket(self) -> None:
        if self._closed:
            return
        self._closed = self._send_closed = True
        if isinstance(self._sock, ssl.SSLSocket) and self._peer_end != "reset":
            # The peer's close_notify is not awaited (RFC 8446, section 6.1).
            with contextlib.suppress(*_WOULD_BLOCK, OSError, ValueError):
                self._sock.unwrap()
        self._sock.close()
