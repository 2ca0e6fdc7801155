"""Everything that can end a session early is recorded with its cause."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from session_recorder import HELLO, Recorded, ask, recorder, refuse, traces
from tls_certificates import Certificate
from wire_bytes import MASK, accepted, close, upgrade
from wire_servers import serving, unused_port
from wire_witness import PATIENCE, Peer, direct, through_connect
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.session import Session

# A connection that fails before any request is recorded if its host was asked for.
NAMED = (".",)


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ca")


@pytest.fixture
def recorded(confdir: Path, tmp_path: Path) -> Iterator[Recorded]:
    options = ("regular", "ssl_insecure=true")
    with recorder(confdir, tmp_path / "traces", *options, hosts=NAMED) as it:
        yield it


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("server") / "server.pem")


def test_record_refused_upgrade_has_headers_and_body(recorded: Recorded) -> None:
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


def test_record_compressed_refusal_is_decoded(recorded: Recorded) -> None:
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


def test_record_failed_http_exchange_with_a_known_api_is_recorded(recorded: Recorded) -> None:
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


def test_record_connect_mode_refused_upstream_is_a_connect_failure(recorded: Recorded) -> None:
    port = unused_port()
    with pytest.raises(AssertionError, match="502"):
        through_connect(recorded.port, port, tls=False)
    session = recorded.next()
    check_failed(session, "connect", "server")
    assert session.start is not None
    assert session.start.synthetic
    assert session.request is not None
    assert (session.request.host, session.request.port) == ("127.0.0.1", port)


@pytest.mark.parametrize("fails", ["connect", "client", "request"])
def test_record_failed_connection_to_an_unrelated_host_is_no_session(
    fails: str, confdir: Path, tmp_path: Path
) -> None:
    """Telemetry, updates: an app has them, and lives on if they fail."""

    def silent(peer: Peer) -> None:
        peer.until_end()

    with recorder(confdir, tmp_path / "traces") as recorded:
        if fails == "connect":
            with pytest.raises(AssertionError, match="502"):
                through_connect(recorded.port, unused_port(), tls=False)
        with serving(silent) as port:
            peer = through_connect(recorded.port, port, tls=False)
            if fails == "request":
                peer.send_head(b"GET /telemetry HTT")
            elif fails == "client":
                peer.send_head(b"\x16\x03\x01\x00\x05hello")
            peer.close()
        recorded.running.drain(PATIENCE)
    assert not traces(tmp_path / "traces")


def test_record_client_of_a_speech_api_without_the_ca_is_recorded(
    confdir: Path, tmp_path: Path, certificate: Certificate
) -> None:
    """Nobody has to name the host of a known speech API."""
    with (
        recorder(confdir, tmp_path / "traces", "regular", "ssl_insecure=true") as recorded,
        serving(refuse, certificate) as port,
    ):
        peer = through_connect(recorded.port, port, tls=False)
        context = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(peer.sock, server_hostname="api.deepgram.com")
        check_failed(recorded.next(), "tls-client", "client")


def test_record_absolute_form_refused_upstream_is_a_connect_failure(recorded: Recorded) -> None:
    port = unused_port()
    peer = direct(recorded.port, tls=False)
    answer = ask(peer, f"http://127.0.0.1:{port}/v1/listen", f"127.0.0.1:{port}")
    peer.close()
    assert b"502" in answer
    session = recorded.next()
    check_failed(session, "connect", "server")
    assert session.request is not None
    assert session.request.path == "/v1/listen"


def test_record_reverse_mode_refused_upstream_is_a_connect_failure(
    confdir: Path, tmp_path: Path
) -> None:
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


def test_record_socks5_mode_refused_upstream_is_a_connect_failure(
    confdir: Path, tmp_path: Path
) -> None:
    port = unused_port()
    with recorder(confdir, tmp_path / "traces", "socks5", hosts=NAMED) as recorded:
        with socket.create_connection(("127.0.0.1", recorded.port), PATIENCE) as sock:
            sock.sendall(b"\x05\x01\x00")
            sock.recv(2)
            sock.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
            sock.recv(10)
            with contextlib.suppress(OSError):
                sock.sendall(upgrade("/v1/listen", f"127.0.0.1:{port}"))
                sock.recv(1000)
        check_failed(recorded.next(), "connect", "server")


def test_record_unresolvable_name_is_a_dns_failure(recorded: Recorded) -> None:
    with pytest.raises(AssertionError, match="502"):
        through_connect(recorded.port, 443, tls=False, host="api.deepgram.invalid")
    session = recorded.next()
    check_failed(session, "dns", "server")
    assert session.request is not None
    assert session.request.host == "api.deepgram.invalid"


def test_record_untrusted_upstream_is_a_tls_failure_of_the_server(
    confdir: Path, tmp_path: Path, certificate: Certificate
) -> None:
    with (
        recorder(confdir, tmp_path / "traces", hosts=NAMED) as recorded,
        serving(refuse, certificate) as port,
    ):
        with contextlib.suppress(OSError):
            ask(through_connect(recorded.port, port, tls=True))
        session = recorded.next()
        check_failed(session, "tls-server", "server")
        assert recorded.sessions.empty()


def test_record_upstream_certificate_for_another_name_is_a_tls_failure(
    confdir: Path, tmp_path: Path
) -> None:
    other = Certificate.make(tmp_path / "other.pem", ("other.example",))
    trusted = f"ssl_verify_upstream_trusted_ca={other.path}"
    with (
        recorder(confdir, tmp_path / "traces", "regular", trusted, hosts=NAMED) as recorded,
        serving(refuse, other) as port,
    ):
        with contextlib.suppress(OSError):
            ask(through_connect(recorded.port, port, tls=True))
        session = recorded.next()
        check_failed(session, "tls-server", "server")
        assert session.failure is not None
        assert "match" in session.failure.message.lower()


def test_record_client_without_the_ca_is_a_tls_failure_of_the_client(
    recorded: Recorded, certificate: Certificate
) -> None:
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
def test_record_invalid_upstream_response_is_a_response_failure(
    recorded: Recorded, answer: bytes
) -> None:
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


def test_record_upstream_proxy_refuses_is_a_proxy_failure(confdir: Path, tmp_path: Path) -> None:
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
def test_record_client_ends_the_session_finding_names_the_client(
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


def test_record_client_leaves_before_the_answer_is_a_handshake_failure(recorded: Recorded) -> None:
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
