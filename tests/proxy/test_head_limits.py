"""Heads, trailers and chunk headers without an end cost bounded memory, in every mode."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from wire_bytes import accepted, upgrade
from wire_servers import serving
from wire_witness import PATIENCE, Peer, direct, wait_until
from wsproxy.proxy import head_limits
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.recorder import SessionWriter
from wsproxy.trace import find_traces

LIMIT = 20_000  # bytes, for these tests: little, so that they are quick
ENDLESS = b"x-filler: " + b"a" * 1000 + b"\r\n"


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conf")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_limits, "MAX_HEAD", LIMIT)


@contextlib.contextmanager
def recorder(
    out: Path, confdir: Path, mode: str, ended: list[SessionWriter] | None = None
) -> Iterator[int]:
    settings = ProxySettings(port=0, mode=mode, out=out, confdir=confdir)
    note = ended.append if ended is not None else lambda recording: None
    with background(settings, on_end=note) as running:
        assert running.address is not None
        yield running.address[1]


def sent_until_closed(port: int, begin: bytes, line: bytes = ENDLESS) -> tuple[int, bytes]:
    """Send without an end; how many bytes that took until the other side closed, and its answer."""
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        size = 0
        with contextlib.suppress(ConnectionError):
            sock.sendall(begin)
            while size < 50_000_000:
                size += sock.send(line)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while data := sock.recv(1 << 16):
                answer += data
        return size, answer


@pytest.mark.parametrize("mode", ["regular", "reverse:ws://127.0.0.1:UPSTREAM"])
def test_head_limits_endless_request_head_ends_the_connection(
    tmp_path: Path, confdir: Path, mode: str
) -> None:
    begins = (b"GET / HTTP/1.1\r\n", b"CONNECT a:1 HTTP/1.1\r\n", b"GET http://a/", b"")
    with (
        serving(lambda peer: peer.until_end()) as upstream,
        recorder(tmp_path, confdir, mode.replace("UPSTREAM", str(upstream))) as port,
    ):
        sizes = [sent_until_closed(port, begin)[0] for begin in begins]
    assert max(sizes) < 20_000_000  # what the kernels buffer, and no more
    assert find_traces([str(tmp_path)]) == []


def test_head_limits_request_head_over_the_limit_is_answered_with_431(
    tmp_path: Path, confdir: Path
) -> None:
    with recorder(tmp_path, confdir, "regular") as port:
        app = direct(port, tls=False)
        app.send(b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * (LIMIT + 1))
        # Whatever was sent before has been taken by now, and something has to come after it.
        threading.Event().wait(0.1)
        app.send(b"c")
        app.until_end()
    assert app.received.startswith(b"HTTP/1.1 431 ")
    assert b"wsproxy: " in app.received


def test_head_limits_request_head_below_the_limit_passes(tmp_path: Path, confdir: Path) -> None:
    def serve(peer: Peer) -> None:
        head = peer.read_head()
        if head:
            peer.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n%d" % len(head)
            )

    with (
        serving(serve) as upstream,
        recorder(tmp_path, confdir, f"reverse:ws://127.0.0.1:{upstream}") as port,
    ):
        app = direct(port, tls=False)
        app.send(b"GET / HTTP/1.1\r\nHost: localhost\r\na: " + b"b" * (LIMIT - 100) + b"\r\n\r\n")
        app.until_end()
    assert app.received.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("begin", [b"0\r\n", b"5;extension="], ids=["trailers", "chunk-header"])
def test_head_limits_endless_trailers_end_the_connection(
    tmp_path: Path, confdir: Path, begin: bytes
) -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    line = ENDLESS if begin == b"0\r\n" else b"a" * 1000
    with (
        serving(lambda peer: peer.until_end()) as upstream,
        recorder(tmp_path, confdir, f"reverse:ws://127.0.0.1:{upstream}") as port,
    ):
        size, _ = sent_until_closed(port, head + begin, line)
    assert size < 20_000_000


def endless_answer(peer: Peer) -> None:
    if not peer.read_head():
        return
    with contextlib.suppress(OSError):
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\n")
        for _ in range(50_000):
            peer.send(ENDLESS)


def test_head_limits_endless_response_head_is_a_failure_of_the_server(
    tmp_path: Path, confdir: Path
) -> None:
    ended: list[SessionWriter] = []
    with (
        serving(endless_answer) as upstream,
        recorder(tmp_path, confdir, f"reverse:ws://127.0.0.1:{upstream}", ended) as port,
    ):
        app = direct(port, tls=False)
        app.send_head(upgrade("/", "localhost"))
        app.until_end()
    assert app.received.startswith(b"HTTP/1.1 502 ") or app.head.startswith(b"HTTP/1.1 502 ")
    [recording] = ended
    failure = recording.session.failure
    assert failure is not None
    assert not failure.from_client
    assert "longer than" in failure.message


def test_head_limits_endless_connect_response_ends_the_connection(
    tmp_path: Path, confdir: Path
) -> None:
    ended: list[SessionWriter] = []
    with (
        serving(endless_answer) as upstream,
        recorder(tmp_path, confdir, f"upstream:http://127.0.0.1:{upstream}", ended) as port,
    ):
        app = direct(port, tls=False)
        app.send(b"CONNECT api.test:80 HTTP/1.1\r\nHost: api.test:80\r\n\r\n")
        app.send(upgrade("/", "api.test"))
        app.until_end()
    assert ended
    failure = ended[0].session.failure
    assert failure is not None
    assert (failure.where, failure.from_client) == ("proxy", False)


def test_head_limits_early_data_waits_and_arrives(tmp_path: Path, confdir: Path) -> None:
    answer, peers = threading.Event(), []

    def serve(peer: Peer) -> None:
        if peer.read_head():
            peers.append(peer)
            assert answer.wait(PATIENCE)
            peer.send_head(accepted())
            peer.until_end()

    with (
        serving(serve) as upstream,
        recorder(tmp_path, confdir, f"reverse:ws://127.0.0.1:{upstream}") as port,
        socket.create_connection(("127.0.0.1", port), 1.0) as sock,
    ):
        sock.sendall(upgrade("/", "localhost"))
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 50_000_000:
                sent += sock.send(bytes(100_000))
        assert sent < 20_000_000  # what the kernels buffer, and no more
        answer.set()
        sock.settimeout(PATIENCE)
        assert sock.recv(1000).startswith(b"HTTP/1.1 101 ")
        sock.shutdown(socket.SHUT_WR)
        wait_until(lambda: len(peers[0].received) == sent)
