"""TLS that the recorder would break is passed through: the client sees what it would see directly.

Each test compares with a direct connection, or checks who performs TLS with the client.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from https_server import HttpsServer, https_server
from relay_scenarios import SOME
from session_recorder import Recorded, recorder
from test_relay import check_not_touched
from tls_certificates import Certificate
from wire_servers import Scenario, Upstream, accepting, connect_proxy
from wire_witness import PATIENCE, Peer, direct, through_connect, through_socks5, wait_until
from wsproxy.cli import passed_through
from wsproxy.intercept.rejections import FILE
from wsproxy.proxy import pass_through_addon

SPEECH_API = "api.deepgram.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    names = ("localhost", "127.0.0.1", SPEECH_API)
    return Certificate.make(tmp_path_factory.mktemp("server") / "server.pem", names)


@pytest.fixture(scope="module")
def client_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("client") / "client.pem", ("a-client",))


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    """A recorder with a CA of its own: it remembers who rejected that."""
    with recorder(tmp_path / "ca", tmp_path / "traces") as it:
        yield it


def trusting(*authorities: Path) -> ssl.SSLContext:
    """The context of a client that trusts these CAs only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for each in authorities:
        context.load_verify_locations(each)
    return context


def get(
    recorded: Recorded, server: HttpsServer, context: ssl.SSLContext, name: str = "localhost"
) -> bytes:
    """The certificate of the server that performs TLS, after a request to it, DER."""
    sock = socket.create_connection(("127.0.0.1", recorded.port), PATIENCE)
    with sock:
        sock.sendall(f"CONNECT {name}:{server.port} HTTP/1.1\r\n\r\n".encode())
        head = sock.recv(65536)
        assert head.startswith(b"HTTP/1.1 200"), head
        return request(sock, context, name)


def request(sock: socket.socket, context: ssl.SSLContext, name: str = "localhost") -> bytes:
    with context.wrap_socket(sock, server_hostname=name) as tls:
        tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"ok"):
            answer += (data := tls.recv(65536))
            assert data, answer
        found = tls.getpeercert(binary_form=True)
        assert found is not None
        return found


def lines(recorded: Recorded, count: int = 1) -> list[str]:
    """The lines of the report, once there are so many."""
    wait_until(lambda: len(recorded.running.passed_through()) >= count)
    return recorded.running.passed_through()


# -- the server's certificate does not verify


def test_pass_through_unverified_server_is_seen_by_the_client(
    recorded: Recorded, certificate: Certificate
) -> None:
    context = trusting(certificate.path)
    with https_server(certificate) as server:
        assert get(recorded, server, context) == certificate.der
        # The recorder's own, and the client's; the server may notice the end of the first later.
        wait_until(lambda: sorted(server.handshakes) == [False, True])
        assert get(recorded, server, context) == certificate.der
        wait_until(lambda: sorted(server.handshakes) == [False, True, True])
        text = "its certificate does not verify (self-signed certificate)"
        where = f"localhost:{server.port}"
        assert lines(recorded) == [f"passed through: 2 connections to {where}: {text}"]
    assert recorded.sessions.empty()


def test_pass_through_unverified_server_fails_for_a_client_that_verifies(
    recorded: Recorded, certificate: Certificate
) -> None:
    with https_server(certificate) as server, pytest.raises(ssl.SSLCertVerificationError) as error:
        get(recorded, server, ssl.create_default_context())
    assert error.value.verify_message == "self-signed certificate"


@pytest.mark.parametrize(("hosts", "options"), [(("localhost",), ()), ((), ("ssl_insecure=true",))])
def test_pass_through_host_that_the_user_wants_is_intercepted(
    hosts: tuple[str, ...],
    options: tuple[str, ...],
    confdir: Path,
    tmp_path: Path,
    certificate: Certificate,
) -> None:
    insecure = "ssl_insecure=true"
    with (
        recorder(
            confdir, tmp_path / "traces", "regular", *(options or [insecure]), hosts=hosts
        ) as it,
        https_server(certificate) as server,
    ):
        assert get(it, server, trusting(it.running.ca)) != certificate.der
        assert not it.running.passed_through()


def test_pass_through_named_host_that_does_not_verify_is_not_passed(
    confdir: Path, tmp_path: Path, certificate: Certificate
) -> None:
    with (
        recorder(confdir, tmp_path / "traces", hosts=("localhost",)) as it,
        https_server(certificate) as server,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        get(it, server, trusting(certificate.path))
    assert not it.running.passed_through()


def test_pass_through_ca_of_the_environment_is_trusted_for_servers(
    confdir: Path, tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate.path))
    with (
        recorder(confdir, tmp_path / "traces") as it,
        https_server(certificate) as server,
    ):
        assert get(it, server, trusting(it.running.ca)) != certificate.der
        assert server.handshakes == [True]
        assert not it.running.passed_through()


