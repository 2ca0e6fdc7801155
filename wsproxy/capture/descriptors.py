"""The limit of open files: each session takes three, two connections and a trace."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

# For systems whose limit is "unlimited" and which refuse that all the same (macOS).
_HIGH = (65536, 10240)

_at_start: tuple[int, int] | None = None


def raise_limit() -> None:
    """Raise the soft limit of this process to what it may be."""
    global _at_start  # noqa: PLW0603  # of the process, as the limit is
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, *_HIGH):
        if soft == resource.RLIM_INFINITY or (soft >= wanted != resource.RLIM_INFINITY):
            return
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            continue
        _at_start = _at_start or (soft, hard)
        return


def as_at_start() -> Callable[[], None] | None:
    """What gives a child process the limit that this one was started with; None: it has it."""
    if _at_start is None:
        return None
    import resource  # noqa: PLC0415  # not on Windows

    limit, set_limit, which = _at_start, resource.setrlimit, resource.RLIMIT_NOFILE
    return lambda: set_limit(which, limit)


def limit() -> int:
    """How many files this process may have open."""
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return 0
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def are_exhausted() -> bool:
    """Whether this process can open no file now."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return is_exhaustion(error)
    return False


def is_exhaustion(error: object) -> bool:
    """Whether an error is that of too many open files, of the process or of the system."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)
