"""Everything that can end a session is recorded, and the recorder itself ends properly."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import os
import queue
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wire_witness import (
    MASK,
    PATIENCE,
    TEXT,
    Certificate,
    Peer,
    accepted,
    close,
    direct,
    frame,
    listens,
    serving,
    through_connect,
    unused_port,
    upgrade,
    wait_until,
)
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.errors import UsageError
from wsproxy.proxy.embedding import ProxySettings, RunningProxy, background
from wsproxy.session import Session
from wsproxy.trace import SUFFIX

CHECKOUT = Path(__file__).resolve().parent.parent
HELLO = frame(TEXT, b"hello", mask=MASK)
RESULT = frame(TEXT, b'{"type":"Results"}')
REFUSED = (
    b"HTTP/1.1 401 Unauthorized\r\ndg-error: Invalid credentials.\r\ndg-request-id: 4ac8\r\n"
    b'Content-Type: application/json\r\nContent-Length: 31\r\n\r\n{"err_code":"INVALID_AUTH"}    '
)


@dataclass
class Recorded:
    """A recorder and the sessions that it completes."""

    running: RunningProxy
    sessions: queue.Queue[Path] = field(default_factory=queue.Queue)

    @property
    def port(self) -> int:
        assert self.running.address is not None
        return self.running.address[1]

    def next(self) -> Session:
        """The next session that was completed."""
        return Session.read(self.sessions.get(timeout=PATIENCE))


@contextlib.contextmanager
def recorder(
    confdir: Path, out: Path, mode: str = "regular", *options: str, hosts: tuple[str, ...] = ()
) -> Iterator[Recorded]:
    out.mkdir(exist_ok=True)
    sessions: queue.Queue[Path] = queue.Queue()
    settings = ProxySettings(
        port=0, mode=mode, out=out, confdir=confdir, hosts=hosts, options=tuple(options)
    )
    with background(settings, on_end=lambda recording: sessions.put(recording.path)) as running:
        yield Recorded(running, sessions)


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ca")


@pytest.fixture
def recorded(confdir: Path, tmp_path: Path) -> Iterator[Recorded]:
    with recorder(confdir, tmp_path / "traces", "regular", "ssl_insecure=true") as it:
        yield it


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("server") / "server.pem")


def traces(out: Path) -> list[Path]:
    return sorted(out.glob(f"*{SUFFIX}"))


def good_server(peer: Peer) -> None:
    """Accept, answer the first message, close."""
    peer.read_head()
    peer.send_head(accepted(), RESULT + close(1000))
    peer.until_end()


def patient_server(peer: Peer) -> None:
    """Accept, wait for the first message before the answer to it."""
    peer.read_head()
    peer.send_head(accepted())
    peer.until(len(HELLO))
    peer.send(RESULT, close(1000))
    peer.until_end()


def ask(peer: Peer, path: str = "/v1/listen", host: str = "127.0.0.1") -> bytes:
    """Ask for an upgrade; returns the head of the answer."""
    peer.send_head(upgrade(path, host))
    return peer.read_head()


def good_session(
    port: int, upstream: int, path: str = "/v1/listen", host: str = "127.0.0.1"
) -> None:
    peer = through_connect(port, upstream, tls=False, host=host)
    assert ask(peer, path, f"{host}:{upstream}").startswith(b"HTTP/1.1 101")
    peer.send(HELLO)
    peer.until(len(RESULT + close(1000)))
    peer.send(close(1000, mask=MASK))
    peer.close()


def refuse(peer: Peer) -> None:
    while peer.read_head():
        peer.send_head(REFUSED)


# -- refused and failed


def test_a_refused_upgrade_is_kept_with_its_headers_and_body(recorded: Recorded) -> None:
    with serving(refuse) as upstream:
        peer = through_connect(recorded.port, upstream, tls=False)
        assert b"401" in ask(peer)
        peer.close()
        session = recorded.next()
    assert (session.ending, session.closed_by, session.complete) == ("refused", "server", True)
    assert session.response is not None
    assert session.response.status == 401
    assert session.response_header("dg-error") == "Invalid credentials."
    assert session.response.body == b'{"err_code":"INVALID_AUTH"}    '
    assert (session.provider, session.api) == ("deepgram", "listen")


def test_a_compressed_refusal_is_readable(recorded: Recorded) -> None:
    body = gzip.compress(b'{"err_code":"INVALID_AUTH"}')

    def refuse_compressed(peer: Peer) -> None:
        peer.read_head()
        head = f"HTTP/1.1 403 No\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        peer.send_head(head.encode() + body)

    with serving(refuse_compressed) as upstream:
        peer = through_connect(recorded.port, upstream, tls=False)
        ask(peer)
        peer.close()
        session = recorded.next()
    assert session.response is not None
    assert session.response.body == b'{"err_code":"INVALID_AUTH"}'


def test_a_failed_plain_exchange_with_a_known_api_is_kept(recorded: Recorded) -> None:
    def answer(peer: Peer) -> None:
        head = peer.read_head()
        status = b"400 Bad Request" if b"bad" in head else b"200 OK"
        peer.send_head(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno")

    def post(upstream: int, path: str) -> None:
        peer = through_connect(recorded.port, upstream, tls=False)
        peer.send_head(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody".encode())
        peer.read_head()
        peer.close()

    with serving(answer) as upstream:
        post(upstream, "/v1/listen")  # good: not kept
        post(upstream, "/somewhere?bad")  # no known API: not kept
        post(upstream, "/v1/listen?bad")
        session = recorded.next()
    assert (session.ending, session.closed_by) == ("http", "server")
    assert session.request is not None
    assert (session.request.path, session.request.scheme) == ("/v1/listen?bad", "http")
    assert session.request.body == b"body"
    assert session.response is not None
    assert session.response.body == b"no"
    assert recorded.sessions.empty()


def test_connect_refused_behind_connect(recorded: Recorded) -> None:
    port = unused_port()
    with pytest.raises(AssertionError, match="502"):
        through_connect(recorded.port, port, tls=False)
    session = recorded.next()
    check_failed(session, "connect", "server")
    assert session.start is not None
    assert session.start.synthetic
    assert session.request is not None
    assert (session.request.host, session.request.port) == ("127.0.0.1", port)


def test_connect_refused_of_an_absolute_request(recorded: Recorded) -> None:
    port = unused_port()
    peer = direct(recorded.port, tls=False)
    answer = ask(peer, f"http://127.0.0.1:{port}/v1/listen", f"127.0.0.1:{port}")
    peer.close()
    assert b"502" in answer
    session = recorded.next()
    check_failed(session, "connect", "server")
    assert session.request is not None
    assert session.request.path == "/v1/listen"


def test_connect_refused_in_reverse_mode(confdir: Path, tmp_path: Path) -> None:
    port = unused_port()
    with recorder(confdir, tmp_path / "traces", f"reverse:ws://127.0.0.1:{port}") as recorded:
        peer = direct(recorded.port, tls=False)
        with contextlib.suppress(OSError):
            ask(peer)
        peer.close()
        session = recorded.next()
        check_failed(session, "connect", "server")
        assert session.request is not None
        assert (session.request.host, session.request.port) == ("127.0.0.1", port)
        assert recorded.sessions.empty()


def test_connect_refused_behind_socks5(confdir: Path, tmp_path: Path) -> None:
    port = unused_port()
    with recorder(confdir, tmp_path / "traces", "socks5") as recorded:
        with socket.create_connection(("127.0.0.1", recorded.port), PATIENCE) as sock:
            sock.sendall(b"\x05\x01\x00")
            sock.recv(2)
            sock.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
            sock.recv(10)
            with contextlib.suppress(OSError):
                sock.sendall(upgrade("/v1/listen", f"127.0.0.1:{port}"))
                sock.recv(1000)
        check_failed(recorded.next(), "connect", "server")


def test_a_name_that_does_not_resolve(recorded: Recorded) -> None:
    with pytest.raises(AssertionError, match="502"):
        through_connect(recorded.port, 443, tls=False, host="api.deepgram.invalid")
    session = recorded.next()
    check_failed(session, "dns", "server")
    assert session.request is not None
    assert session.request.host == "api.deepgram.invalid"


def test_an_upstream_that_is_not_trusted(
    confdir: Path, tmp_path: Path, certificate: Certificate
) -> None:
    with recorder(confdir, tmp_path / "traces") as recorded, serving(refuse, certificate) as port:
        with contextlib.suppress(OSError):
            ask(through_connect(recorded.port, port, tls=True))
        session = recorded.next()
        check_failed(session, "tls-server", "server")
        assert recorded.sessions.empty()


def test_an_upstream_with_another_name(confdir: Path, tmp_path: Path) -> None:
    other = Certificate.make(tmp_path / "other.pem", ("other.example",))
    trusted = f"ssl_verify_upstream_trusted_ca={other.path}"
    with (
        recorder(confdir, tmp_path / "traces", "regular", trusted) as recorded,
        serving(refuse, other) as port,
    ):
        with contextlib.suppress(OSError):
            ask(through_connect(recorded.port, port, tls=True))
        session = recorded.next()
        check_failed(session, "tls-server", "server")
        assert session.failure is not None
        assert "match" in session.failure.message.lower()


def test_a_client_that_does_not_trust_the_ca(recorded: Recorded, certificate: Certificate) -> None:
    with serving(refuse, certificate) as port:
        peer = through_connect(recorded.port, port, tls=False)
        context = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(peer.sock, server_hostname="localhost")
        peer.close()
        session = recorded.next()
    check_failed(session, "tls-client", "client")
    assert session.request is not None
    assert (session.request.host, session.request.port) == ("localhost", port)
    assert recorded.sessions.empty()


@pytest.mark.parametrize("answer", [b"", b"what is this\r\n\r\n", b"HTTP/1.1 101 Swi"])
def test_an_upstream_that_does_not_speak_http(recorded: Recorded, answer: bytes) -> None:
    def garbage(peer: Peer) -> None:
        peer.read_head()
        peer.send_head(answer)

    with serving(garbage) as upstream:
        peer = through_connect(recorded.port, upstream, tls=False)
        # mitmproxy answers an upgrade that gets no answer itself: it has to say something
        # in HTTP, and the relay begins with the 101 only.
        assert b"502" in ask(peer)
        peer.close()
        session = recorded.next()
    assert (session.ending, session.closed_by) == ("failed", "server")
    assert first_finding(session) == "rfc6455.failed.answer"
    assert recorded.sessions.empty()


def test_a_proxy_on_the_way_that_refuses(confdir: Path, tmp_path: Path) -> None:
    def no(peer: Peer) -> None:
        peer.read_head()
        peer.send_head(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with (
        serving(no) as proxy,
        recorder(confdir, tmp_path / "traces", f"upstream:http://127.0.0.1:{proxy}") as recorded,
    ):
        peer = through_connect(recorded.port, 443, tls=True, host="speech.example")
        assert b"502" in ask(peer, "/chat", "speech.example")
        peer.close()
        session = recorded.next()
    check_failed(session, "proxy", "server")
    assert session.failure is not None
    assert "403 Forbidden" in session.failure.message


@pytest.mark.parametrize(
    "name, leave",
    [
        ("rfc6455.end.client-eof", lambda peer: peer.eof()),
        ("rfc6455.end.client-reset", lambda peer: peer.reset()),
        ("rfc6455.close.1001-client", lambda peer: peer.send(close(1001, mask=MASK))),
        (
            "rfc6455.client.ping-timeout",
            lambda peer: peer.send(close(1011, b"keepalive ping timeout", mask=MASK)),
        ),
    ],
)
def test_what_the_client_ends_is_explained_as_its_doing(
    recorded: Recorded, name: str, leave: Callable[[Peer], None]
) -> None:
    def listen(peer: Peer) -> None:
        peer.read_head()
        peer.send_head(accepted())
        with contextlib.suppress(OSError):
            peer.until_end()

    with serving(listen) as upstream:
        peer = through_connect(recorded.port, upstream, tls=False)
        # At no API that is known, which would have its own word for it.
        assert ask(peer, "/chat").startswith(b"HTTP/1.1 101")
        peer.send(HELLO)
        leave(peer)
        peer.close()
        session = recorded.next()
    assert first_finding(session) == name


def test_a_client_that_leaves_before_the_answer(recorded: Recorded) -> None:
    def silent(peer: Peer) -> None:
        peer.read_head()
        peer.until_end()

    with serving(silent) as upstream:
        peer = through_connect(recorded.port, upstream, tls=False)
        peer.send_head(upgrade("/v1/listen", "127.0.0.1"))
        peer.close()
        session = recorded.next()
    check_failed(session, "handshake", "client")


def check_failed(session: Session, where: str, by: str) -> None:
    assert session.failure is not None
    assert (session.ending, session.failure.where, session.closed_by) == ("failed", where, by)
    assert session.failure.message
    assert session.complete
    name = "answer" if where in ("http", "handshake") else where
    assert first_finding(session) == f"rfc6455.failed.{name}"


def first_finding(session: Session) -> str:
    return diagnose(session, load())[0].id


# -- which sessions, and how they are numbered


def test_two_sessions_on_one_connection(recorded: Recorded) -> None:
    def second_is_good(peer: Peer) -> None:
        peer.read_head()
        peer.send_head(REFUSED)
        good_server(peer)

    with serving(second_is_good) as upstream:
        peer = through_connect(recorded.port, upstream, tls=False)
        assert b"401" in ask(peer)
        peer.until(31)
        assert ask_again(peer).startswith(b"HTTP/1.1 101")
        peer.send(close(1000, mask=MASK))
        peer.until(len(RESULT + close(1000)))
        peer.close()
        first, second = recorded.next(), recorded.next()
    assert (first.ending, second.ending) == ("refused", "close")
    assert second.complete
    assert second.sent.frames == 1


def ask_again(peer: Peer) -> bytes:
    peer.received.clear()
    return ask(peer)


def test_failed_attempts_in_a_row_are_numbered(recorded: Recorded) -> None:
    answers = iter([refuse, refuse, good_server, good_server])
    attempts = []
    with serving(lambda peer: next(answers)(peer)) as upstream:
        for status in (b"401", b"401", b"101", b"101"):
            peer = through_connect(recorded.port, upstream, tls=False)
            assert status in ask(peer)
            if status == b"101":
                peer.send(close(1000, mask=MASK))
            peer.close()
            session = recorded.next()
            assert session.start is not None
            attempts.append(session.start.attempt)
    assert attempts == [1, 2, 3, 1]


def test_only_hosts_asked_for_are_recorded(confdir: Path, tmp_path: Path) -> None:
    out = tmp_path / "traces"
    with (
        recorder(confdir, out, "regular", hosts=(r"^localhost$",)) as recorded,
        serving(patient_server) as upstream,
    ):
        good_session(recorded.port, upstream)
        good_session(recorded.port, upstream, host="localhost")
        session = recorded.next()
        assert session.request is not None
        assert session.request.host == "localhost"
    assert len(traces(out)) == 1


def test_traces_are_private_and_named_after_nothing_that_was_sent(recorded: Recorded) -> None:
    with serving(patient_server) as upstream:
        good_session(recorded.port, upstream, "/../../%2e%2e/evil\x7f")
        path = recorded.sessions.get(timeout=PATIENCE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(r"[0-9TZ]+-websocket-[0-9a-f]{8}\.wstrace", path.name)


# -- starting and stopping


def test_a_port_in_use_is_said_in_one_line(confdir: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = ProxySettings(port=port, out=tmp_path, confdir=confdir)
        message = rf"cannot listen on 127\.0\.0\.1:{port}"
        with pytest.raises(UsageError, match=message), background(settings):
            pass


def test_a_folder_that_is_a_file_is_said_in_one_line(confdir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = ProxySettings(port=0, out=tmp_path / "file", confdir=confdir)
    with pytest.raises(UsageError, match=r"cannot write traces to .*--out"), background(settings):
        pass


def test_sessions_that_are_open_at_the_end_are_stopped(
    confdir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "traces"
    with recorder(confdir, out) as recorded, serving(held_open) as upstream:
        peer = open_session(recorded.port, upstream)
    peer.close()
    check_stopped(out)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def held_open(peer: Peer) -> None:
    peer.read_head()
    peer.send_head(accepted(), RESULT)
    peer.until_end()


def open_session(port: int, upstream: int) -> Peer:
    """A session in which both have said something and the server waits."""
    peer = through_connect(port, upstream, tls=False)
    ask(peer)
    peer.send(HELLO)
    peer.until(len(RESULT))
    return peer


def check_stopped(out: Path) -> None:
    (path,) = traces(out)
    session = Session.read(path)
    assert (session.ending, session.closed_by, session.complete) == ("stopped", None, True)
    assert session.end is not None
    assert session.received.frames == 1


# -- as a plain addon of mitmproxy's own programs


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources that is not installed anywhere."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("addons", "wsproxy"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / name, folder / name, ignore=ignore)
    return folder


@contextlib.contextmanager
def program(
    name: str, checkout: Path, confdir: Path, out: Path, *options: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """One of mitmproxy's programs with the addon; yields its process and port."""
    port = unused_port()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    arguments = ["-s", str(checkout / "addons" / "record.py"), "--listen-port", str(port)]
    arguments += ["--listen-host", "127.0.0.1", "--set", f"wsproxy_out={out}"]
    arguments += ["--set", f"confdir={confdir}", *options]
    with (out.parent / f"{name}.log").open("w+") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / name), *arguments],
            cwd=out.parent,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_until(lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, (out.parent / f"{name}.log").read_text()
            yield process, port
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_mitmdump_from_a_checkout_that_is_not_installed(
    checkout: Path, confdir: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "traces"
    with (
        program("mitmdump", checkout, confdir, out) as (process, port),
        serving(held_open) as upstream,
    ):
        good_over = open_session(port, upstream)
        wait_until(lambda: traces(out))
        process.send_signal(number)
        process.wait(PATIENCE)
        good_over.close()
    check_stopped(out)
    # mitmproxy 11 on Python 3.11 logs a cancelled task for each connection that is open at
    # the end, with this addon or without.
    log = (tmp_path / "mitmdump.log").read_text()
    assert "wsproxy" not in log.lower().replace(str(out), ""), log


def test_mitmweb_shows_the_messages(checkout: Path, confdir: Path, tmp_path: Path) -> None:
    out = tmp_path / "traces"
    web = unused_port()
    options = ["--no-web-open-browser", "--web-port", str(web), "--set", "web_password=secret"]
    with (
        program("mitmweb", checkout, confdir, out, *options) as (_, port),
        serving(patient_server) as upstream,
    ):
        good_session(port, upstream)
        wait_until(lambda: [s for s in map(Session.read, traces(out)) if s.end])
        wait_until(lambda: listens(web))
        (flow,) = fetch(web, "/flows")
    (path,) = traces(out)
    session = Session.read(path)
    assert session.start is not None
    assert session.start.capture == "messages"
    assert (session.ending, session.close and session.close.code) == ("close", 1000)
    assert [m.text for m in session.messages(from_client=False)] == ['{"type":"Results"}']
    shown = flow["websocket"]["messages_meta"]
    assert (shown["count"], shown["contentLength"]) == (2, len(b'hello{"type":"Results"}'))


def fetch(port: int, path: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Authorization": "Bearer secret"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return json.load(response)
