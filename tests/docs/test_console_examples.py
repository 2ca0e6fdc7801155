"""Every console example in README.md and docs/ runs and prints what the document says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from console_examples import ROOT, Command, blocks, documents, failures, matches

pytestmark = pytest.mark.one_python

# How many examples of a document are only to be read: real APIs, installations, long runs.
NOT_RUN = {
    "CONTRIBUTING.md": 2,
    "README.md": 5,
    "catalog.md": 1,
    "catch.md": 1,
    "distill.md": 1,
    "doctor.md": 3,
    "hostile.md": 2,
    "install.md": 3,
    "load.md": 2,
    "mutate.md": 1,
    "options.md": 1,
    "recover.md": 1,
    "replay-schedule.md": 1,
    "scrub.md": 2,
    "sdks.md": 1,
    "simulate.md": 1,
    "terminal.md": 1,
    "testing.md": 2,
    "view.md": 2,
}


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_examples_of_document_print_documented_output(path: Path, tmp_path: Path) -> None:
    assert failures(path, tmp_path / "examples") == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_examples_that_are_not_run_are_counted(path: Path) -> None:
    marked = [block for block in blocks(path.read_text()) if block.not_run is not None]
    assert len(marked) == NOT_RUN.get(path.name, 0), [block.line for block in marked]
    assert all(block.language == "console" for block in marked)


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_commands_are_in_console_blocks(path: Path) -> None:
    """In a block of another language they would not be run."""
    others = [block for block in blocks(path.read_text()) if block.language != "console"]
    assert [block.line for block in others if re.search(r"^\$ ", block.body, re.MULTILINE)] == []


def test_documents_are_those_of_the_project() -> None:
    names = {str(path.relative_to(ROOT)) for path in documents()}
    assert {"README.md", "CONTRIBUTING.md", "docs/tutorial.md"} <= names


def test_blocks_have_their_marks_and_lines() -> None:
    text = (
        "<!-- not run: needs a key -->\n```console\n$ a\n```\n\n"
        "<!-- file: app.py -->\n```python\nprint()\n```\n\n```console\n$ b\nout\n```\n"
    )
    first, second, third = blocks(text)
    assert (first.line, first.not_run, first.file) == (3, "needs a key", None)
    assert (second.line, second.not_run, second.file) == (8, None, "app.py")
    assert (third.line, third.not_run, third.file) == (12, None, None)
    assert list(third.commands()) == [Command(12, "b\n", "out\n")]


def test_command_may_continue_on_the_next_line() -> None:
    (block,) = blocks("```console\n$ a \\\n    --b\nout\n$ c\n```\n")
    assert list(block.commands()) == [Command(2, "a \\\n    --b\n", "out\n"), Command(5, "c\n", "")]


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a\nb\n", "a  \nb\n\n", True),
        ("a\n", "b\n", False),
        ("a\n", "a\nb\n", False),
        ("a ... c\n", "a b c\n", True),
        ("a ... c\n", "a b\nb c\n", False),
        ("a\n...\nc\n", "a\nb\nb\nc\n", True),
        ("a\n...\nc\n", "a\nc\n", True),
        ("a\n...\n", "a\nb\n", True),
    ],
)
def test_output_matches_except_omitted_text(expected: str, printed: str, same: bool) -> None:
    assert matches(expected, printed) == same


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        ("```console\n$ wsproxy --version\nno\n```\n", "d.md:2: wsproxy --version\n"),
        ("```console\n$ wsproxy explain none.wstrace\n```\n", "d.md:2: wsproxy explain"),
        ("```console\n$ python -c 1/0\n```\n", "d.md:2: python -c 1/0\n"),
        ("```console\n$ pip install x\n```\n", "d.md:2: pip install x\nnot one of the programs"),
        ("```console\nwsproxy --version\n```\n", "d.md:2: no command\n"),
    ],
)
def test_example_with_wrong_output_is_a_failure(tmp_path: Path, example: str, problem: str) -> None:
    document = tmp_path / "d.md"
    document.write_text(example)
    (failure,) = failures(document, tmp_path / "examples")
    assert failure.startswith(problem)


def test_server_has_free_port_and_prints_documented_port(tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    document.write_text(
        "```console\n"
        "$ wsproxy simulate --listen 127.0.0.1:9 &\n"
        "listening on ws://127.0.0.1:9\n"
        "$ echo 127.0.0.1:9\n"
        "127.0.0.1:9\n"
        "$ wsproxy replay client call.wstrace --to ws://127.0.0.1:9 --no-record --pace fast \\\n"
        "    --timeout 0.2\n"
        "replaying call.wstrace as the client against ws://127.0.0.1:9 (pace: fast)\n"
        "...\n"
        "```\n"
    )
    assert failures(document, tmp_path / "examples") == []
