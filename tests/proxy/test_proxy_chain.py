"""The recorder connects to servers through the proxies of the user's environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from company_proxy import PASSWORD, USER, CompanyProxy, company_proxy, socks_proxy
from session_recorder import HELLO, RESULT, Recorded, good_server, patient_server, recorder
from tls_certificates import Certificate
from wire_bytes import MASK, close, upgrade
from wire_servers import serving, unused_port
from wire_witness import Peer, direct, through_connect, through_socks5
from wsproxy.errors import UsageError

# Only the proxy resolves it.
HOST = "speech.company.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("server") / "server.pem", (HOST, "localhost"))


@pytest.fixture
def chained(
    confdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[CompanyProxy, Recorded]]:
    """A proxy without a password, and a recorder that uses it."""
    with company_proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{proxy.port}")
        with recorder(confdir, tmp_path / "traces", "regular", "ssl_insecure=true") as recorded:
            yield proxy, recorded


def session(peer: Peer, host: str = HOST) -> None:
    """A session with `good_server`."""
    peer.send_head(upgrade("/v1/listen", host), HELLO)
    assert peer.read_head().startswith(b"HTTP/1.1 101 ")
    peer.until(len(RESULT))
    peer.send(close(1000, mask=MASK))
    peer.close()


@pytest.mark.parametrize("mode", ["regular", "socks5", "reverse"])
def test_proxy_chain_session_goes_through_the_proxy_and_is_relayed_verbatim(
    mode: str,
    confdir: Path,
    tmp_path: Path,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with company_proxy(password=True) as proxy, serving(good_server, certificate) as server:
        where = f"{USER}:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{proxy.port}"
        monkeypatch.setenv("ALL_PROXY", f"http://{where}")
        full = f"reverse:wss://{HOST}:{server}" if mode == "reverse" else mode
        with recorder(confdir, tmp_path / "traces", full, "ssl_insecure=true") as recorded:
            if mode == "reverse":
                session(direct(recorded.port, tls=False), "127.0.0.1")
            elif mode == "regular":
                session(through_connect(recorded.port, server, tls=True, host=HOST))
            else:
                session(through_socks5(recorded.port, server, tls=True, host=HOST))
            found = recorded.next()
        assert proxy.requests == [f"CONNECT {HOST}:{server}"]
    assert found.start is not None
    assert found.start.capture == "wire"
    assert found.request is not None
    assert found.request.host == HOST
    (trace,) = (tmp_path / "traces").iterdir()
    assert PASSWORD not in repr(found.request)
    assert trace.stat().st_size


def test_proxy_chain_proxy_with_tls_is_used(
    confdir: Path, tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with company_proxy(tls=certificate.server_context()) as proxy, serving(good_server) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{proxy.port}")
        with recorder(confdir, tmp_path / "traces") as recorded:
            session(through_connect(recorded.port, server, tls=False, host=HOST))
            assert recorded.next().request is not None
        assert proxy.requests == [f"CONNECT {HOST}:{server}"]


def test_proxy_chain_plain_request_is_sent_to_the_proxy_in_absolute_form(
    confdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(peer: Peer) -> None:
        assert peer.read_head().startswith(b"GET /x HTTP/1.1\r\n")
        peer.send_head(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        peer.until_end()

    with company_proxy(password=True) as proxy, serving(answer) as server:
        where = f"{USER}:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{proxy.port}"
        monkeypatch.setenv("http_proxy", f"http://{where}/")
        with recorder(confdir, tmp_path / "traces") as recorded:
            peer = direct(recorded.port, tls=False)
            url = f"http://{HOST}:{server}/x"
            peer.send_head(f"GET {url} HTTP/1.1\r\nHost: {HOST}:{server}\r\n\r\n".encode())
            assert peer.read_head().startswith(b"HTTP/1.1 200 ")
            peer.close()
        assert proxy.requests == [f"GET {url}"]


@pytest.mark.parametrize("exception", [HOST, f".company.example:{0}", "company.example", "*"])
def test_proxy_chain_host_in_no_proxy_is_connected_directly(
    exception: str, confdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with company_proxy() as proxy, serving(patient_server) as server:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", f"other.example, {exception.replace(':0', f':{server}')}")
        with (
            recorder(confdir, tmp_path / "traces") as recorded,
            pytest.raises(AssertionError, match="502"),  # only the proxy resolves the name
        ):
            through_connect(recorded.port, server, tls=False, host=HOST)
        assert not proxy.requests


def test_proxy_chain_server_on_this_machine_is_connected_directly(
    chained: tuple[CompanyProxy, Recorded],
) -> None:
    proxy, recorded = chained
    with serving(good_server) as server:
        session(through_connect(recorded.port, server, tls=False, host="localhost"))
    assert not proxy.requests


def test_proxy_chain_refusal_has_the_status_of_the_proxy_and_one_line(
    chained: tuple[CompanyProxy, Recorded], caplog: pytest.LogCaptureFixture
) -> None:
    proxy, recorded = chained
    proxy.refused.add(HOST)
    for _ in range(2):
        with pytest.raises(AssertionError, match=r"HTTP/1\.1 403 Forbidden"):
            through_connect(recorded.port, 443, tls=False, host=HOST)
    (line,) = [r.getMessage() for r in caplog.records if r.name.startswith("wsproxy")]
    assert line == (
        f"wsproxy: the upstream proxy http://127.0.0.1:{proxy.port} refused to connect to "
        f"{HOST}:443: HTTP/1.1 403 Forbidden"
    )
    assert recorded.sessions.empty()


def test_proxy_chain_unreachable_proxy_is_one_line_without_the_password(
    confdir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = unused_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://{USER}:pa55@127.0.0.1:{port}")
    with recorder(confdir, tmp_path / "traces", hosts=(HOST,)) as recorded:
        with pytest.raises(AssertionError, match="502"):
            through_connect(recorded.port, 443, tls=False, host=HOST)
        found = recorded.next()
    (line,) = [r.getMessage() for r in caplog.records if r.name.startswith("wsproxy")]
    assert line.startswith(f"wsproxy: the upstream proxy http://127.0.0.1:{port} cannot be reached")
    assert "pa55" not in caplog.text
    assert found.failure is not None
    assert found.failure.where == "proxy"
    assert "connection_strategy" not in found.failure.message


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_proxy_chain_socks_proxy_is_used(
    scheme: str, confdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        socks_proxy() as (port, asked),
        serving(good_server) as server,
    ):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}")
        host = HOST if scheme == "socks5h" else "127.0.0.2"
        monkeypatch.setattr("wsproxy.intercept.user_proxies.is_loopback", lambda host: False)
        with recorder(confdir, tmp_path / "traces") as recorded:
            session(through_connect(recorded.port, server, tls=False, host=host))
        assert asked == [(host, server)]


def test_proxy_chain_proxy_that_is_the_recorder_itself_is_ignored(
    confdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables may be those that the app is to have."""
    port = unused_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{port}")
    monkeypatch.setattr("wsproxy.intercept.user_proxies.is_loopback", lambda host: False)
    with (
        recorder(confdir, tmp_path / "traces", f"regular@127.0.0.1:{port}") as recorded,
        serving(good_server) as server,
    ):
        session(through_connect(port, server, tls=False))
        assert recorded.next().request is not None


def test_proxy_chain_explicit_upstream_mode_wins(
    confdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with company_proxy() as named, company_proxy() as other, serving(good_server) as server:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{other.port}")
        mode = f"upstream:http://127.0.0.1:{named.port}"
        with recorder(confdir, tmp_path / "traces", mode) as recorded:
            session(through_connect(recorded.port, server, tls=False, host=HOST))
        assert named.requests == [f"CONNECT {HOST}:{server}"]
        assert not other.requests


def test_proxy_chain_invalid_variable_is_an_error_that_does_not_repeat_it(
    confdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://clerk:pa55@proxy")
    with (
        pytest.raises(UsageError, match="HTTPS_PROXY names no proxy") as error,
        recorder(confdir, tmp_path / "traces"),
    ):
        pass
    assert "pa55" not in str(error.value)
