"""The Python that a command runs with, and the packages that it finds."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

from wsproxy.system.regular_file import open_regular

from .setup import Setup

_TIMEOUT = 20.0  # seconds
_MAX_LINE = 1024  # bytes of a first line
# Runs in any Python since 3.8, with the standard library.
_SCRIPT = """
import json, platform
from importlib import metadata
found = {}
for each in metadata.distributions():
    name = each.metadata["Name"]
    if name:
        found.setdefault(name.lower().replace("_", "-"), each.version)
print(json.dumps([platform.python_version(), found]))
"""


class AppPython(NamedTuple):
    """A Python.

    Attributes:
        packages: versions by normalized names.
    """

    program: str
    version: str
    packages: dict[str, str]


def find(setup: Setup) -> AppPython | None:
    """The Python of the command, or without a command that of the environment; None: none.

    The interpreter is run, with a short script instead of the app.
    """
    program = _of_command(setup) if setup.cmd else _of_environment(setup)
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "-c", _SCRIPT],
            env=setup.env,
            cwd=setup.folder,
            capture_output=True,
            timeout=_TIMEOUT,
            check=True,
        )
        version, packages = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
    return AppPython(program, version, packages)


def _of_command(setup: Setup) -> str | None:
    path = setup.which(setup.cmd[0])
    if path is None or _is_python(path):
        return path
    try:
        with open_regular(path) as file:
            first = file.readline(_MAX_LINE).decode(errors="replace")
    except OSError:
        return None
    words = shlex.split(first.removeprefix("#!")) if first.startswith("#!") else []
    if words and Path(words[0]).name == "env":
        words = [found for word in words[1:] if (found := setup.which(word))]
    return words[0] if words and _is_python(words[0]) else None


def _of_environment(setup: Setup) -> str | None:
    return setup.which("python3") or setup.which("python")


def _is_python(path: str) -> bool:
    return Path(path).name.startswith(("python", "pypy"))
