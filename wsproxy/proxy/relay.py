"""A verbatim relay between the two connections of an upgraded flow.

In mitmproxy a byte passes through a stream reader, an event lock, a stack of generator layers,
and `drain` of every writer under one lock. On this path a reset and an EOF look the same,
half-closes are lost, one stalled direction stalls the other, and each read costs a few hundred
microseconds. After the upgrade none of this is needed. The relay therefore sets its own asyncio
protocol on both transports, copies bytes, and ends each side as the other side ended. When both
connections are lost, it returns them to mitmproxy's stream protocols, and mitmproxy cleans up as
usual.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Protocol

from OpenSSL import SSL

from wsproxy.system.tcp import reset_on_close, round_trip, unsent

from .reset_after_fin import ResetWatch, watch_for_reset
from .tls_stream import TlsStream

# Seconds for delivering the data that a peer sent before its reset.
RESET_TIMEOUT = 10.0
_RESET_POLL = 0.002  # seconds
# Seconds that a server gets, in addition to the round-trip time, to answer the last data of a
# client that has reset the connection.
LAST_ANSWER_TIME = 0.01
_MAX_ROUND_TRIP = 1.0  # seconds; a longer round trip is not waited for
# Reads of READ_SIZE from a connection that is about to be closed: its peer may never stop sending.
_MAX_LAST_READS = 64
# Bytes read at once. In tiny frames they are a tenth of a second of work for the recorder, and
# with hundreds of sessions each one may read as much before any can be held.
READ_SIZE = 64 << 10


class Sink(Protocol):
    """Receives what the relay reads. Timestamps are up to the sink."""

    def data(self, from_client: bool, data: bytes) -> bool:
        """Receive bytes of one direction; False: hold it until `Relay.release`."""

    def eof(self, from_client: bool, how: str) -> None:
        """One direction has ended: "eof", "close-notify" or "reset"."""

    def failed(self, from_client: bool, message: str) -> None:
        """TLS with one side failed."""

    def end(self) -> None:
        """Both connections are lost."""


class Relay:
    """Connects two legs until both connections are lost.

    Args:
        sink: receives all data and events.
        has_unread: whether mitmproxy has read data from a connection that it has not passed to
            `data` yet.
        on_end: called once, when both connections are lost.
    """

    def __init__(
        self,
        client: Leg,
        server: Leg,
        sink: Sink,
        has_unread: Callable[[], bool],
        on_end: Callable[[], None],
    ) -> None:
        self._legs = (client, server)
        self._sink = sink
        self._has_unread = has_unread
        self._on_end = on_end
        self._ended = False
        client.join(self, server)
        server.join(self, client)

    def start(self) -> None:
        """Take both connections over from mitmproxy.

        mitmproxy receives nothing new from then on. What it has read already is older than what
        is read here, so it has to reach `data` first.
        """
        for leg in self._legs:
            leg.take_over()
        self._begin_when_settled()

    def _begin_when_settled(self) -> None:
        if self._has_unread() or any(leg.stock_will_read for leg in self._legs):
            asyncio.get_running_loop().call_soon(self._begin_when_settled)
            return
        for leg in self._legs:
            leg.begin()

    def hold(self) -> None:
        """Pause reads from both sides, as a slow network would."""
        for leg in self._legs:
            leg.hold("recorder")

    def release(self) -> None:
        """Resume reads that were paused for the recorder."""
        for leg in self._legs:
            leg.release("recorder")

    def data(self, leg: Leg, data: bytes) -> None:
        """Copy data that a leg read: to the other side first, then to the sink."""
        leg.other.send(data)
        if not self._sink.data(leg.from_client, data):
            leg.hold("recorder")

    def eof(self, leg: Leg, how: str) -> None:
        """A leg's peer has ended its direction: end the other leg's direction in the same way.

        TLS can end while TCP stays open. If only one leg has TLS, the end of TLS corresponds to
        the end of TCP: a server that has sent its close_notify waits up to 30 s for an answer,
        and a client without TLS sees only a FIN.
        """
        self._sink.eof(leg.from_client, how)
        match how:
            case "reset":
                leg.other.reset()
            case "close-notify" if leg.other.has_tls:
                leg.other.send_close_notify()
            case "close-notify":
                leg.other.send_eof()
            case _:
                if not leg.has_tls:
                    leg.other.send_close_notify()
                leg.other.send_eof()
                if leg.other.peer_ended:
                    for each in self._legs:
                        each.close()

    def failed(self, leg: Leg, message: str) -> None:
        """TLS with a leg's peer failed: nothing more can be read from it or sent to it."""
        self._sink.failed(leg.from_client, message)
        leg.close()
        leg.other.reset()

    def leg_lost(self, leg: Leg) -> None:
        """A leg's connection is lost."""
        if not leg.other.is_lost:
            leg.other.close()
        elif not self._ended:
            self._ended = True
            for each in self._legs:
                each.hand_back()
            self._on_end()
            self._sink.end()


