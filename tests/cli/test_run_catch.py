"""`wsproxy run --catch`: programs that ignore proxy settings are recorded."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

from caught_programs import own_address, require_catch
from commands import wsproxy
from wsproxy.intercept import connection_watch
from wsproxy.intercept.catch import availability
from wsproxy.intercept.connection_watch import ConnectionWatch
from wsproxy.session import Session
from wsproxy.trace import find_traces

require_catch()

HOST = own_address() or ""

# Without the environment's proxy variables and preloads.
APP = """
import sys
sys.path[:0] = sys.argv[3:]
from websockets.sync.client import connect
with connect(f"ws://{sys.argv[1]}:{sys.argv[2]}/v1/listen", proxy=None) as session:
    session.send("hello")
    session.recv()
sys.exit(7)
"""


class Api:
    """A server; each session waits for `may_answer`.

    Attributes:
        may_answer: set unless a test clears it.
    """

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.server = serve(self._answer, HOST, 0)

    @property
    def port(self) -> int:
        return int(self.server.socket.getsockname()[1])

    def _answer(self, session: ServerConnection) -> None:
        session.recv()
        assert self.may_answer.wait(60)
        session.send("hello")


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    with api.server:
        threading.Thread(target=api.server.serve_forever).start()
        yield api
        api.server.shutdown()


def app(port: int) -> list[object]:
    return ["--", sys.executable, "-I", "-c", APP, HOST, port, *sys.path[1:]]


def test_run_catch_records_a_program_that_ignores_the_environment(api: Api, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--catch", "on", "--catch-port", api.port, "--out", out, "--confdir", tmp_path]
    result = wsproxy("run", *options, *app(api.port))
    assert result.returncode == 7
    assert result.stderr.splitlines()[0] == f"wsproxy: 1 session recorded in {out}"
    assert "past the recorder" not in result.stderr
    (trace,) = find_traces([out])
    assert Session.read(trace).received.frames > 0


def test_run_catch_without_capabilities_records_too(api: Api, tmp_path: Path) -> None:
    """As any ordinary user; these tests may run as root."""
    setpriv = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    if shutil.which("setpriv") is None or subprocess.run([*setpriv, "true"]).returncode:
        pytest.skip("capabilities cannot be dropped here")
    out = tmp_path / "out"
    options = ["--catch", "on", "--catch-port", api.port, "--out", out, "--confdir", tmp_path]
    argv = [*setpriv, sys.executable, "-m", "wsproxy", "run", *options, *app(api.port)]
    result = subprocess.run(
        list(map(str, argv)), capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert f"wsproxy: 1 session recorded in {out}" in result.stderr
    assert result.returncode == 7


def test_run_catch_off_reports_what_went_past(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = ConnectionWatch.look

    def look_and_let_answer(watch: ConnectionWatch) -> None:
        look(watch)
        if watch.found:
            api.may_answer.set()

    monkeypatch.setattr(connection_watch, "INTERVAL", 0.01)
    monkeypatch.setattr(ConnectionWatch, "look", look_and_let_answer)
    api.may_answer.clear()
    options = ["--catch", "off", "--catch-port", api.port, "--out", tmp_path / "out"]
    result = wsproxy("run", *options, "--confdir", tmp_path, *app(api.port))
    assert result.returncode == 7
    assert f"went past the recorder: 1 connection to {HOST}:{api.port} by py" in result.stderr


def test_run_catch_on_where_it_is_impossible_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And auto runs the command all the same."""
    monkeypatch.setattr(availability, "obstacle", lambda program: "not here")
    options = ["--out", tmp_path / "out", "--confdir", tmp_path, "--", "true"]
    result = wsproxy("run", "--catch", "on", *options)
    assert result.returncode == 2
    assert result.stderr == "error: invalid --catch value 'on': not here\n"
    assert wsproxy("run", *options).returncode == 0
