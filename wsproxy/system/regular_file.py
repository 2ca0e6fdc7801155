"""Opens regular files only: the name may come from an untrusted source.

Opening a FIFO blocks, a device may have no end, and opening some devices has side effects. A
link to a regular file is a regular file.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MAX_TEXT = 1 << 20  # bytes of a text file, such as a catalog file

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# In case a FIFO replaces the file between the two checks. Windows has no such flag.
_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)


def open_regular(path: str | os.PathLike[str], buffering: int = -1) -> BinaryIO:
    """Open a regular file for reading, in binary.

    Args:
        buffering: bytes, as for `open`; not 0.

    Raises:
        OSError: it cannot be opened, or is no regular file; `strerror` has its kind.
    """
    _check(path, Path(path).stat())  # before it is opened: opening some devices has side effects
    file: BinaryIO = open(  # noqa: SIM115  # the caller closes it
        path, "rb", buffering, opener=lambda name, flags: os.open(name, flags | _NONBLOCK)
    )
    try:
        _check(path, os.fstat(file.fileno()))
    except OSError:
        file.close()
        raise
    return file


def read_text(path: Path, limit: int = MAX_TEXT) -> str:
    """The text of a regular file in UTF-8.

    Args:
        limit: bytes that it may have at most.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger.
        UnicodeDecodeError: it is not UTF-8.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit:,} bytes", os.fspath(path))
    # As open() in text mode does: any of the three line ends.
    return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def _check(path: str | os.PathLike[str], info: os.stat_result) -> None:
    if not stat.S_ISREG(info.st_mode):
        what = next((name for test, name in _KINDS if test(info.st_mode)), "something else")
        raise OSError(errno.EINVAL, f"{what}, not a regular file", os.fspath(path))


def reason(error: Exception) -> str:
    """Why a file cannot be read, without its name, which an OSError repeats."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
