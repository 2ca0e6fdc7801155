"""`make generated` changes the output of examples that is no longer true, and nothing else."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from console_examples import Examples

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "update_examples.py"))


def test_output_that_is_not_true_is_replaced(tmp_path: Path) -> None:
    runs = "a\n\n```console\n$ echo 1\n2\n$ echo 3\n3\n```\n"
    text = f"{runs}\n<!-- not run: it is slow -->\n```console\n$ sleep 9\nz\n```\n"
    with Examples(tmp_path / "examples") as examples:
        assert TOOL["updated"](text, examples) == text.replace("1\n2\n", "1\n1\n")


@pytest.mark.parametrize(
    ("documented", "printed", "merged"),
    [
        ("a\nb\n", "a\nc\n", "a\nc\n"),
        ("a ... 1\nb\n", "a x 1\nc\n", "a ... 1\nc\n"),
        ("a\n...\nz\n", "b\nc\nd\ny\n", "b\n...\ny\n"),
        ("a\n...\n", "b\nc\n", "b\n...\n"),
    ],
)
def test_what_a_document_leaves_out_stays_left_out(
    documented: str, printed: str, merged: str
) -> None:
    assert TOOL["merged"](documented, printed) == merged