class Leg(asyncio.Protocol):
    """One connection of the pair.

    Args:
        from_client: whether its peer is the app.
        reader, writer: the streams that mitmproxy has been using.
        tls: the TLS connection on memory BIOs, or None for a plain connection.
    """

    other: Leg
    _relay: Relay

    def __init__(
        self,
        from_client: bool,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        tls: SSL.Connection | None,
    ) -> None:
        self.from_client = from_client
        self.peer_ended = False
        self.is_lost = False
        self._reader = reader
        self._transport: asyncio.Transport = writer.transport  # type: ignore[assignment]
        # Typed as WriteTransport by typeshed; a TCP connection's can be read as well.
        self._stock: asyncio.BaseProtocol | None = None
        self._tls = TlsStream(tls) if tls is not None else None
        self._tls_ended = False
        self._eof_requested = False
        self._close_requested = False
        self._holds: set[str] = set()
        self._begun = False
        self._lost_early = False
        self._resetting = False
        self._error: Exception | None = None
        self._watch: ResetWatch | None = None

    def join(self, relay: Relay, other: Leg) -> None:
        self._relay = relay
        self.other = other

    # -- taking the connection over and handing it back

    def take_over(self) -> None:
        """Become the transport's protocol; reads stay paused."""
        self._stock = self._transport.get_protocol()
        if self._stock is None:
            return  # lost already; the stream reader has the error
        self._transport.set_protocol(self)
        self._transport.max_size = READ_SIZE  # type: ignore[attr-defined]  # asyncio's own name
        # There is no public way to see what a StreamReader has buffered, or to prevent it from
        # resuming the transport when it is read from.
        self._reader._paused = False  # type: ignore[attr-defined]
        self.hold("take-over")
        if self._transport.get_write_buffer_size() > self._transport.get_write_buffer_limits()[1]:
            self.other.hold("peer")

    @property
    def stock_will_read(self) -> bool:
        """Whether mitmproxy's task has been woken to read and has not run yet."""
        waiter: asyncio.Future[None] | None = self._reader._waiter  # type: ignore[attr-defined]
        return waiter is not None and waiter.done()

    def begin(self) -> None:
        """Process buffered data and an end that came before, then resume reads."""
        self._begun = True
        buffer: bytearray = self._reader._buffer  # type: ignore[attr-defined]
        buffered = bytes(buffer)
        buffer.clear()
        self.data_received(buffered)
        error = self._error or self._reader.exception()
        if error is None and self._reader.at_eof():
            self.eof_received()
        if error is not None or self._lost_early or self._stock is None:
            self.connection_lost(error)
        self.release("take-over")

    def hand_back(self) -> None:
        """Report the lost connection to mitmproxy's protocol, which ends its reader."""
        if self._stock is not None:
            self._stock.connection_lost(self._error)

    # -- events of the peer

    def data_received(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls_received(self._tls, data)
        elif data:
            self._relay.data(self, data)

    def _tls_received(self, tls: TlsStream, data: bytes) -> None:
        # Even without data: mitmproxy may have read a close-notify before the relay took over.
        plaintext, has_ended, error = tls.receive(data)
        self._flush_tls(tls)  # responses of TLS itself, and data that was queued for the peer
        if plaintext:
            self._relay.data(self, plaintext)
        if error is not None:
            self._relay.failed(self, f"TLS: {error}")
        elif has_ended and not self._tls_ended:
            self._tls_ended = True
            self._relay.eof(self, "close-notify")

    def eof_received(self) -> bool:
        if not self.peer_ended:
            self.peer_ended = True
            self._watch_for_reset()
            self._relay.eof(self, "eof")
        return True  # the other direction stays open

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        if self.is_lost:
            return
        self._error = exc
        if not self._begun:
            self._lost_early = True  # `begin` handles it
            return
        if exc is not None and not self._resetting:
            self._drain_socket()
            self.peer_ended = True
            self.is_lost = True
            self._relay.eof(self, "reset")
        self.is_lost = True
        self._relay.leg_lost(self)

    def _watch_for_reset(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed already
            sock = self._transport.get_extra_info("socket")
            self._watch = watch_for_reset(sock, self._on_reset)

    def _on_reset(self, error: OSError) -> None:
        self.connection_lost(error)
        self._transport.abort()

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _drain_socket(self) -> None:
        """Read what the kernel has buffered of a connection that is about to be closed.

        If a failed write is the first sign of a reset, earlier data stays readable until the
        socket is closed, which asyncio does only after connection_lost.
        """
        with contextlib.suppress(OSError, ValueError):  # no more data, or closed already
            fd = self._transport.get_extra_info("socket").fileno()
            for _ in range(_MAX_LAST_READS):
                data = os.read(fd, READ_SIZE)
                if not data:
                    if self._resetting:
                        self.eof_received()
                    return
                self.data_received(data)

    # -- flow control, per direction

    def pause_writing(self) -> None:
        if self._stock is not None:
            self._stock.pause_writing()
        self.other.hold("peer")

    def resume_writing(self) -> None:
        if self._stock is not None:
            self._stock.resume_writing()
        self.other.release("peer")

    def hold(self, reason: str) -> None:
        """Pause reads until every reason has been released."""
        self._holds.add(reason)
        self._transport.pause_reading()

    def release(self, reason: str) -> None:
        self._holds.discard(reason)
        if not self._holds and not self._transport.is_closing():
            self._transport.resume_reading()

    # -- actions on the peer

    @property
    def has_tls(self) -> bool:
        return self._tls is not None

    def send(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._tls is None:
            self._transport.write(data)
            return
        self._tls_sent(self._tls, self._tls.send(data))

    def send_close_notify(self) -> None:
        if self._tls is not None and not self._transport.is_closing():
            self._tls_sent(self._tls, self._tls.end())

    def send_eof(self) -> None:
        self._eof_requested = True
        self._end_when_sent()

    def close(self) -> None:
        """Close once all data is written; a pending reset stays a reset."""
        if self._resetting or self.is_lost:
            return
        self._close_requested = True
        self._end_when_sent()
        if not self._transport.is_closing():
            loop = asyncio.get_running_loop()
            loop.call_later(RESET_TIMEOUT, self._transport.close)

    def _end_when_sent(self) -> None:
        """End the direction, or the connection, if requested and no data is queued."""
        if self._transport.is_closing() or (self._tls is not None and self._tls.is_blocked):
            return
        if self._eof_requested:
            with contextlib.suppress(OSError):  # not connected any more
                self._transport.write_eof()
        if self._close_requested and not self._resetting:
            self._transport.close()

    def _tls_sent(self, tls: TlsStream, error: SSL.Error | None) -> None:
        """Write ciphertext; if TLS is blocked, hold the sender of the data."""
        self._flush_tls(tls)
        if error is not None:
            self._relay.failed(self, f"TLS: {error}")
        elif tls.is_blocked:
            self.other.hold("tls")

    def _flush_tls(self, tls: TlsStream) -> None:
        ciphertext = tls.take()
        if ciphertext and not self._transport.is_closing():
            self._transport.write(ciphertext)
        if "tls" in self.other._holds and not tls.is_blocked:
            self.other.release("tls")
            self._end_when_sent()

    def reset(self) -> None:
        """Reset the connection (RST) once all data is delivered."""
        if not self.is_lost and not self._resetting:
            self._resetting = True
            loop = asyncio.get_running_loop()
            self._reset_when_sent(loop, loop.time() + RESET_TIMEOUT)

    def _reset_when_sent(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        if self.is_lost:
            return
        sock = self._transport.get_extra_info("socket")
        unsent_data = (
            self._transport.get_write_buffer_size()
            or (self._tls is not None and self._tls.is_blocked)
            or unsent(sock)
        )
        if unsent_data and loop.time() < deadline:
            loop.call_later(_RESET_POLL, self._reset_when_sent, loop, deadline)
        elif self.from_client or self.peer_ended:
            self._reset_now()
        else:
            # The answer to the client's last data is on its way, and belongs in the trace.
            loop.call_later(
                LAST_ANSWER_TIME + min(round_trip(sock), _MAX_ROUND_TRIP), self._reset_now
            )

    def _reset_now(self) -> None:
        if self.is_lost:
            return
        if not self.peer_ended:
            self._drain_socket()
        reset_on_close(self._transport.get_extra_info("socket"))
        self._transport.abort()
