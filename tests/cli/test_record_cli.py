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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from commands import put_each, wsproxy
from wire_bytes import accepted, close, upgrade
from wire_servers import serving
from wire_witness import Peer
from wsproxy.cli.logs import logging_on_stderr
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
    reading = Thread(target=put_each, args=(process.stderr, warned))
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


def test_record_loopback_address_has_no_warning(tmp_path: Path) -> None:
    with recording(tmp_path, "--listen", "127.0.0.1:0") as recorder:
        pass
    assert lines(recorder) == []


def test_record_wide_address_without_password_is_warned_of(tmp_path: Path) -> None:
    with recording(tmp_path, "--listen", "0.0.0.0:0") as recorder:
        line = recorder.warned.get(timeout=30)
    assert "everyone on the network" in line
    assert "--auth USER:PASSWORD" in line
    assert lines(recorder) == []


def test_record_wide_address_with_password_has_no_warning(tmp_path: Path) -> None:
    options = ("--listen", "0.0.0.0:0", "--auth", "me:pass word")
    with recording(tmp_path, *options) as recorder:
        pass
    assert lines(recorder) == []


def test_record_ca_key_readable_by_others_is_warned_of(tmp_path: Path) -> None:
    with recording(tmp_path, "--listen", "127.0.0.1:0"):
        pass
    key = tmp_path / "conf" / "mitmproxy-ca.pem"
    assert key.stat().st_mode & 0o077 == 0
    key.chmod(0o640)
    with recording(tmp_path, "--listen", "127.0.0.1:0") as recorder:
        line = recorder.warned.get(timeout=30)
    assert f"chmod 600 {key}" in line


@pytest.mark.parametrize("auth", ["name", ":password", "name:", ""])
def test_record_invalid_auth_is_refused_and_not_printed(auth: str, tmp_path: Path) -> None:
    done = wsproxy("record", "--out", tmp_path, "--auth", auth)
    assert done.returncode == 2
    assert done.stderr == "error: invalid --auth value: expected USER:PASSWORD\n"


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


@pytest.mark.real_processes
def test_record_unauthenticated_client_is_refused_without_trace(tmp_path: Path) -> None:
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


def test_logging_on_stderr_full_disk_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error is a file on the disk that is full."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("wsproxy.cli.logs.click.echo", full)
    with logging_on_stderr(0):
        logging.getLogger("wsproxy").error("cannot write")
