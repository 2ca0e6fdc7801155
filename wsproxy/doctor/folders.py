"""Write access and free space."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .result import Result
from .setup import Setup

_LITTLE, _VERY_LITTLE = 1 << 30, 100 << 20  # bytes; an hour of audio both ways takes about 100 MB


def check(setup: Setup) -> Iterator[Result]:
    """Check the folders of the traces and of the CA."""
    for folder, purpose, option in (
        (setup.out, "traces are written to it", "--out"),
        (setup.confdir, "the CA is in it", "--confdir"),
    ):
        existing = _existing(folder)
        try:
            tempfile.TemporaryFile(dir=existing).close()
        except OSError as error:
            yield Result(
                "folders",
                "problem",
                f"cannot write to {folder}: {error.strerror or error}",
                purpose,
                f"make it writable for this user, or use {option} DIR",
            )
    yield _space(setup.out)


def _space(out: Path) -> Result:
    free = shutil.disk_usage(_existing(out)).free
    text = f"{free / 1e9:.1f} GB are free in {out.absolute()}"
    if free >= _LITTLE:
        return Result("folders", "ok", text)
    return Result(
        "folders",
        "problem" if free < _VERY_LITTLE else "warning",
        text,
        "when the disk is full, sessions continue, but are not recorded",
        "free some space, use --out DIR, or remove old traces with --max-folder SIZE",
    )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above that exists."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())
