"""Keeps the app's Python path out of wsproxy's own process.

`wsproxy run` starts with the app's PYTHONPATH, in the app's folder: wsproxy would load a
`brotli.py` or a `sitecustomize.py` of the app. Only the standard library is imported here, and
as little of it as possible.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder

_PATH = "PYTHONPATH"
_KEPT = "WSPROXY_APP_PYTHONPATH"  # carries it from one start of the interpreter to the next
# wsproxy's own modules, and two that it depends on: found without the app's path, or not.
_NEEDED = ("wsproxy", "click", "msgpack")
_PACKAGE = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120  # the folder of wsproxy

_app_path: str | None = None


def isolate() -> None:
    """Prevent this process, and wsproxy's own child processes, from loading modules of the app.

    If PYTHONPATH is set, the interpreter is started again without it, because it has loaded
    modules from there before this code runs. That is not done on Windows, where it would be a
    second process, nor if wsproxy itself is found through PYTHONPATH only.
    """
    global _app_path  # noqa: PLW0603  # of the process, as the environment is
    kept = os.environ.pop(_KEPT, None)
    path = os.environ.get(_PATH)
    if kept is not None:
        _app_path = kept
    elif path:
        entries = {os.path.abspath(entry) for entry in path.split(os.pathsep)}  # noqa: PTH100
        if _is_enough(remaining := [p for p in sys.path if os.path.abspath(p) not in entries]):  # noqa: PTH100
            _start_again(path)
            sys.path[:] = remaining
            _app_path = os.environ.pop(_PATH)
    if _is_of_module_run() and _is_enough(sys.path[1:]):
        del sys.path[0]


def app_environment() -> dict[str, str]:
    """The environment that this process was started with, for the app."""
    return {**os.environ, **({} if _app_path is None else {_PATH: _app_path})}


def _start_again(path: str) -> None:
    """Replace this process; returns if that is not possible."""
    if os.name != "posix" or not sys.executable:
        return
    env = {name: value for name, value in os.environ.items() if name != _PATH}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**env, _KEPT: path})


def _is_enough(path: Sequence[str]) -> bool:
    """Whether this wsproxy and the modules that it needs are found on a path."""
    found = [PathFinder.find_spec(name, list(path)) for name in _NEEDED]
    if found[0] is None or found[0].origin is None or not all(found):
        return False
    return os.path.samefile(os.path.dirname(found[0].origin), _PACKAGE)  # noqa: PTH120, PTH121


def _is_of_module_run() -> bool:
    """Whether the first entry is the current folder, as `python -m` has it."""
    safe = getattr(sys.flags, "safe_path", False)
    return not safe and "-m" in sys.orig_argv and sys.path[0] in ("", os.getcwd())  # noqa: PTH109
