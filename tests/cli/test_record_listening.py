"""How `wsproxy record` listens, what it says about that, and which signals end it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from test_record_cli import recording
from wire_bytes import accepted, upgrade
from wire_servers import serving, unused_port
from wire_witness import Peer, direct
from wsproxy.cli.record import _greeting
from wsproxy.proxy.embedding import ProxySettings, RunningProxy, _ConnectionCounter, background
from wsproxy.session import Session
from wsproxy.system.address import authority
from wsproxy.trace import find_traces


def test_record_wide_address_in_the_mode_is_warned_of(tmp_path: Path) -> None:
    """What counts are the sockets, whichever option named them."""
    with recording(tmp_path, "--mode", f"regular@0.0.0.0:{unused_port()}") as recorder:
        line = recorder.warned.get(timeout=30)
    assert "everyone on the network can use this proxy, which listens on 0.0.0.0" in line


def test_record_sighup_ends_it_gracefully(tmp_path: Path) -> None:
    # The tests themselves may run under nohup, which child processes inherit.
    with open_session(tmp_path, lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)) as process:
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
def test_greeting_of_wide_address_names_reachable_address(
    tmp_path: Path, host: str, named: str
) -> None:
    watch = _ConnectionCounter()
    running = RunningProxy((host, 4711), tmp_path / "ca.pem", True, watch, cast("Any", None))
    first, *lines = _greeting(ProxySettings(), running)
    assert first == f"listening on http://{authority(host, 4711)}"
    assert f"HTTPS_PROXY=http://{named}:4711" in lines[0]
    assert not any(host + ":" in line or f"[{host}]" in line for line in lines)
    assert any(f"{socket.gethostname()}:4711" in line for line in lines)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "wss://127.0.0.1:1"])
def test_reverse_mode_opens_no_udp_socket(tmp_path: Path, url: str) -> None:
    settings = ProxySettings(port=0, mode=f"reverse:{url}", out=tmp_path, confdir=tmp_path)
    with background(settings) as running:
        assert running.address is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(running.address)  # nobody else has it
