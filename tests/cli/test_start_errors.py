"""What keeps a recorder or a command from starting is one line that says what to do."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wire_servers import unused_port
from wsproxy.cli.hints import message
from wsproxy.errors import UsageError
from wsproxy.proxy.embedding import ProxySettings, background


def start(folder: Path, **settings: object) -> None:
    """Begin to record, and fail."""
    given = {"port": 0, "out": folder / "out", "confdir": folder / "conf", **settings}
    with background(ProxySettings(**given)):  # type: ignore[arg-type]
        pass


@pytest.fixture
def impossible(tmp_path: Path) -> Path:
    """A folder that no user can create."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "folder"


def refused(tmp_path: Path, **options: Any) -> str:
    """The line that the command line prints for what `start` raises."""
    with pytest.raises(UsageError) as error:
        start(tmp_path, **options)
    assert "--" not in str(error.value)  # the Python API has no options
    return message(error.value)


def test_start_ca_cannot_be_created_names_the_option(tmp_path: Path, impossible: Path) -> None:
    says = rf"cannot create the CA in {re.escape(str(impossible))}: .+; use --confdir DIR"
    assert re.fullmatch(says, refused(tmp_path, confdir=impossible))
    assert re.fullmatch(says, refused(tmp_path, options=(f"confdir={impossible}",)))


def test_start_home_cannot_be_written_names_the_option(
    tmp_path: Path, impossible: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(impossible))
    says = r"cannot create the CA in .+folder/\.mitmproxy: .+--confdir"
    assert re.match(says, refused(tmp_path, confdir=None))


def test_start_invalid_ca_key_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "mitmproxy-ca.pem").write_text("no key")
    with pytest.raises(UsageError, match=r"cannot read the CA in .+mitmproxy-ca\.pem holds no key"):
        start(tmp_path, confdir=tmp_path)


def test_start_traces_cannot_be_written_names_the_option(tmp_path: Path, impossible: Path) -> None:
    says = rf"cannot write traces to {re.escape(str(impossible))}: .+; use --out DIR"
    assert re.fullmatch(says, refused(tmp_path, out=impossible))


def test_start_port_in_use_names_the_port_of_the_mode(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        says = rf"cannot listen on 127\.0\.0\.1:{port}: the port is in use; .*--listen"
        assert re.match(says, refused(tmp_path, port=port))
        assert re.match(says, refused(tmp_path, mode=f"regular@127.0.0.1:{port}"))


@pytest.mark.parametrize("mode", ["reverse:ws", "upstream:http"])
def test_start_mode_with_own_address_is_refused(tmp_path: Path, mode: str) -> None:
    port = unused_port()
    with pytest.raises(UsageError, match=f"the recorder itself listens on localhost:{port}"):
        start(tmp_path, port=port, mode=f"{mode}://localhost:{port}")


def run(program: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "wsproxy", "run", "--", program],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_run_missing_program_is_one_line_and_a_shells_status(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    assert run("no-such-program") == (
        127,
        "error: no-such-program: command not found; example: `wsproxy run -- python app.py`\n",
    )
    assert run(str(plain / "x"))[0] == 127
    assert run(str(plain))[0] == 126
    assert "not executable" in run(str(plain))[1]
    assert run(str(tmp_path))[0] == 126
