"""Advisory locks: a file that is being written is held, for as long as its writer lives.

The kernel gives a lock up when the process ends, however it ends: a lock tells what no time
of last change can, whether a trace without an end record is still being written.
"""

from __future__ import annotations

import os

from wsproxy.system.regular_file import open_regular


def hold(fd: int) -> bool:
    """Hold a file until it is closed.

    Returns:
        False if somebody else holds it. True also where the platform or the file system
        has no locks: then nobody can tell.
    """
    return _lock(fd, exclusive=True)


def is_held(path: str | os.PathLike[str]) -> bool:
    """Whether somebody writes a file at the moment, as far as that can be told.

    Raises:
        OSError: the file cannot be opened, or is no regular file.
    """
    with open_regular(path) as file:
        return not _lock(file.fileno(), exclusive=False)


def _lock(fd: int, *, exclusive: bool) -> bool:
    try:
        import fcntl  # noqa: PLC0415  # not on every platform
    except ImportError:
        return True
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # some network file systems have none
    return True
