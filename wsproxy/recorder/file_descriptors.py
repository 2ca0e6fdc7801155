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

LOG_INTERVAL = 60.0  # seconds in which it is logged once that no connection can be accepted
# For systems whose limit is "unlimited" but which refuse that value (macOS).
_HIGH = (65536, 10240)

_initial_limit: tuple[int, int] | None = None


def raise_limit() -> None:
    """Raise the soft limit of this process to the hard limit, or as far as possible."""
    global _initial_limit  # noqa: PLW0603  # the limit belongs to the process, too
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
        _initial_limit = _initial_limit or (soft, hard)
        return


def initial_limit() -> tuple[int, int] | None:
    """The soft and hard limit from before `raise_limit`; None if the limit was not raised."""
    return _initial_limit


def restore_initial_limit() -> Callable[[], None] | None:
    """A function for a child process that restores the limit from before `raise_limit`.

    Returns:
        None if the limit was not raised.
    """
    if _initial_limit is None:
        return None
    import resource  # noqa: PLC0415  # not on Windows

    limit, set_limit, which = _initial_limit, resource.setrlimit, resource.RLIMIT_NOFILE
    return lambda: set_limit(which, limit)


def explanation() -> str:
    """The error message for a process without free descriptors, with the remedy."""
    return (
        f"the recorder has reached its limit of open files and connections: {_limit()}; raise it "
        "with ulimit -n"
    )


def _limit() -> str:
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return "unknown"
    return str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def log_exhaustion(loop: asyncio.AbstractEventLoop) -> None:
    """Log when connections cannot be accepted: asyncio reports it to the loop's handler only."""
    before = loop.get_exception_handler()
    logged_at = float("-inf")  # monotonic, seconds

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal logged_at
        now = time.monotonic()
        if not is_exhaustion(context.get("exception")):
            (before or type(loop).default_exception_handler)(loop, context)
        elif now - logged_at > LOG_INTERVAL:
            logged_at = now
            logger.error("wsproxy: %s", explanation())

    loop.set_exception_handler(handle)


def are_exhausted() -> bool:
    """Whether this process cannot open a file now."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return is_exhaustion(error)
    return False


def is_exhaustion(error: object) -> bool:
    """Whether an error means too many open files, of the process or of the system."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)
