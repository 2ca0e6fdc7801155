"""Print the newest Python on this machine that is newer than the one that runs this, if any."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CHECK = "import ensurepip, ssl, sys, venv; print(*sys.version_info[:2])"


def candidates() -> Iterator[str]:
    for minor in (13, 12):
        found = shutil.which(f"python3.{minor}")
        if found:
            yield found
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for folder in sorted((pyenv / "versions").glob("3.1[23].*"), reverse=True):
        yield str(folder / "bin" / "python3")


def version(python: str) -> tuple[int, ...] | None:
    try:
        out = subprocess.run(
            [python, "-c", CHECK], check=False, capture_output=True, text=True, timeout=30
        )
    except OSError:
        return None
    return tuple(map(int, out.stdout.split())) if out.returncode == 0 else None


versions = [(version(python), python) for python in candidates()]
newer = [(found, python) for found, python in versions if found and found > sys.version_info[:2]]
if newer:
    print(max(newer)[1])