def test_upstream_trust_file_is_removed_with_the_recorder(
    confdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when the interpreter ends: the commands skip that."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with recorder(confdir, tmp_path / "traces"):
        assert len(list(folder.glob("*/*.pem"))) == 1
    assert not list(folder.iterdir())


def test_pass_through_server_without_tls_is_seen_by_the_client(recorded: Recorded) -> None:
    """Whatever the reason for the failure is, the client sees the server's own answer."""

    def serve(sock: socket.socket) -> None:
        with sock:
            sock.recv(65536)
            sock.sendall(b"SSH-2.0-none\r\n")

    listener = socket.create_server(("127.0.0.1", 0))
    with accepting(listener, serve), pytest.raises(ssl.SSLError) as error:
        get(recorded, HttpsServer(listener.getsockname()[1]), ssl.create_default_context())
    assert error.value.reason == "WRONG_VERSION_NUMBER"


def test_pass_through_speech_api_is_reported_as_a_warning_with_a_remedy(
    recorded: Recorded, certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    with https_server(certificate) as server:
        sock = through_connect(recorded.port, server.port, tls=False).sock
        found = request(sock, trusting(certificate.path), SPEECH_API)
        assert found == certificate.der
        lines(recorded)  # waits until it is counted
    (line,) = passed_through.lines(recorded.running)
    assert line.startswith(f"warning: not recorded: passed through: 1 connection to {SPEECH_API}:")
    assert "SSL_CERT_FILE" in line
    assert f"--host '{SPEECH_API}'" in line
    assert f"{SPEECH_API} is passed through and not recorded" in caplog.text


# -- the server asks for a client certificate


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("is_required", [True, False])
def test_pass_through_client_certificate_reaches_the_server(
    version: ssl.TLSVersion,
    is_required: bool,
    confdir: Path,
    tmp_path: Path,
    certificate: Certificate,
    client_certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def prepare(context: ssl.SSLContext) -> None:
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL
        context.load_verify_locations(client_certificate.path)

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    context = trusting(certificate.path)
    context.load_cert_chain(client_certificate.path)
    with (
        recorder(confdir, tmp_path / "traces") as it,
        https_server(certificate, prepare) as server,
    ):
        for number in (1, 2):
            assert get(it, server, context) == certificate.der
            # The recorder's own connection, without one, may end after it.
            assert server.client_certificates.count(client_certificate.der) == number
        (line,) = lines(it)
    assert line.endswith(
        f"2 connections to localhost:{server.port}: the server asks for a client certificate"
    )


# -- the client rejects the CA


def test_pass_through_second_connection_of_a_client_that_rejects_the_ca(
    tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    pinned = trusting(certificate.path)
    confdir = tmp_path / "ca"
    with https_server(certificate) as server:
        with recorder(confdir, tmp_path / "traces") as it:
            with pytest.raises(ssl.SSLCertVerificationError):
                get(it, server, pinned)
            (line,) = lines(it)
            assert line == (
                f"failed: 1 connection to localhost:{server.port}: the client does not trust the "
                "recorder's CA; its next connections there are passed through"
            )
            assert get(it, server, pinned) == certificate.der
        assert it.sessions.empty()
        assert (confdir / FILE).stat().st_mode & 0o777 == 0o600
        with recorder(confdir, tmp_path / "traces") as another_run:
            assert get(another_run, server, pinned) == certificate.der
            assert lines(another_run) == [
                f"passed through: 1 connection to localhost:{server.port}: the client does not "
                "trust the recorder's CA"
            ]
        with recorder(confdir, tmp_path / "traces", hosts=("localhost",)) as named:
            with pytest.raises(ssl.SSLCertVerificationError):
                get(named, server, pinned)
            assert not named.running.passed_through()
        (confdir / FILE).unlink()
        with (
            recorder(confdir, tmp_path / "traces") as forgetful,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            get(forgetful, server, pinned)


def test_pass_through_rejection_of_one_client_does_not_affect_another_of_the_host(
    tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    pinned = trusting(certificate.path)
    pinned.set_alpn_protocols(["http/1.1"])  # as requests does, and websockets does not
    with recorder(tmp_path / "ca", tmp_path / "traces") as it, https_server(certificate) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            get(it, server, pinned)
        lines(it)
        assert get(it, server, trusting(it.running.ca)) != certificate.der
        assert get(it, server, pinned) == certificate.der


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_pass_through_client_that_leaves_after_the_handshake_rejects_the_ca(
    version: ssl.TLSVersion,
    tmp_path: Path,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """wget and git with GnuTLS do, and clients that pin a fingerprint."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = version
    with recorder(tmp_path / "ca", tmp_path / "traces") as it, https_server(certificate) as server:
        peer = through_connect(it.port, server.port, tls=False, host="localhost")
        peer.start_tls(context, "localhost")
        peer.close()
        assert lines(it)[0].startswith("failed: 1 connection to localhost")
        assert get(it, server, context) == certificate.der


@pytest.mark.parametrize("has_sent", [True, False])
def test_pass_through_client_that_stays_connected_does_not_reject_the_ca(
    has_sent: bool,
    tmp_path: Path,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One has proven its trust by a request before; the other is disconnected by the recorder."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with https_server(certificate) as server:
        with recorder(tmp_path / "ca", tmp_path / "traces") as it:
            if has_sent:
                get(it, server, context)
            peer = through_connect(it.port, server.port, tls=False, host="localhost")
            peer.start_tls(context, "localhost")
            if has_sent:
                peer.close()
                it.running.drain(PATIENCE)
        assert not it.running.passed_through()
        peer.close()


def test_pass_through_client_that_leaves_late_does_not_reject_the_ca(
    tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    monkeypatch.setattr(pass_through_addon, "REJECTION_TIME", 0.0)
    with recorder(tmp_path / "ca", tmp_path / "traces") as it, https_server(certificate) as server:
        peer = through_connect(it.port, server.port, tls=False, host="localhost")
        peer.start_tls(trusting(it.running.ca), "localhost")
        peer.close()
        it.running.drain(PATIENCE)
        assert not it.running.passed_through()


# -- NO_PROXY


@pytest.mark.parametrize(
    ("entry", "name", "passes"),
    [
        ("localhost", "localhost", True),
        ("127.0.0.0/8", "localhost", False),
        ("*", "localhost", True),
        ("*", SPEECH_API, False),
        ("example.com", "localhost", False),
    ],
)
def test_pass_through_no_proxy_host_that_is_no_speech_api_is_passed(
    entry: str,
    name: str,
    passes: bool,
    confdir: Path,
    tmp_path: Path,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", entry)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with (
        recorder(confdir, tmp_path / "traces") as it,
        https_server(certificate) as server,
    ):
        host = "localhost" if name == "localhost" else "127.0.0.1"
        sock = through_connect(it.port, server.port, tls=False, host=host).sock
        found = request(sock, trusting(certificate.path, it.running.ca), name)
        assert (found == certificate.der) is passes
        assert it.running.passed_through() == (
            [f"passed through: 1 connection to localhost:{server.port}: NO_PROXY names it"]
            if passes
            else []
        )


# -- other modes


@pytest.mark.parametrize("mode", ["socks5", "upstream"])
def test_pass_through_other_modes_pass_through_as_well(
    mode: str, confdir: Path, tmp_path: Path, certificate: Certificate
) -> None:
    with https_server(certificate) as server, contextlib.ExitStack() as stack:
        if mode == "upstream":
            mode = f"upstream:http://127.0.0.1:{stack.enter_context(connect_proxy())}"
        it = stack.enter_context(recorder(confdir, tmp_path / "traces", mode))
        connect = through_socks5 if mode == "socks5" else through_connect
        for _ in range(2):
            sock = connect(it.port, server.port, tls=False).sock
            assert request(sock, trusting(certificate.path)) == certificate.der


# -- verbatim


@pytest.fixture(scope="module")
def upstream(certificate: Certificate) -> Iterator[Upstream]:
    with Upstream(certificate) as it:
        yield it


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("passing")
    with recorder(folder / "ca", folder / "traces") as it:
        # Each later connection is passed through from its beginning.
        through_connect(it.port, upstream.port, tls=True).close()
        lines(it)
        yield it


@pytest.mark.parametrize("scenario", [s for s in SOME if s.tls is not False], ids=str)
def test_pass_through_both_sides_see_what_they_see_directly(
    scenario: Scenario, upstream: Upstream, passing: Recorded
) -> None:
    def connect() -> Peer:
        return through_connect(passing.port, upstream.port, tls=True)

    expected = upstream.play(scenario, lambda: direct(upstream.port, tls=True))
    check_not_touched(scenario, expected, upstream.play(scenario, connect), same_tls=True)
    assert passing.sessions.empty()
