"""Only the command line speaks of its options; and no option is passed through the environment."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from each_case import each_case

pytestmark = pytest.mark.one_python

PACKAGE = Path(__file__).parents[2] / "wsproxy"
# It starts commands of wsproxy for the buttons of a page, and prints nothing of its own.
STARTS_COMMANDS = PACKAGE / "view" / "commands.py"
LIBRARIES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if not {"cli", "preload"} & set(path.relative_to(PACKAGE).parts) and path != STARTS_COMMANDS
)
OPTION = re.compile(r"(?<![\w-])--[a-z]")
# Command lines of their own, or of others; and the beginning of a key in PEM.
OTHERS = re.compile(
    r"--wsproxy-|--require |--preload=|-----begin|--set wsproxy_"
    r"|--(?:proxy-server|ignore-certificate-errors-spki-list|user-data-dir)="
)


def texts(path: Path) -> Iterator[str]:
    """The string literals of a module, without its docstrings."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            if isinstance(node.value, str):
                yield node.value
            elif isinstance(node.value, bytes):
                yield node.value.decode("latin-1")


@each_case(LIBRARIES)
def test_libraries_do_not_name_options(path: Path) -> None:
    found = [text for text in texts(path) if OPTION.search(OTHERS.sub("", text))]
    assert found == []


def test_texts_of_libraries_are_found(tmp_path: Path) -> None:
    module = tmp_path / "x.py"
    module.write_text('"""--a"""\ndef f():\n    """--b"""\n    return f"use --{1} --out"\n')
    assert [text for text in texts(module) if OPTION.search(text)] == [" --out"]


@each_case(sorted(PACKAGE.rglob("*.py")))
def test_environment_is_not_written(path: Path) -> None:
    """Except for the app's Python path, which wsproxy's own processes must not have."""
    if path.name in ("python_path.py", "sitecustomize.py"):
        return
    source = path.read_text()
    assert not re.search(
        r"os\.environ\[[^]]*\]\s*=[^=]|os\.environ\.(update|setdefault|pop)", source
    )
    assert "os.putenv" not in source
