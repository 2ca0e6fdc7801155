"""What `wsproxy record` says about how safely it is set up, and the password that it asks for."""

from __future__ import annotations

import base64
import errno
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from wire_witness import Peer, accepted, close, direct, serving, unused_port, upgrade
from wsproxy.address import authority
from wsproxy.capture.embed import Running, Settings, _Watch, background
from wsproxy.cli.record import _greeting
from wsproxy.cli.recording_options import log_on_stderr
from wsproxy.session import Session
from wsproxy.trace import find_traces


@dataclass
class Recorder:
    """A recorder in a process of its own.

    Attributes:
        port: where it listens.
        warned: what it printed on stderr before it was up, and what comes later.
    """

    port: int
    warned: Queue[str]


@contextmanager
def recording(tmp_path: Path, *options: str, **environment: str) -> Iterator[Recorder]:
    command = [sys.executable, "-m", "wsproxy", "record", "--out", str(tmp_path / "out")]
    command += ["--confdir", str(tmp_path / "conf"), *options]
    env = {name: value for name, value in os.environ.items() if name != "WSPROXY_AUTH"}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**env, **environment},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    warned: Queue[str] = Queue()
    reading = Thread(target=lambda: [warned.put(line) for line in process.stderr])  # type: ignore[union-attr]
    reading.start()
    try:
        port = int(process.stdout.readline().rpartition(":")[2])
        yield Recorder(port, warned)
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        process.wait(30)
        reading.join()


def lines(recorder: Recorder) -> list[str]:
    """All that was printed on stderr, of a recorder that has ended."""
    return [recorder.warned.get_nowait() for _ in range(recorder.warned.qsize())]


def test_on_this_machine_alone_nothing_is_warned_of(tmp_path: Path) -> None:
    with recording(tmp_path, "--listen", "127.0.0.1:0") as recorder:
        pass
    assert lines(recorder) == []


def test_a_wide_address_without_a_password_is_warned_of(tmp_path: Path) -> None:
    with recording(tmp_path, "--listen", "0.0.0.0:0") as recorder:
        line = recorder.warned.get(timeout=30)
    assert "everybody on the network" in line
    assert "--auth USER:PASSWORD" in line
    assert lines(recorder) == []


def test_record_wide_address_in_the_mode_is_warned_of(tmp_path: Path) -> None:
    """What counts are the sockets, whichever option named them."""
    with recording(tmp_path, "--mode", f"regular@0.0.0.0:{unused_port()}") as recorder:
        line = recorder.warned.get(timeout=30)
    assert "listening on 0.0.0.0 lets everybody on the network" in line


def test_a_wide_address_with_a_password_is_not(tmp_path: Path) -> None:
    options = ("--listen", "0.0.0.0:0", "--auth", "me:pass word")
    with recording(tmp_path, *options) as recorder:
        pass
    assert lines(recorder) == []


def test_a_key_of_the_ca_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    with recording(tmp_path, "--listen", "127.0.0.1:0"):
        pass
    key = tmp_path / "conf" / "mitmproxy-ca.pem"
    assert key.stat().st_mode & 0o077 == 0
    key.chmod(0o640)
    with recording(tmp_path, "--listen", "127.0.0.1:0") as recorder:
        line = recorder.warned.get(timeout=30)
    assert f"chmod 600 {key}" in line


@pytest.mark.parametrize("auth", ["name", ":password", "name:", ""])
def test_a_password_that_is_none_is_refused_and_not_repeated(auth: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wsproxy", "record", "--out", str(tmp_path), "--auth", auth],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr == "error: --auth: give USER:PASSWORD\n"


def asked(port: int, upstream: int, credentials: str | None) -> bytes:
    """What a client is answered that asks the proxy for an upgrade at an upstream."""
    request = upgrade(f"http://127.0.0.1:{upstream}/v1/listen", f"127.0.0.1:{upstream}")
    if credentials is not None:
        encoded = base64.b64encode(credentials.encode())
        request = request[:-2] + b"Proxy-Authorization: Basic " + encoded + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(30)
        sock.sendall(request)
        return sock.recv(1 << 16)


def connected(port: int, upstream: int) -> bytes:
    """What comes back for a CONNECT without a password."""
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        sock.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % upstream)
        return sock.recv(1 << 16)


def test_who_gives_no_password_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.send_head(accepted(), close(1000))

    with (
        serving(serve) as upstream,
        recording(tmp_path, "--listen", "127.0.0.1:0", WSPROXY_AUTH="me:word") as recorder,
    ):
        assert asked(recorder.port, upstream, None).startswith(b"HTTP/1.1 407 ")
        assert asked(recorder.port, upstream, "me:wrong").startswith(b"HTTP/1.1 407 ")
        assert connected(recorder.port, upstream).startswith(b"HTTP/1.1 407 ")
        assert find_traces([str(tmp_path / "out")]) == []
        assert asked(recorder.port, upstream, "me:word").startswith(b"HTTP/1.1 101 ")
    (trace,) = find_traces([str(tmp_path / "out")])
    assert b"me:word" not in trace.read_bytes()


def test_a_log_that_cannot_be_printed_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error is a file on the disk that is full."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("wsproxy.cli.recording_options.click.echo", full)
    with log_on_stderr():
        logging.getLogger("wsproxy").error("cannot write")


def test_record_sighup_ends_it_in_order(tmp_path: Path) -> None:
    with open_session(tmp_path) as process:
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 0
    [trace] = find_traces([str(tmp_path / "out")])
    session = Session.read(trace)
    assert session.end is not None
    assert session.end.ending == "stopped"


def test_record_sighup_under_nohup_is_ignored(tmp_path: Path) -> None:
    with open_session(tmp_path, lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.terminate()
        assert process.wait(30) == 0


@contextmanager
def open_session(
    folder: Path, prepare: Callable[[], object] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A recorder with a session that both sides leave open."""

    def serve(peer: Peer) -> None:
        if peer.read_head():
            peer.send_head(accepted())
            peer.until_end()

    command = [sys.executable, "-m", "wsproxy", "record", "--listen", "127.0.0.1:0"]
    command += ["--out", str(folder / "out"), "--confdir", str(folder / "conf")]
    with serving(serve) as upstream:
        command += ["--mode", f"reverse:ws://127.0.0.1:{upstream}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=prepare)
        assert process.stdout is not None
        try:
            app = direct(int(process.stdout.readline().rpartition(":")[2]), tls=False)
            app.send_head(upgrade("/", "localhost"))
            app.read_head()
            yield process
        finally:
            process.kill()
            process.communicate()


@pytest.mark.parametrize(("host", "named"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]")])
def test_greeting_of_a_wide_address_names_one_that_apps_can_reach(
    tmp_path: Path, host: str, named: str
) -> None:
    running = Running((host, 4711), tmp_path / "ca.pem", True, _Watch(), lambda: None)
    first, *lines = _greeting(Settings(), running)
    assert first == f"listening on http://{authority(host, 4711)}"
    assert f"HTTPS_PROXY=http://{named}:4711" in lines[0]
    assert not any(host + ":" in line or f"[{host}]" in line for line in lines)
    assert any(f"{socket.gethostname()}:4711" in line for line in lines)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "wss://127.0.0.1:1"])
def test_reverse_mode_opens_no_udp_socket(tmp_path: Path, url: str) -> None:
    settings = Settings(port=0, mode=f"reverse:{url}", out=tmp_path, confdir=tmp_path)
    with background(settings) as running:
        assert running.address is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(running.address)  # nobody else has it
