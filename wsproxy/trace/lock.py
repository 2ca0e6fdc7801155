"""Advisory locks: the writer of a file holds a lock for as long as its process lives.

The kernel releases a lock when the process ends, however it ends. So a lock shows whether a
trace without an end record is still being written, which the time of last change does not.
"""

from __future__ import annotations

import os

from wsproxy.system.regular_file import open_regular


def hold(fd: int) -> bool:
    """Hold a file until it is closed.

    Returns:
        False if another process holds it. True also if the platform or the file system
        has no locks.
    """
    return _lock(fd, exclusive=True) is not False


def is_held(path: str | os.PathLike[str]) -> bool:
    """Whether a process holds a file. False if the platform or the file system has no locks.

    Raises:
        OSError: the file cannot be opened, or is no regular file.
    """
    with open_regular(path) as file:
        return _lock(file.fileno(), exclusive=False) is False


def is_held_by_another(fd: int) -> bool | None:
    """Whether an open file is held through another opening of it; None if that is unknown."""
    got = _lock(fd, exclusive=False)
    if got:
        _unlock(fd)
    return None if got is None else not got


def _lock(fd: int, *, exclusive: bool) -> bool | None:
    """Whether the lock was free; None where there are no locks."""
    try:
        import fcntl  # noqa: PLC0415  # not on every platform
    except ImportError:
        return None
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None  # some network file systems have none
    return True


def _unlock(fd: int) -> None:
    import fcntl  # noqa: PLC0415  # only where a lock was taken

    fcntl.flock(fd, fcntl.LOCK_UN)
