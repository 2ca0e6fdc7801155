"""HTTP/2, and so gRPC, works through the recorder, intercepted and passed through."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded

from session_recorder import recorder
from tls_certificates import Certificate, trusting_context
from wire_servers import accepting
from wire_witness import PATIENCE, through_connect

BODY = b"\x00\x00\x00\x00\x05hello"  # as gRPC frames a message


@contextlib.contextmanager
def http2_server(certificate: Certificate) -> Iterator[int]:
    """A server that answers each request with its body."""
    context = certificate.server_context()
    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as tls:
            connection = H2Connection(H2Configuration(client_side=False))
            connection.initiate_connection()
            tls.sendall(connection.data_to_send())
            body = b""
            while data := tls.recv(65536):
                for event in connection.receive_data(data):
                    if isinstance(event, DataReceived):
                        body += event.data
                    elif isinstance(event, StreamEnded):
                        connection.send_headers(event.stream_id, [(":status", "200")])
                        connection.send_data(event.stream_id, body, end_stream=True)
                tls.sendall(connection.data_to_send())

    with accepting(listener, serve):
        yield listener.getsockname()[1]


def call(sock: socket.socket, port: int) -> tuple[str | None, bytes]:
    """The protocol that was negotiated, and the answer to a request with BODY."""
    context = trusting_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with context.wrap_socket(sock, server_hostname="localhost") as tls:
        connection = H2Connection()
        connection.initiate_connection()
        head = {":method": "POST", ":path": "/x", ":scheme": "https"}
        fields = [*head.items(), (":authority", f"localhost:{port}"), ("te", "trailers")]
        connection.send_headers(1, fields)
        connection.send_data(1, BODY, end_stream=True)
        tls.sendall(connection.data_to_send())
        body, status = b"", None
        while data := tls.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, ResponseReceived):
                    status = dict(event.headers).get(b":status")
                elif isinstance(event, DataReceived):
                    body += event.data
                elif isinstance(event, StreamEnded):
                    assert status == b"200"
                    return tls.selected_alpn_protocol(), body
    raise AssertionError("no answer")


@pytest.mark.parametrize("passed", [False, True])
def test_http2_request_is_answered(passed: bool, confdir: Path, tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path / "server.pem")
    options = () if passed else ("ssl_insecure=true",)
    with (
        http2_server(certificate) as port,
        recorder(confdir, tmp_path / "traces", "regular", *options) as recorded,
    ):
        sock = through_connect(recorded.port, port, tls=False, host="localhost").sock
        assert call(sock, port) == ("h2", BODY)
        assert bool(recorded.running.passed_through()) is passed
