"""docs/architecture.md names the layers, modules and functions that exist."""

from __future__ import annotations

import ast
import fnmatch
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "wsproxy"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
_QUESTION = re.compile(r"^\| (\d+) \| .* \| `([^`]+)` \| `([^`]+)` \|$", re.MULTILINE)
QUESTIONS = _QUESTION.findall(PAGE)
# `catalog/*.toml` and the like stay out: they name no single file.
_PATH = re.compile(r"`(?:wsproxy/)?((?:[a-z_]+/)+[a-z_0-9]+\.py)`")


def contract_layers() -> list[set[str]]:
    """The layers of the import-linter contract, the highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each["type"] == "layers")
    return [set(layer.split(" | ")) for layer in layers]


def defined_names(source: str) -> set[str]:
    """Functions, classes, their members and constants at the top of a module."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            functions = (each for each in node.body if isinstance(each, ast.FunctionDef))
            names |= {f"{node.name}.{each.name}" for each in functions}
    return names


def test_layers_of_the_page_are_those_of_the_import_contract() -> None:
    picture = PAGE.split("<!-- layers:")[1].split("```")[1].removeprefix("text\n")
    drawn = [
        {line.split()[0] for line in layer.splitlines() if line}
        for layer in re.split(r"^-+$", picture, flags=re.MULTILINE)
    ]
    assert drawn == contract_layers()


def test_questions_of_the_page_are_20() -> None:
    assert [int(number) for number, _, _ in QUESTIONS] == list(range(1, 21))


@pytest.mark.parametrize(("number", "path", "name"), QUESTIONS)
def test_answer_to_a_question_is_defined_at_its_path(number: str, path: str, name: str) -> None:
    assert name in defined_names((PACKAGE / path).read_text(encoding="utf-8")), number


def test_paths_of_the_page_exist() -> None:
    paths = set(_PATH.findall(PAGE))
    missing = [path for path in sorted(paths) if not (PACKAGE / path).is_file()]
    assert not missing


def listed_modules(package: Path) -> list[str]:
    """The names, or patterns, before the columns in the docstring of a package."""
    doc = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    lines = re.findall(r"^ *([a-z0-9_*]+(?:, [a-z0-9_*]+)*)  +\S", doc, re.MULTILINE)
    return [name for line in lines for name in line.split(", ")]


@pytest.mark.parametrize(
    "package",
    [
        init.parent
        for init in sorted(PACKAGE.glob("*/**/__init__.py"))
        if listed_modules(init.parent)
    ],
    ids=lambda package: package.relative_to(PACKAGE).as_posix(),
)
def test_package_docstring_lists_its_modules(package: Path) -> None:
    listed = listed_modules(package)
    modules = {path.stem for path in package.iterdir() if not path.name.startswith("__")}
    assert [name for name in listed if not fnmatch.filter(modules, name)] == []
    assert [name for name in modules if not any(fnmatch.fnmatch(name, p) for p in listed)] == []
