"""TLS of one connection, without a socket: ciphertext in and out, plaintext in and out.

TLS cannot always encrypt data: during a renegotiation (RFC 5246, section 7.4.1.1) it has to
receive from the peer first. Data sent in that time is queued here, in order, and encrypted as
soon as TLS accepts it.
"""

from __future__ import annotations

from typing import NamedTuple

from OpenSSL import SSL

_CHUNK = 1 << 16
_RECORD = 1 << 14  # bytes of plaintext in a TLS record, at most (RFC 8446, section 5.1)


class TlsPlaintext(NamedTuple):
    """The result of decrypting ciphertext.

    Attributes:
        data: plaintext.
        has_ended: whether the peer has ended its direction (close_notify).
        error: the TLS error, or None.
    """

    data: bytes
    has_ended: bool
    error: SSL.Error | None


class TlsStream:
    """One established TLS connection.

    Args:
        tls: the connection, on memory BIOs, with its handshake done.
    """

    def __init__(self, tls: SSL.Connection) -> None:
        self._tls = tls
        self._unsent = bytearray()
        self._end_requested = False
        self._end_sent = False

    @property
    def is_blocked(self) -> bool:
        """Whether queued data cannot be sent before the peer has sent something."""
        return bool(self._unsent) or self._end_requested

    def receive(self, ciphertext: bytes) -> TlsPlaintext:
        """Decrypt ciphertext from the peer, which may be empty, and encrypt queued data."""
        if ciphertext:
            self._tls.bio_write(ciphertext)
        data, has_ended, error = self._decrypt()
        return TlsPlaintext(data, has_ended, error or self._send_queued())

    def send(self, data: bytes) -> SSL.Error | None:
        """Encrypt data, now or as soon as TLS accepts it; returns the TLS error, if any."""
        if self.is_blocked:
            self._unsent += data
            return None
        at = 0
        try:
            while at < len(data):
                at += self._tls.send(data[at : at + _RECORD])
        except SSL.WantReadError:
            self._unsent += data[at:]
        except SSL.Error as error:
            return self._fail(error)
        return None

    def end(self) -> SSL.Error | None:
        """Send a close_notify after all queued data; returns the TLS error, if any."""
        if self._end_sent or self._end_requested:
            return None
        self._end_requested = True
        return self._send_queued()

    def take(self) -> bytes:
        """The ciphertext to send to the peer; empty if there is none."""
        chunks = []
        while True:
            try:
                chunks.append(self._tls.bio_read(_CHUNK))
            except SSL.WantReadError:  # no more data
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _decrypt(self) -> tuple[bytes, bool, SSL.Error | None]:
        chunks: list[bytes] = []
        has_ended, error = False, None
        while True:
            try:
                chunks.append(self._tls.recv(_CHUNK))
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                has_ended = True
                break
            except SSL.Error as exc:
                error = self._fail(exc)
                break
        return (chunks[0] if len(chunks) == 1 else b"".join(chunks)), has_ended, error

    def _send_queued(self) -> SSL.Error | None:
        try:
            while self._unsent:
                sent = self._tls.send(bytes(self._unsent[:_RECORD]))
                del self._unsent[:sent]
            if self._end_requested:
                self._tls.shutdown()
                self._end_requested, self._end_sent = False, True
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            if not _is_handshaking(error):
                return self._fail(error)
        return None

    def _fail(self, error: SSL.Error) -> SSL.Error:
        """Nothing more can be sent: drop queued data."""
        self._unsent.clear()
        self._end_requested = False
        return error


def _is_handshaking(error: SSL.Error) -> bool:
    """Whether a close_notify could not be sent because of a handshake in progress."""
    reasons = error.args[0] if error.args else ()
    return any("shutdown while in init" in entry[-1] for entry in reasons)
