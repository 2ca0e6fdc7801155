"""Which sessions are recorded, their attempts and files; start and stop of a recorder."""

from __future__ import annotations

import logging
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from session_recorder import (
    REFUSED,
    RESULT,
    Recorded,
    ask,
    check_stopped,
    good_server,
    good_session,
    held_open,
    open_session,
    patient_server,
    recorder,
    refuse,
    traces,
)
from tls_certificates import Certificate
from wire_bytes import MASK, close
from wire_servers import serving
from wire_witness import PATIENCE, Peer, through_connect
from wsproxy.errors import UsageError
from wsproxy.proxy.embedding import ProxySettings, background


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


def test_record_two_sessions_on_one_connection_are_two_traces(recorded: Recorded) -> None:
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


def test_record_consecutive_failed_attempts_are_numbered(recorded: Recorded) -> None:
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


def test_record_hosts_option_records_only_matching_hosts(confdir: Path, tmp_path: Path) -> None:
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


def test_record_trace_file_is_private_and_has_no_traffic_in_its_name(recorded: Recorded) -> None:
    with serving(patient_server) as upstream:
        good_session(recorded.port, upstream, "/../../%2e%2e/evil\x7f")
        path = recorded.sessions.get(timeout=PATIENCE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(r"[0-9TZ]+-websocket-[0-9a-f]{8}\.wstrace", path.name)


def test_background_port_in_use_is_a_usage_error(confdir: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = ProxySettings(port=port, out=tmp_path, confdir=confdir)
        message = rf"cannot listen on 127\.0\.0\.1:{port}"
        with pytest.raises(UsageError, match=message), background(settings):
            pass


def test_background_output_folder_is_a_file_is_a_usage_error(confdir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = ProxySettings(port=0, out=tmp_path / "file", confdir=confdir)
    with pytest.raises(UsageError, match=r"cannot write traces to .*/file: "), background(settings):
        pass


def test_background_stop_open_sessions_end_as_stopped(
    confdir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "traces"
    with recorder(confdir, out) as recorded, serving(held_open) as upstream:
        peer = open_session(recorded.port, upstream)
    peer.close()
    check_stopped(out)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
