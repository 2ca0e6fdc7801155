"""What wsproxy imports is what it declares, and no more is needed where mitmproxy is not."""

from __future__ import annotations

import ast
import functools
import re
import sys
import tomllib
from pathlib import Path

import pytest

from each_case import each_case

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "wsproxy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if "preload" not in path.relative_to(PACKAGE).parts
)

# Where the module is not called as its distribution is.
DISTRIBUTIONS = {"OpenSSL": "pyopenssl", "python_socks": "python-socks"}

# Folder or file: the extra whose packages it may import as well. pytest itself loads the plugin.
EXTRAS = {
    "api/notebook.py": "notebook",
    "api/trace.py": "notebook",  # for a type
    "audio/container_decoding.py": "audio",
    "proxy": "record",
    "load/locust.py": "load",
    "pytest_plugin.py": "test",
    "view": "view",
}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", each, maxsplit=1)[0].lower() for each in requirements}


BASE = names(PROJECT["dependencies"])
EXTRA = {name: names(each) for name, each in PROJECT["optional-dependencies"].items()}


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """The distributions that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module or "")
    roots = {name.partition(".")[0] for name in found}
    others = roots - {"wsproxy", "__future__", "_typeshed"} - set(sys.stdlib_module_names)
    return frozenset(DISTRIBUTIONS.get(name, name) for name in others)


def allowed(path: Path) -> set[str]:
    where = str(path.relative_to(PACKAGE))
    extras = (EXTRA[extra] for place, extra in EXTRAS.items() if where.startswith(place))
    return BASE.union(*extras)


@pytest.mark.one_python
@each_case(MODULES)
def test_imports_of_each_module_are_declared(path: Path) -> None:
    assert imported(path) <= allowed(path)


@pytest.mark.one_python
@each_case(["base", "record", "load", "notebook", "view"])
def test_declared_dependencies_are_imported(extra: str) -> None:
    declared = BASE if extra == "base" else EXTRA[extra] - {"wsproxy"}  # another extra of it
    assert declared <= set().union(*map(imported, MODULES))


def test_patched_dependencies_have_upper_bounds() -> None:
    (mitmproxy,) = (
        each for each in PROJECT["optional-dependencies"]["record"] if each.startswith("mitmproxy")
    )
    assert re.fullmatch(r"mitmproxy>=[\d.]+,<[\d.]+", mitmproxy)


def test_declared_dependencies_fit_apps() -> None:
    """An upper bound here is a conflict with somebody's SDK there."""
    assert not [each for each in PROJECT["dependencies"] if "<" in each or "==" in each]
    assert "mitmproxy" not in BASE
    assert "wsproxy" in EXTRA["test"]  # [record]: the suite records


def test_texts_name_published_packages_only() -> None:
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *PACKAGE.rglob("*.py")]
    named = re.compile(r"\bpip install (?:-\S+ )*[\"']?wsproxy\b")
    assert not [path.name for path in texts if named.search(path.read_text())]
