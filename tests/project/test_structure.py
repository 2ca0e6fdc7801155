"""The source keeps its shape: sizes of files, names, and no code that nothing runs."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 500
# The preload is a program of its own, in the Python of the command that is recorded.
SOURCES = sorted(path for path in (ROOT / "wsproxy").rglob("*.py") if "preload" not in path.parts)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
_TEST_MODULE = re.compile(r"`(test_\w+\.py)`")
_DEFINED = re.compile(r"\s*(?:async )?(?:def|class) (\w+)")
# Those that Python, click, pytest or mitmproxy call.
_HOOKS = re.compile(r"pytest_\w+|__\w+__")

pytestmark = pytest.mark.one_python


def classes(source: str) -> Iterator[str]:
    """The public classes at the top of a module."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def unused_functions(sources: list[str], data: list[str]) -> list[str]:
    """The functions at the top of modules that no other line names, but for imports.

    A function with a decorator counts as used by it.

    Args:
        data: other files that name functions.
    """
    words: Counter[str] = Counter()
    for line in "\n".join([*sources, *data]).splitlines():
        if not re.match(r"\s*(?:from|import) |\s+\"?\w+\"?,$", line):
            words.update(re.findall(r"\w+", _DEFINED.sub("", line, count=1)))
    return [
        node.name
        for source in sources
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if not node.decorator_list and not words[node.name] and not _HOOKS.fullmatch(node.name)
    ]


@pytest.mark.parametrize("folder", [SOURCES, TESTS], ids=["wsproxy", "tests"])
def test_files_have_at_most_500_lines(folder: list[Path]) -> None:
    sizes = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in folder
    }
    long = {path for path, size in sizes.items() if size > MAX_LINES}
    assert long == set()


def test_public_classes_have_one_place_each() -> None:
    names = Counter(name for path in SOURCES for name in classes(path.read_text("utf-8")))
    assert [name for name, count in names.items() if count > 1] == []


def test_functions_are_used_by_more_than_tests() -> None:
    data = [path.read_text("utf-8") for path in (ROOT / "wsproxy").rglob("*.toml")]
    assert unused_functions([path.read_text("utf-8") for path in SOURCES], data) == []


def test_unused_functions_are_found() -> None:
    used = "def used(): ...\ndef left(): ...\n@hook\ndef called(): ...\ndef named(): ...\n"
    other = 'from a import used, left\n__all__ = [\n    "left",\n]\nused()\n'
    assert unused_functions([used, other], ["rule = 'named'"]) == ["left"]


def test_promises_name_tests_that_exist() -> None:
    page = (ROOT / "docs" / "promises.md").read_text("utf-8")
    named = set(_TEST_MODULE.findall(page))
    assert len(named) > 50
    assert named - {path.name for path in TESTS} == set()
