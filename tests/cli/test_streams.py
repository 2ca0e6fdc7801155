"""Commands on terminals that cannot show every character."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wsproxy.cli.main import main

SAMPLES = Path(__file__).parents[2] / "recordings" / "samples"
ENDED = SAMPLES / "deepgram" / "deepgram.listen.NET-0000.wstrace"
ODD = "zö→é…\udcff.wstrace"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ENDED, tmp_path / "a.wstrace")
    shutil.copy(ENDED, tmp_path / ODD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(
    monkeypatch: pytest.MonkeyPatch, encoding: str, errors: str, *arguments: str
) -> tuple[int, bytes, bytes]:
    """The command, in this process: its exit status, and what it prints in an encoding."""
    out, err = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "argv", ["wsproxy", *arguments])
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding, errors))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(err, encoding, "backslashreplace"))
    status = 0
    try:
        main()
    except SystemExit as error:
        status = int(error.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    return status, out.getvalue(), err.getvalue()


COMMANDS = {
    "list": ["list", "."],
    "list --json": ["list", ".", "--json"],
    "show": ["show", ODD],
    "show --json": ["show", ODD, "--json"],
    "explain": ["explain", ODD],
    "explain of many": ["explain", "."],
    "explain --markdown": ["explain", ODD, "--markdown"],
    "diff": ["diff", "a.wstrace", ODD],
    "catalog list": ["catalog", "list"],
    "catalog show": ["catalog", "show", "deepgram.listen.NET-0000"],
    "catalog search": ["catalog", "search", "1011"],
    "simulate --list": ["simulate", "--list"],
    "mutate": ["mutate", ODD, "--close", "1011:é→", "--out", "made→.wstrace"],
    "scrub": ["scrub", ODD, "--out", "public→.wstrace"],
    "bundle": ["bundle", ODD, "--out", "bundle→.zip"],
    "recover": ["recover", ODD],
    "--help": ["--help"],
    "record --help": ["record", "--help"],
    "replay server --help": ["replay", "server", "--help"],
    "a file that is not there": ["show", "é→.wstrace"],
    "no trace": ["explain", __file__],
    "no such command": ["é→"],
    "no such condition": ["catalog", "show", "é→"],
}


@pytest.mark.parametrize(
    ("encoding", "errors"),
    [("ascii", "strict"), ("ascii", "surrogateescape"), ("cp1252", "strict"), ("utf-8", "strict")],
)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_command_on_a_narrow_terminal_prints(
    command: list[str],
    encoding: str,
    errors: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status, out, err = run(monkeypatch, encoding, errors, *command)
    assert status in (0, 2, 3)
    assert b"Traceback" not in err
    for printed in (out, err):
        printed.decode(encoding)


def test_ascii_terminal_arrows_and_dots_are_spelled(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = run(monkeypatch, "ascii", "strict", "list", "a.wstrace")
    assert b"closed by the server: 1011 NET-0000 -> deepgram.listen.NET-0000" in out


def test_ascii_json_keeps_every_value(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ODD).rename(folder / "zö→.wstrace")
    _, out, _ = run(monkeypatch, "ascii", "strict", "list", ".", "--json")
    assert [entry["path"] for entry in json.loads(out)] == ["a.wstrace", "zö→.wstrace"]


def test_ascii_environment_is_no_traceback(folder: Path) -> None:
    """As Python itself sets its streams up."""
    env = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    env.pop("PYTHONIOENCODING", None)
    done = subprocess.run(
        [sys.executable, "-m", "wsproxy", "list", "."],
        capture_output=True,
        env=env,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
