"""`wsproxy run --mode reverse:URL`: what does not use the base URL is recorded as well."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

import redirect_to_localhost
from commands import wsproxy
from wsproxy.session import Session
from wsproxy.trace import find_traces

# One session with the base URL, one with an absolute URL as an API may return it.
APP = """
import os, sys
sys.path[:0] = sys.argv[2:]
from websockets.sync.client import connect
for base in (os.environ["WSPROXY_URL"].replace("http", "ws"), "ws://api.gladia.io:" + sys.argv[1]):
    with connect(base + "/v2/live") as session:
        session.send("hello")
        session.recv()
"""


def echo(session: ServerConnection) -> None:
    for message in session:
        session.send(message)


@pytest.fixture
def port() -> Iterator[int]:
    with serve(echo, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.socket.getsockname()[1]
        server.shutdown()


def test_run_reverse_mode_records_absolute_session_urls_too(port: int, tmp_path: Path) -> None:
    """Through a regular proxy beside the reverse proxy, whether or not connections are caught."""
    out = tmp_path / "out"
    options = ["--catch", "off", "--mode", f"reverse:ws://127.0.0.1:{port}", "--out", out]
    options += ["--confdir", tmp_path, "--set", f"scripts={redirect_to_localhost.__file__}"]
    app = [sys.executable, "-I", "-c", APP, port, *sys.path[1:]]
    result = wsproxy("run", *options, "--", *app)
    hosts = {(s.request and s.request.host) for s in map(Session.read, find_traces([out]))}
    assert hosts == {"127.0.0.1", "api.gladia.io"}
    assert result.returncode == 0
