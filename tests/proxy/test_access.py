"""What the recorder does not serve: itself, web pages, names that are not its own."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wire_bytes import accepted, close
from wire_servers import serving
from wire_witness import Peer
from wsproxy.proxy.embedding import ProxySettings, RunningProxy, background
from wsproxy.system.address import parse_ip, reaches
from wsproxy.trace import find_traces

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@dataclass(frozen=True)
class Recorder:
    """A running recorder and the folder of its traces."""

    running: RunningProxy
    out: Path

    @property
    def port(self) -> int:
        assert self.running.address is not None
        return self.running.address[1]

    def answer(self, request: str, *, host: str = "127.0.0.1") -> str:
        """What comes back for a request; PORT in it is the recorder's."""
        with socket.create_connection((host, self.port), 20) as sock:
            sock.sendall(request.replace("PORT", str(self.port)).encode())
            received = b""
            while b"\r\n\r\n" not in received and (data := sock.recv(1 << 16)):
                received += data
            with contextlib.suppress(ConnectionError):
                while not received.startswith(b"HTTP/1.1 101") and (data := sock.recv(1 << 16)):
                    received += data
            return received.decode("latin-1")

    def assert_refuses(self, request: str) -> None:
        before = self.running.connections
        answer = self.answer(request)
        assert re.match(r"HTTP/1\.1 4\d\d ", answer), answer
        assert "wsproxy: refused" in answer
        assert self.running.connections == before + 1
        assert find_traces([str(self.out)]) == []


@contextlib.contextmanager
def recorder(
    folder: Path, confdir: Path, mode: str = "regular", **settings: Any
) -> Iterator[Recorder]:
    settings |= {"port": 0, "mode": mode, "out": folder, "confdir": confdir}
    with background(ProxySettings(**settings)) as running:
        yield Recorder(running, folder)


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conf")


@pytest.fixture
def regular(tmp_path: Path, confdir: Path) -> Iterator[Recorder]:
    with recorder(tmp_path / "regular", confdir) as made:
        yield made


def echo(peer: Peer) -> None:
    if peer.read_head():
        peer.send_head(accepted(), close(1000))


ITSELF = [
    "0.0.0.0",
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "[::ffff:127.0.0.1]",
    "[::ffff:0.0.0.0]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "0",
    "127.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "0177.0.0.1",
    "2130706433",
]


@pytest.mark.parametrize("target", ["GET /", "GET http://HOST:PORT/", "CONNECT HOST:PORT"])
def test_regular_target_is_the_recorder_is_refused(regular: Recorder, target: str) -> None:
    upgrade = "" if target.startswith("CONNECT") else UPGRADE
    for host in ITSELF:
        request = f"{target} HTTP/1.1\r\nHost: HOST:PORT\r\n{upgrade}\r\n"
        regular.assert_refuses(request.replace("HOST", host))


@pytest.mark.parametrize("host", ["127.0.0.2", "127.255.1.2", "[::]", "[::1]"])
def test_regular_other_loopback_address_is_not_the_recorder(regular: Recorder, host: str) -> None:
    """Nothing listens there, as a direct connection would find; the recorder is not asked again."""
    before = regular.running.connections
    answer = regular.answer(
        f"GET http://{host}:PORT/ HTTP/1.1\r\nHost: {host}:PORT\r\n{UPGRADE}\r\n"
    )
    assert answer.startswith("HTTP/1.1 502 ")
    assert regular.running.connections == before + 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has 127.0.0.2 by default")
def test_regular_server_with_the_port_of_the_recorder_is_reached(regular: Recorder) -> None:
    with socket.create_server(("127.0.0.2", regular.port)) as listener:
        threading.Thread(target=_refuse_one, args=(listener,), daemon=True).start()
        request = f"GET http://127.0.0.2:PORT/ HTTP/1.1\r\nHost: 127.0.0.2\r\n{UPGRADE}\r\n"
        assert regular.answer(request).startswith("HTTP/1.1 403 ")


