"""Imports go downward only, and only capture/ knows mitmproxy."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "wsproxy"

# What each room may import besides itself, from the lowest up.
ORDER = (
    "errors address sockets isolation regular_file wire trace session envelope catalog redact "
    "recording diagnose recover compare simulate replay+report+mutate distill+load+scrub+index "
    "bundle capture addons+api cli+pytest_plugin entry"
)
BELOW: dict[str, set[str]] = {}
for rooms in ORDER.split():
    BELOW |= {room: set(BELOW) for room in rooms.split("+")}
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "preload" not in p.parts)


def room_of(name: str) -> str:
    return name.partition(".")[2].partition(".")[0]


@functools.cache
def imported(path: Path) -> set[str]:
    """Absolute names of the modules that a file imports, anywhere in it."""
    package = path.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from wsproxy import errors` names a room; `from wsproxy import __version__` none.
            found |= {f"{module}.{a.name}" for a in node.names} if module == "wsproxy" else {module}
    return found


def test_the_tree_was_found():
    assert {path.name for path in MODULES} >= {"errors.py", "parser.py", "reader.py", "session.py"}


def room_at(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


ROOMS = sorted({room_at(path) for path in MODULES})


@pytest.mark.parametrize("room", [r for r in ROOMS if r not in ("__init__", "__main__")])
def test_imports_go_downward(room):
    assert room in BELOW, f"{room} has no place in the order; give it one"
    for path in (each for each in MODULES if room_at(each) == room):
        rooms = {room_of(name) for name in imported(path) if name.split(".")[0] == "wsproxy"}
        assert rooms - {room, "__version__", ""} <= BELOW[room], path


@pytest.mark.parametrize("room", [r for r in ROOMS if r != "capture"])
def test_only_capture_imports_mitmproxy(room):
    for path in (each for each in MODULES if room_at(each) == room):
        assert "mitmproxy" not in {name.split(".")[0] for name in imported(path)}, path


@pytest.mark.parametrize(
    "low", [PACKAGE / "catalog" / "model.py", PACKAGE / "catalog" / "loader.py"]
)
def test_the_catalog_model_knows_nothing_of_traces(low):
    assert not {room_of(name) for name in imported(low)} & {"trace", "session", "wire"}


def test_reading_explaining_and_replaying_work_without_mitmproxy():
    rooms = [
        f"wsproxy.{name}"
        for name in (
            "session",
            "catalog",
            "diagnose",
            "compare",
            "replay",
            "simulate",
            "report",
            "recording",
            "load",
        )
        if (PACKAGE / name / "__init__.py").exists() or (PACKAGE / f"{name}.py").exists()
    ]
    code = f"import sys, {', '.join(rooms)}; print([m for m in sys.modules if 'mitmproxy' in m])"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
