"""Write access and free space."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wsproxy.errors import Setting

from .result import CheckResult
from .setup import Setup

_LITTLE, _VERY_LITTLE = 1 << 30, 100 << 20  # bytes; an hour of audio both ways takes about 100 MB


def check(setup: Setup) -> Iterator[CheckResult]:
    """Check the folders of the traces and of the CA."""
    for folder, purpose, setting in (
        (setup.out, "traces are written to it", "out"),
        (setup.confdir, "the CA is in it", "confdir"),
    ):
        existing = _existing(folder)
        try:
            tempfile.TemporaryFile(dir=existing).close()
        except OSError as error:
            yield CheckResult(
                "folders",
                "problem",
                f"cannot write to {folder}: {error.strerror or error}",
                purpose,
                "make it writable for this user",
                (Setting(setting),),
            )
    yield _space(setup.out)


def _space(out: Path) -> CheckResult:
    free = shutil.disk_usage(_existing(out)).free
    text = f"{free / 1e9:.1f} GB are free in {out.absolute()}"
    if free >= _LITTLE:
        return CheckResult("folders", "ok", text)
    return CheckResult(
        "folders",
        "problem" if free < _VERY_LITTLE else "warning",
        text,
        "when the disk is full, sessions continue, but are not recorded",
        "free some space",
        (Setting("out"), Setting("max_folder")),
    )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above that exists."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())