def _refuse_one(listener: socket.socket) -> None:
    with listener.accept()[0] as sock:
        sock.recv(1 << 16)
        sock.sendall(b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")


def test_regular_name_that_resolves_to_the_recorder_is_refused(
    regular: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, "127.0.0.1")
    regular.assert_refuses(
        f"GET http://evil.test:PORT/ HTTP/1.1\r\nHost: evil.test\r\n{UPGRADE}\r\n"
    )


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have evil.test stand for one address after another; the last one stays."""
    left = list(addresses)
    stock = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **options: Any) -> object:
        if host != "evil.test":
            return stock(host, port, *args, **options)
        address = left.pop(0) if len(left) > 1 else left[0]
        return stock(address, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_access_name_changes_to_the_recorder_sends_no_request(
    tmp_path: Path, confdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Asked for twice before the connection is made, and by it.
    resolve_to(monkeypatch, "192.0.2.1", "192.0.2.1", "127.0.0.1")
    with recorder(tmp_path, confdir) as made:
        request = f"GET http://evil.test:PORT/ HTTP/1.1\r\nHost: evil.test\r\n{UPGRADE}\r\n"
        assert made.answer(request).startswith("HTTP/1.1 502 ")
        assert made.running.connections == 2  # and nothing was sent on the second one


WEB_PAGES = [
    "Origin: https://evil.example",
    "Origin: http://localhost:3000",
    "Origin: null",
    "Origin: chrome-extension://abc\r\nOrigin: https://evil.example",
    "Sec-Fetch-Site: cross-site",
]


def test_regular_request_of_a_web_page_to_the_port_is_refused(regular: Recorder) -> None:
    with serving(echo) as port:
        for header in WEB_PAGES:
            host = f"Host: 127.0.0.1:{port}"
            regular.assert_refuses(f"GET / HTTP/1.1\r\n{host}\r\n{header}\r\n{UPGRADE}\r\n")


@pytest.mark.parametrize("form", ["origin", "absolute"])
def test_regular_other_requests_are_served(tmp_path: Path, confdir: Path, form: str) -> None:
    """A browser's own proxied request names its target, an extension has an origin of its own."""
    with serving(echo) as port, recorder(tmp_path, confdir) as made:
        target, origin = {
            "origin": ("/", "chrome-extension://abc"),
            "absolute": (f"http://127.0.0.1:{port}/", "https://page.example"),
        }[form]
        request = (
            f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {origin}\r\n{UPGRADE}\r\n"
        )
        assert made.answer(request).startswith("HTTP/1.1 101 ")


def test_access_refused_request_body_is_not_kept(regular: Recorder) -> None:
    """The answer comes once the body has, and nothing of that is in memory."""
    body = "x" * 3_000_000
    regular.assert_refuses(
        f"POST / HTTP/1.1\r\nHost: 0.0.0.0:PORT\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )


def test_access_refusals_are_logged_once_a_minute(
    tmp_path: Path, confdir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wsproxy")
    with recorder(tmp_path, confdir) as made:
        for _ in range(5):
            made.assert_refuses("GET / HTTP/1.1\r\nHost: 0.0.0.0:PORT\r\n\r\n")
    lines = [r.getMessage() for r in caplog.records if "refused" in r.getMessage()]
    assert len(lines) == 1
    assert "connect to itself" in lines[0]


def test_socks5_target_is_the_recorder_is_refused(tmp_path: Path, confdir: Path) -> None:
    with recorder(tmp_path, confdir, "socks5") as made:
        with socket.create_connection(("127.0.0.1", made.port), 20) as sock:
            sock.sendall(b"\x05\x01\x00")
            assert sock.recv(2) == b"\x05\x00"
            sock.sendall(b"\x05\x01\x00\x01" + bytes(4) + made.port.to_bytes(2, "big"))
            assert sock.recv(10)[1] != 0  # no success (RFC 1928, section 6)
        assert made.running.connections == 1
    assert find_traces([str(tmp_path)]) == []


def test_upstream_target_is_the_recorder_is_refused(tmp_path: Path, confdir: Path) -> None:
    """The proxy behind this one would lead it back here."""
    with (
        serving(echo) as port,
        recorder(tmp_path, confdir, f"upstream:http://127.0.0.1:{port}") as made,
    ):
        for host in ("0.0.0.0", "localhost"):
            made.assert_refuses(f"CONNECT {host}:PORT HTTP/1.1\r\nHost: {host}:PORT\r\n\r\n")
            made.assert_refuses(f"GET http://{host}:PORT/ HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n")


# -- reverse mode


@pytest.fixture
def reverse(tmp_path: Path, confdir: Path) -> Iterator[Recorder]:
    with (
        serving(echo) as port,
        recorder(tmp_path / "reverse", confdir, f"reverse:ws://localhost:{port}") as made,
    ):
        yield made


NAMES_OF_OTHERS = [
    "GET / HTTP/1.1\r\nHost: evil.example:PORT",
    "GET / HTTP/1.1\r\nHost: 192.0.2.1:PORT",
    "GET / HTTP/1.1\r\nHost: localhost.evil.example",
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nHost: evil.example",
    "GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1:PORT",
]
OWN_NAMES = [
    "127.0.0.1:PORT",
    "localhost",
    "LocalHost.:PORT",
    "[::1]:PORT",
    "[::ffff:127.0.0.1]:PORT",
    "app.localhost:PORT",
    "",
]


def test_reverse_foreign_name_is_refused(reverse: Recorder) -> None:
    for head in NAMES_OF_OTHERS:
        reverse.assert_refuses(f"{head}\r\n{UPGRADE}\r\n")


def test_reverse_name_of_its_own_is_served(reverse: Recorder) -> None:
    for host in OWN_NAMES:
        origin = "Origin: http://localhost:3000"
        request = f"GET / HTTP/1.1\r\nHost: {host}\r\n{origin}\r\n{UPGRADE}\r\n"
        assert reverse.answer(request).startswith("HTTP/1.1 101 ")


@pytest.mark.parametrize("allowed", ["speech.internal", "*"])
def test_reverse_allowed_name_is_served(tmp_path: Path, confdir: Path, allowed: str) -> None:
    with serving(echo) as port:
        options = {"options": (f"wsproxy_allow_host={allowed}",)}
        with recorder(tmp_path, confdir, f"reverse:ws://127.0.0.1:{port}", **options) as made:
            request = f"GET / HTTP/1.1\r\nHost: speech.internal:PORT\r\n{UPGRADE}\r\n"
            assert made.answer(request).startswith("HTTP/1.1 101 ")


def test_reverse_listening_on_all_addresses_accepts_each_address(
    tmp_path: Path, confdir: Path
) -> None:
    with serving(echo) as port:
        mode = f"reverse:ws://127.0.0.1:{port}"
        with recorder(tmp_path, confdir, mode, host="0.0.0.0") as made:
            made.assert_refuses("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
            for host in ("0.0.0.0:PORT", "127.0.0.5", socket.gethostname()):
                request = f"GET / HTTP/1.1\r\nHost: {host}\r\n{UPGRADE}\r\n"
                assert made.answer(request).startswith("HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("target", "listener", "arrives"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("::1", "127.0.0.1", False),
        ("127.0.0.2", "127.0.0.1", False),
        ("::", "::1", True),
        ("::", "127.0.0.1", False),
        ("0.0.0.0", "127.0.0.2", False),
        ("127.0.0.2", "0.0.0.0", True),
        ("::1", "0.0.0.0", False),
        ("::1", "::", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("::ffff:127.0.0.1", "::", True),
        ("192.0.2.7", "0.0.0.0", False),
        ("192.0.2.7", "127.0.0.1", False),
        ("127.0.0.1", "192.0.2.7", False),
    ],
)
def test_reaches_address_pairs(target: str, listener: str, arrives: bool) -> None:
    to, at = parse_ip(target), parse_ip(listener)
    assert to is not None
    assert at is not None
    assert reaches(to, at) is arrives
