"""The addon in mitmproxy's own programs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from session_recorder import (
    check_stopped,
    good_session,
    held_open,
    open_session,
    patient_server,
    traces,
)
from wire_servers import listens, serving, unused_port
from wire_witness import PATIENCE, wait_until
from wsproxy.session import Session

pytestmark = pytest.mark.real_processes


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ca")


CHECKOUT = Path(__file__).resolve().parents[2]


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
def test_mitmdump_with_an_uninstalled_checkout_records(
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
    # the end, with this addon or without. The environment may be in a folder named wsproxy.
    log = (tmp_path / "mitmdump.log").read_text()
    said = log.replace(str(out), "").replace(sys.prefix, "")
    assert "wsproxy" not in said.lower(), log


def test_mitmweb_shows_the_messages_of_a_session(
    checkout: Path, confdir: Path, tmp_path: Path
) -> None:
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
