"""Packs files of unknown origin into a ZIP file."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from wsproxy.system.regular_file import open_regular


def zip_files(paths: Iterable[Path], out: Path) -> None:
    """Write a ZIP file with regular files, uncompressed.

    Raises:
        OSError: one of them cannot be read, or is no regular file.
    """
    with zipfile.ZipFile(out, "w") as archive:
        for path in paths:
            name = path.name.encode(errors="replace").decode()  # it may not be UTF-8
            with open_regular(path) as source, archive.open(name, "w", force_zip64=True) as packed:
                shutil.copyfileobj(source, packed)
