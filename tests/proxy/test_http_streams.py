"""HTTP that is not recorded, or only if it fails, streams through the proxy unchanged."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from wire_servers import serving
from wire_witness import PATIENCE, Peer
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.session import Session
from wsproxy.trace import find_traces

HOST = "api.deepgram.com"


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[int]:
    settings = ProxySettings(port=0, out=tmp_path / "out", confdir=tmp_path / "conf")
    with background(settings) as running:
        assert running.address is not None
        yield running.address[1]


def connect(proxy: int, upstream: int, *headers: str, method: str = "GET") -> socket.socket:
    """Ask the upstream through the proxy, under the API's name."""
    lines = [f"{method} http://127.0.0.1:{upstream}/v1/speak HTTP/1.1", f"Host: {HOST}", *headers]
    sock = socket.create_connection(("127.0.0.1", proxy), PATIENCE)
    sock.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    return sock


def until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        more = sock.recv(1 << 16)
        assert more, data
        data += more
    return data


@pytest.mark.parametrize("status", [200, 402])
def test_http_stream_response_arrives_before_it_is_complete(status: int, proxy: int) -> None:
    received_part = Event()

    def speak(peer: Peer) -> None:
        peer.read_head()
        head = f"HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        peer.send_head(head, b"5\r\nfirst\r\n")
        assert received_part.wait(PATIENCE)
        peer.send(b"4\r\nlast\r\n0\r\n\r\n")

    with serving(speak) as upstream, connect(proxy, upstream) as app:
        assert b"first" in until(app, b"first\r\n")
        received_part.set()
        assert b"last" in until(app, b"0\r\n\r\n")


def test_http_stream_upload_arrives_before_it_is_complete(proxy: int) -> None:
    arrived = Event()

    def listen(peer: Peer) -> None:
        peer.read_head()
        peer.until(5)
        arrived.set()
        peer.until(9)
        peer.send_head(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with (
        serving(listen) as upstream,
        connect(proxy, upstream, "Content-Length: 9", method="POST") as app,
    ):
        app.sendall(b"first")
        assert arrived.wait(PATIENCE)
        app.sendall(b"last")
        assert until(app, b"ok").startswith(b"HTTP/1.1 200 ")


def test_http_stream_compressed_failed_request_is_decoded(tmp_path: Path) -> None:
    sent = gzip.compress(b'{"text": "Hello.", "api_key": "s3cr3t-0123456789"}')

    def refuse(peer: Peer) -> None:
        peer.read_head()
        peer.until(len(sent))
        peer.send_head(b"HTTP/1.1 402 No\r\nContent-Length: 7\r\n\r\nno cash")
        peer.until_end()
        assert peer.received == sent

    settings = ProxySettings(port=0, out=tmp_path / "out", confdir=tmp_path / "conf")
    with serving(refuse) as upstream, background(settings) as running:
        assert running.address is not None
        asked = (f"Content-Length: {len(sent)}", "Content-Encoding: gzip")
        with connect(running.address[1], upstream, *asked, method="POST") as app:
            app.sendall(sent)
            assert until(app, b"no cash").startswith(b"HTTP/1.1 402 ")
    (trace,) = find_traces([str(tmp_path / "out")])
    request = Session.read(trace).request
    assert request is not None
    assert request.body == b'{"text": "Hello.", "api_key": "REDACTED"}'
    assert [(entry["where"], entry["name"]) for entry in request.redacted] == [("body", "api_key")]


def test_http_stream_failed_exchange_records_the_beginning_of_both_bodies(tmp_path: Path) -> None:
    long = b"x" * 100_000

    def refuse(peer: Peer) -> None:
        peer.read_head()
        peer.until(len(long))
        peer.send_head(b"HTTP/1.1 402 No\r\nContent-Length: 7\r\n\r\nno cash")

    settings = ProxySettings(port=0, out=tmp_path / "out", confdir=tmp_path / "conf")
    with serving(refuse) as upstream, background(settings) as running:
        assert running.address is not None
        asked = f"Content-Length: {len(long)}"
        with connect(running.address[1], upstream, asked, method="POST") as app:
            app.sendall(long)
            assert until(app, b"no cash").startswith(b"HTTP/1.1 402 ")
    (trace,) = find_traces([str(tmp_path / "out")])
    session = Session.read(trace)
    assert session.request is not None
    assert session.response is not None
    assert session.request.body == long[: 64 << 10]
    assert (session.response.body, session.response.body_length) == (b"no cash", 7)
