"""The limit of open files: each session takes three, two connections and a trace."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)

QUIET = 60.0  # seconds in which it is logged once that no connection can be accepted
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


def explanation() -> str:
    """What running out of descriptors is, and what to do."""
    return (
        f"the recorder can open no more files and connections than {_limit()}; raise its limit "
        "with ulimit -n"
    )


def _limit() -> str:
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return "it has"
    return str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def log_exhaustion(loop: asyncio.AbstractEventLoop) -> None:
    """Say when connections cannot be accepted: asyncio tells the loop's handler alone."""
    before = loop.get_exception_handler()
    logged_at = float("-inf")  # monotonic, seconds

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal logged_at
        now = time.monotonic()
        if not is_exhaustion(context.get("exception")):
            (before or type(loop).default_exception_handler)(loop, context)
        elif now - logged_at > QUIET:
            logged_at = now
            logger.error("wsproxy: %s", explanation())

    loop.set_exception_handler(handle)


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
