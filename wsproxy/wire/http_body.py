"""Reads the body of an HTTP/1.1 message with h11, after the head was parsed elsewhere."""

from __future__ import annotations

import h11

from .http_head import MAX_HEAD


class BodyReader:
    """Removes the framing of a body (RFC 9112, section 6.3).

    Args:
        chunked: whether it has the chunked transfer coding.
        length: Content-Length, bytes; it is ignored if `chunked`. None: the body ends with the
            connection.

    Attributes:
        done: the body is complete or invalid.
        invalid: its framing is invalid.
    """

    def __init__(self, *, chunked: bool, length: int | None) -> None:
        self.done = False
        self.invalid = False
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._h11.send(h11.Request(method="GET", target="/", headers=[("Host", "localhost")]))
        self._h11.send(h11.EndOfMessage())
        # h11 has no public reader for a body alone: it gets a head with the same framing.
        framing = b""
        if chunked:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif length is not None:
            framing = b"Content-Length: %d\r\n" % length
        self.feed(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n")

    def feed(self, data: bytes) -> bytes:
        """Add the next bytes; returns what of the body they contain."""
        if self.done or not data:
            return b""
        self._h11.receive_data(data)
        return self._read()

    def end(self) -> None:
        """The connection has ended; the body is invalid if it is not complete."""
        if not self.done:
            self._h11.receive_data(b"")
            self._read()

    def _read(self) -> bytes:
        body = bytearray()
        try:
            while not self.done:
                event = self._h11.next_event()
                if event is h11.NEED_DATA:
                    break
                if isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    self.done = True
        except h11.RemoteProtocolError:
            self.done = self.invalid = True
        return bytes(body)
