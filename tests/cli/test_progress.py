"""The line that shows how far a long command is."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from wire_witness import wait_until
from wsproxy.cli import progress
from wsproxy.cli.progress import ProgressLine

PATHS = [Path("a.wstrace"), Path("b\x1b[31m.wstrace")]


def shows(file: io.StringIO, text: str) -> bool:
    return text in file.getvalue()


def terminal() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=True, width=60, soft_wrap=True), file


def test_progress_on_a_terminal_names_each_path_and_erases_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "AFTER", 0.0)
    console, file = terminal()
    with ProgressLine("scrubbing", console) as shown_progress:
        for number, path in enumerate(shown_progress.each(PATHS), 1):
            wait_until(partial(shows, file, f"scrubbing {number} of 2: "))
            assert path == PATHS[number - 1]
    shown = file.getvalue()
    assert "a.wstrace, 0 s" in shown
    assert "\x1b[31m" not in shown  # of the file's name
    assert shown.endswith("\x1b[2K")


def test_progress_of_a_short_command_is_not_shown() -> None:
    console, file = terminal()
    with ProgressLine("scrubbing", console) as quiet:
        assert list(quiet.each(PATHS)) == PATHS
    assert file.getvalue() == ""


def test_progress_without_a_terminal_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "AFTER", 0.0)
    file = io.StringIO()
    console = Console(file=file, force_terminal=False)
    with ProgressLine("scrubbing", console) as quiet:
        assert list(quiet.each(PATHS)) == PATHS
    assert file.getvalue() == ""


def test_progress_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "AFTER", 0.0)
    console, file = terminal()
    with pytest.raises(ZeroDivisionError), ProgressLine("scrubbing", console) as failing:
        for _ in failing.each(PATHS):
            wait_until(file.getvalue)
            raise ZeroDivisionError
    assert file.getvalue().endswith("\x1b[2K")


EXPLAIN = """
import sys
from wsproxy.cli import progress
from wsproxy.cli.main import main
progress.AFTER = 0.0
sys.argv = ["wsproxy", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    ("name", "shown"),
    [("explain", b"explaining 1 of 1: good.wstrace"), ("list", b"reading 1 of 1")],
)
def test_progress_goes_to_stderr_and_json_to_stdout(
    good_trace: Path, name: str, shown: bytes
) -> None:
    screen, side = pty.openpty()
    command = [sys.executable, "-c", EXPLAIN, name, str(good_trace.parent), "--json"]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=side,
        check=True,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(side)
    output = b""
    try:
        while more := os.read(screen, 1 << 16):
            output += more
    except OSError:
        pass  # Linux: the other side is closed
    os.close(screen)
    assert shown in output
    assert done.stdout.startswith(b"[")
    assert shown.split()[0] not in done.stdout
