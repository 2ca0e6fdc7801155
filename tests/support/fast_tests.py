"""Which test modules `make check` runs: those that start no process and open no connection.

Decided by what a module and the helpers that it uses import, so that no list has to be kept.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parents[1]
# Whoever imports one of these runs something beside the test itself.
SLOW = {
    "asyncio",
    "locust",
    "mitmproxy",
    "multiprocessing",
    "socket",
    "subprocess",
    "websockets.asyncio",
    "websockets.sync",
    "wsproxy.proxy",
    "wsproxy.replayer.ReplayServer",
    "wsproxy.scrub.proof",
    "wsproxy.scrub.prove",
    "wsproxy.simulate.Simulator",
    "wsproxy.simulate.serve_in_thread",
}


@functools.cache
def is_fast(module: Path) -> bool:
    """Whether a test module, or a helper in this folder, needs neither process nor connection."""
    if "pytest_plugins" in module.read_text():
        return False  # pytester: runs a pytest of its own
    for name in imported(module):
        if any(name == slow or name.startswith(slow + ".") for slow in SLOW):
            return False
        helper = _modules().get(name.partition(".")[0])
        if helper is not None and helper != module and not is_fast(helper):
            return False
    return True


@functools.cache
def _modules() -> dict[str, Path]:
    """The modules below this folder that tests import by their name alone."""
    return {path.stem: path for path in HERE.glob("*/*.py")}


def imported(module: Path) -> Iterator[str]:
    """The names that a module imports, those inside functions as well."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
