"""TLS of one connection, without a socket: ciphertext in and out, plaintext in and out.

TLS cannot always take what is to be sent: during a renegotiation (RFC 5246, section 7.4.1.1)
it has to hear from the peer first. What is sent meanwhile is kept here, in order, and goes
out as soon as TLS takes it.
"""

from __future__ import annotations

from typing import NamedTuple

from OpenSSL import SSL

_CHUNK = 1 << 16
_RECORD = 1 << 14  # bytes of plaintext in a TLS record, at most (RFC 8446, section 5.1)


class TlsPlaintext(NamedTuple):
    """What came of ciphertext.

    Attributes:
        data: plaintext.
        has_ended: whether the peer has ended its direction (close_notify).
        error: what broke TLS, or None.
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
        self._end_asked = False
        self._end_sent = False

    @property
    def waits(self) -> bool:
        """Whether something that is to be sent has to wait for the peer."""
        return bool(self._unsent) or self._end_asked

    def receive(self, ciphertext: bytes) -> TlsPlaintext:
        """Take ciphertext from the peer, which may be empty; sends what waited for it."""
        if ciphertext:
            self._tls.bio_write(ciphertext)
        data, has_ended, error = self._decrypt()
        return TlsPlaintext(data, has_ended, error or self._send_waiting())

    def send(self, data: bytes) -> SSL.Error | None:
        """Encrypt data, now or when TLS can; returns what broke TLS, if that did."""
        if self.waits:
            self._unsent += data
            return None
        at = 0
        try:
            while at < len(data):
                at += self._tls.send(data[at : at + _RECORD])
        except SSL.WantReadError:
            self._unsent += data[at:]
        except SSL.Error as error:
            return self._broken(error)
        return None

    def end(self) -> SSL.Error | None:
        """Send a close_notify after everything before it; returns what broke TLS, if that did."""
        if self._end_sent or self._end_asked:
            return None
        self._end_asked = True
        return self._send_waiting()

    def take(self) -> bytes:
        """The ciphertext that is to be sent to the peer; empty if there is none."""
        chunks = []
        while True:
            try:
                chunks.append(self._tls.bio_read(_CHUNK))
            except SSL.WantReadError:  # there is no more
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
                error = self._broken(exc)
                break
        return (chunks[0] if len(chunks) == 1 else b"".join(chunks)), has_ended, error

    def _send_waiting(self) -> SSL.Error | None:
        try:
            while self._unsent:
                sent = self._tls.send(bytes(self._unsent[:_RECORD]))
                del self._unsent[:sent]
            if self._end_asked:
                self._tls.shutdown()
                self._end_asked, self._end_sent = False, True
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            if not _is_handshaking(error):
                return self._broken(error)
        return None

    def _broken(self, error: SSL.Error) -> SSL.Error:
        """Nothing more can be sent: nothing waits for it."""
        self._unsent.clear()
        self._end_asked = False
        return error


def _is_handshaking(error: SSL.Error) -> bool:
    """Whether a close_notify could not be sent because a handshake is under way."""
    reasons = error.args[0] if error.args else ()
    return any("shutdown while in init" in entry[-1] for entry in reasons)
