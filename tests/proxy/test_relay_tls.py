"""TLS that has something to settle in the middle of a session: no byte is lost."""

from __future__ import annotations

import contextlib
import gc
import select
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from OpenSSL import SSL

from test_relay import Rig, recorder
from tls_certificates import Certificate
from wire_bytes import BINARY, TEXT, accepted, frame, upgrade
from wire_servers import accepting, unused_port
from wire_witness import PATIENCE, Peer, through_connect, wait_until
from wsproxy.proxy.relay import READ_SIZE, Leg
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, TraceReader

AUDIO = frame(BINARY, bytes(range(256)) * 40, mask=b"\x12\x34\x56\x78")
TIMES = 100  # 1 MB in all


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("server") / "server.pem")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with recorder("regular", {}, tmp_path / "ca", tmp_path / "traces") as running:
        yield running


def frames_of(path: Path, *, from_client: bool) -> list[FrameRecord]:
    with TraceReader(path) as reader:
        assert not reader.losses
        return [
            record
            for record in reader
            if isinstance(record, FrameRecord) and record.from_client is from_client
        ]


class Renegotiating:
    """A server of TLS 1.2 that renegotiates while its client sends.

    Attributes:
        begun: set when the client has been asked to.
        go_on: the server reads on after that is set.
    """

    def __init__(self, certificate: Certificate) -> None:
        self.received = bytearray()
        self.begun, self.go_on, self.done = (threading.Event() for _ in range(3))
        self.renegotiations = 0
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.use_certificate_file(str(certificate.path))
        self._context.use_privatekey_file(str(certificate.path))
        self._context.set_max_proto_version(SSL.TLS1_2_VERSION)

    def serve(self, sock: socket.socket) -> None:
        tls = SSL.Connection(self._context, sock)
        tls.set_accept_state()
        head = b""
        while b"\r\n\r\n" not in head:
            head += tls.recv(1 << 16)
        tls.sendall(accepted())
        while len(self.received) < len(AUDIO):
            self.received += tls.recv(1 << 16)
        tls.renegotiate()
        tls.do_handshake()
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        with contextlib.suppress(SSL.ZeroReturnError, SSL.SysCallError):
            while len(self.received) < len(AUDIO) * TIMES:
                self.received += tls.recv(1 << 16)
        self.renegotiations = tls.total_renegotiations()
        tls.shutdown()
        sock.shutdown(socket.SHUT_WR)
        self.done.set()


def test_relay_data_sent_during_a_renegotiation_is_delivered_in_order(
    rig: Rig, certificate: Certificate
) -> None:
    server = Renegotiating(certificate)
    earlier = _legs()
    listener = socket.create_server(("127.0.0.1", 0))
    with accepting(listener, server.serve):
        assert rig.running.address is not None
        client = through_connect(rig.running.address[1], listener.getsockname()[1], tls=True)
        client.send_head(upgrade("/renegotiated", "localhost"))
        assert client.read_head().startswith(b"HTTP/1.1 101 ")
        client.send(AUDIO)
        assert server.begun.wait(PATIENCE)

        def send_the_rest() -> None:
            for _ in range(TIMES - 1):
                client.send(AUDIO)

        sender = threading.Thread(target=send_the_rest)
        sender.start()
        # The recorder reads some, and then no more: what it keeps for TLS is bounded.
        legs = {leg.from_client: leg for leg in _legs() if leg not in earlier}
        wait_until(lambda: "tls" in legs[True]._holds)
        tls = legs[False]._tls
        assert tls is not None
        assert 0 < len(tls._unsent) <= 2 * READ_SIZE
        server.go_on.set()
        client.until_end()
        sender.join()
        client.close()
    assert server.done.wait(PATIENCE)
    assert server.renegotiations == 1
    assert server.received == AUDIO * TIMES
    trace = rig.trace("/renegotiated")
    assert len(frames_of(trace, from_client=True)) == TIMES
    assert Session.read(trace).complete


def _legs() -> list[Leg]:
    """Those of all sessions that the collector has not found unreachable."""
    return [each for each in gc.get_objects() if isinstance(each, Leg)]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="it is played with openssl s_server")
def test_relay_data_around_a_key_update_is_delivered(rig: Rig, certificate: Certificate) -> None:
    port = unused_port()
    command = ["openssl", "s_server", "-accept", str(port), "-cert", str(certificate.path)]
    frames = [frame(TEXT, text, mask=bytes(4)) for text in (b"before it", b"after it")]
    with subprocess.Popen(
        [*command, "-tls1_3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as server:
        received = bytearray()
        reader = threading.Thread(target=lambda: _gather(server, received), daemon=True)
        reader.start()
        wait_until(lambda: b"ACCEPT" in received)
        client = _connect(rig, port)
        client.send_head(upgrade("/updated", "localhost"))
        wait_until(lambda: b"Sec-WebSocket-Key" in received)
        _type(server, accepted())
        assert client.read_head().startswith(b"HTTP/1.1 101 ")
        client.send(frames[0])
        wait_until(lambda: b"before it" in received)
        _type(server, b"K\n")  # new keys, and the peer is asked for its own
        # What is typed along with a command is taken for a part of it, and dropped.
        while not select.select([client.sock], [], [], 0.1)[0]:
            _type(server, frame(TEXT, b"new keys\n"))
        client.until(len(frame(TEXT, b"new keys\n")))
        client.send(frames[1])
        wait_until(lambda: b"after it" in received)
        client.close()
        server.kill()
    texts = [each.payload for each in frames_of(rig.trace("/updated"), from_client=True)]
    assert texts == [b"before it", b"after it"]


def _connect(rig: Rig, port: int) -> Peer:
    assert rig.running.address is not None
    return through_connect(rig.running.address[1], port, tls=True)


def _gather(server: subprocess.Popen[bytes], received: bytearray) -> None:
    assert server.stdout is not None
    while data := server.stdout.read(1 << 16):
        received += data


def _type(server: subprocess.Popen[bytes], text: bytes) -> None:
    assert server.stdin is not None
    server.stdin.write(text)
