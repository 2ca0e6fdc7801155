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
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from wire_witness import wait_until
from wsproxy.cli import progress
from wsproxy.cli.distill import _Attempts
from wsproxy.cli.progress import ProgressLine
from wsproxy.distill import Attempt
from wsproxy.replayer import Pace

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


@pytest.mark.parametrize(("width", "has_bar"), [(80, True), (59, False)])
def test_progress_with_a_known_number_of_steps_has_a_bar_if_there_is_room(
    monkeypatch: pytest.MonkeyPatch, width: int, has_bar: bool
) -> None:
    monkeypatch.setattr(progress, "AFTER", 0.0)
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, soft_wrap=True)
    with ProgressLine("reading", console) as shown_progress:
        shown_progress.step("reading 6 of 11: " + "long " * 30, 5, 10)
        wait_until(partial(shows, file, "reading 6 of 11: "))
    parts = file.getvalue().replace("\r", "\n").split("\n")
    lines = [line for part in parts if "reading 6" in (line := Text.from_ansi(part).plain)]
    assert lines
    for line in lines:
        assert cell_len(line.rstrip()) <= width
        assert line.startswith("━" * 10) is has_bar


def test_progress_without_a_number_of_steps_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "AFTER", 0.0)
    console, file = terminal()
    with ProgressLine("comparing", console):
        wait_until(partial(shows, file, "comparing, 0 s"))
    assert "━" not in file.getvalue()


def test_progress_of_distill_says_how_many_attempts_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "AFTER", 0.0)
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=150, soft_wrap=True)
    with ProgressLine("distilling", console) as shown_progress:
        attempts = _Attempts(10, shown_progress, as_json=True)
        attempts.show(Attempt(3, "the end alone", 5, Pace.parse("recorded")))
        wait_until(partial(shows, file, "attempt 3 of 10: the end alone, 5 messages"))
        wait_until(partial(shows, file, ", 7 attempts left, 0 s"))


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
