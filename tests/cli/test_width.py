"""Lines of `show`, `explain` and `list`: as wide as the terminal, with no blanks at their ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from commands import wsproxy
from replay_sessions import build, close_1011
from wsproxy.cli.width import cut, wrapped

pytestmark = pytest.mark.one_python

GOLDEN = Path(__file__).parents[1] / "golden" / "v1" / "closed.wstrace"
WIDTHS = [60, 80, 120, 200]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with long messages and headers."""
    return build(close_1011, tmp_path_factory.mktemp("width"))


def lines(width: int, *arguments: object) -> list[str]:
    done = wsproxy(*arguments, COLUMNS=str(width))
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "arguments",
    [["show"], ["show", "--control"], ["explain"], ["explain", "--all"], ["list"]],
    ids=" ".join,
)
@pytest.mark.parametrize("which", ["golden", "long"])
def test_width_lines_fit_and_have_no_trailing_blanks(
    which: str, arguments: list[str], width: int, long: Path
) -> None:
    trace = GOLDEN if which == "golden" else long
    shown = lines(width, *arguments, trace)
    assert len(shown) >= 3
    assert [line for line in shown if line != line.rstrip()] == []
    # A path stays on one line in `list`, so that it can be copied.
    too_long = [line for line in shown if cell_len(line) > width and str(trace) not in line]
    assert too_long == []
    # Nor is it wrapped to less than there is.
    assert max(map(cell_len, shown)) > min(width * 0.8, 70)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", [["explain"], ["explain", "--markdown"]], ids=" ".join)
def test_width_explain_of_several_has_no_trailing_blanks(
    command: list[str], width: int, long: Path
) -> None:
    shown = lines(width, *command, long, GOLDEN)
    assert [line for line in shown if line != line.rstrip()] == []


@pytest.mark.parametrize("command", [["diff", GOLDEN], ["catalog", "show", "3007-rate"]])
def test_width_tables_have_no_trailing_blanks(command: list[object], long: Path) -> None:
    shown = lines(80, *command, *([long] if command[0] == "diff" else []))
    assert [line for line in shown if line != line.rstrip()] == []


def test_width_full_output_is_not_shortened_or_wrapped(long: Path) -> None:
    assert lines(60, "show", "--full", long) == lines(200, "show", "--full", long)
    assert any(len(line) > 60 for line in lines(60, "show", "--full", long))


def test_width_of_pipe_ignores_terminal() -> None:
    """`list` and `show` have one line for a session or a frame, for grep; text wraps at 80."""
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}

    def piped(command: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "wsproxy", command, GOLDEN],
            capture_output=True,
            text=True,
            check=True,
            env={**env, "PYTHONIOENCODING": "utf-8"},
        )
        return done.stdout.splitlines()

    assert len(piped("list")) == 3
    assert len([line for line in piped("show") if " binary " in line]) == 3
    assert "more not kept" in next(line for line in piped("show") if "100004" in line)
    assert 70 < max(map(cell_len, piped("explain"))) <= 80


@given(st.text(), st.integers(1, 40))
def test_cut_any_text_fits_the_columns(text: str, width: int) -> None:
    short = cut(text, width)
    assert cell_len(short) <= width
    assert short == text or short.endswith("…")
    assert short == text or text.startswith(short.removesuffix("…"))


@given(st.text("ab \u00e9", max_size=300), st.integers(30, 90))
def test_wrapped_any_text_keeps_words(text: str, width: int) -> None:
    line = " ".join(["x", *text.split()])
    shown = wrapped(line, width, 4)
    assert "".join(shown.split()) == "".join(line.split())
    assert all(len(each) <= width and each == each.rstrip() for each in shown.split("\n"))
    if max(map(len, line.split())) <= width - 4:
        assert shown.split() == line.split()


@given(st.text(alphabet="aé→ \u65e5\u672c\u8a9e\U0001f600", max_size=200), st.integers(30, 90))
def test_wrapped_counts_columns_and_loses_no_character(text: str, width: int) -> None:
    shown = wrapped(text, width, 10).split("\n")
    assert max(map(cell_len, shown)) <= max(width, len(text.rstrip()) if text.isascii() else 0)
    assert "".join(shown).replace(" ", "") == text.replace(" ", "")


def test_wrapped_wide_characters_are_indented_after_the_first_line() -> None:
    shown = wrapped("  said: " + "\u65e5\u672c" * 20, 40, 10).split("\n")
    assert shown[0] == "  said:"
    assert [line[:10].strip() for line in shown[1:]] == [""] * (len(shown) - 1)
    assert [cell_len(line) for line in shown[1:-1]] == [40] * (len(shown) - 2)
