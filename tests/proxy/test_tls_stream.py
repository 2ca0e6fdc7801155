"""TLS without a socket: what it cannot send yet is sent later, whole and in order."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from OpenSSL import SSL

from tls_certificates import Certificate
from wsproxy.proxy.tls_stream import TlsStream

SPEECH = bytes(range(256)) * 300  # more than a TLS record holds


class Ends:
    """A TlsStream as the client of a TLS server, and what has come of it there."""

    def __init__(self, folder: Path, version: int) -> None:
        certificate = Certificate.make(folder / "server.pem")
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate_file(str(certificate.path))
        context.use_privatekey_file(str(certificate.path))
        context.set_max_proto_version(version)
        self.server = SSL.Connection(context, None)
        self.server.set_accept_state()
        client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        client.set_connect_state()
        self.received = bytearray()
        self.saw_end = False
        for _ in range(5):
            for end, other in ((client, self.server), (self.server, client)):
                with contextlib.suppress(SSL.WantReadError):
                    end.do_handshake()
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(end.bio_read(1 << 16))
        self.stream = TlsStream(client)

    def serve(self) -> None:
        """Let the server read what was sent to it."""
        ciphertext = self.stream.take()
        if ciphertext:
            self.server.bio_write(ciphertext)
        try:
            while True:
                self.received += self.server.recv(1 << 16)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.saw_end = True

    def answer(self) -> bytes:
        """Let the stream read what the server sends; returns the plaintext."""
        try:
            ciphertext = self.server.bio_read(1 << 20)
        except SSL.WantReadError:
            return b""
        received = self.stream.receive(ciphertext)
        assert received.error is None
        return received.data

    def exchange(self) -> None:
        """Let both talk until there is no more to say."""
        for _ in range(6):
            self.serve()
            self.answer()


@pytest.fixture
def renegotiating(tmp_path: Path) -> Ends:
    """Ends of which the server has begun a renegotiation."""
    ends = Ends(tmp_path, SSL.TLS1_2_VERSION)
    assert ends.server.renegotiate()
    ends.server.do_handshake()
    ends.answer()
    return ends


def test_tls_stream_send_during_renegotiation_is_delivered_after_it(renegotiating: Ends) -> None:
    assert renegotiating.stream.send(SPEECH) is None
    assert renegotiating.stream.is_blocked
    assert renegotiating.stream.send(b"and more") is None
    renegotiating.exchange()
    assert not renegotiating.stream.is_blocked
    assert renegotiating.received == SPEECH + b"and more"


def test_tls_stream_end_during_renegotiation_follows_the_data(renegotiating: Ends) -> None:
    renegotiating.stream.send(SPEECH)
    assert renegotiating.stream.end() is None
    assert renegotiating.stream.is_blocked
    renegotiating.exchange()
    assert not renegotiating.stream.is_blocked
    assert (renegotiating.received, renegotiating.saw_end) == (SPEECH, True)


def test_tls_stream_end_during_renegotiation_is_sent_after_it(renegotiating: Ends) -> None:
    assert renegotiating.stream.end() is None
    assert renegotiating.stream.is_blocked
    renegotiating.exchange()
    assert (renegotiating.stream.is_blocked, renegotiating.saw_end) == (False, True)


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_tls_stream_send_is_delivered_unchanged(tmp_path: Path, version: int) -> None:
    ends = Ends(tmp_path, version)
    for _ in range(3):
        assert ends.stream.send(SPEECH) is None
        ends.serve()
    ends.server.send(b"an answer")
    assert ends.answer() == b"an answer"
    ends.stream.end()
    ends.stream.end()
    ends.serve()
    assert (bytes(ends.received), ends.saw_end) == (SPEECH * 3, True)


def test_tls_stream_send_after_tls_broke_reports_the_error(tmp_path: Path) -> None:
    ends = Ends(tmp_path, SSL.TLS1_2_VERSION)
    assert ends.stream.receive(b"This is no TLS record.").error is not None
    assert ends.stream.send(SPEECH) is not None
    assert not ends.stream.is_blocked
