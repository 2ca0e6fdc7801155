"""Judges sessions in a process of its own, which leaves the processors to those that play."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from pathlib import Path

from wsproxy.catalog import load
from wsproxy.catalog.loader import using
from wsproxy.compare import Rules
from wsproxy.errors import WsproxyError
from wsproxy.replay import Played, judge_played

from .tally import Result

KEEP = ("failed", "all", "none")
_NICENESS = 10
_of_process = contextlib.ExitStack()


def prepare(catalog: tuple[Path, ...]) -> None:
    """Make this process one that judges.

    Args:
        catalog: files that the catalog holds besides the user's other ones.
    """
    _of_process.enter_context(using(catalog))  # until it ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it stops it
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool of the standard library waits for work for ever when its owner is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def ready() -> None:
    """Load what is needed, before the first session waits for it."""
    load()


def judge(session: int, played: Played, rules: Rules, keep: str) -> Result:
    """The verdict of a session; its trace is removed if it is not to be kept.

    Args:
        session: its number.
        keep: which traces stay: one of KEEP.
    """
    try:
        verdict = judge_played(played, rules)
    except WsproxyError as error:
        return Result(session, trace=played.replayed, error=f"not judged: {error}")
    kept = keep == "all" or (keep == "failed" and not verdict.reproduced)
    if not kept:
        with contextlib.suppress(OSError):
            played.replayed.unlink()
    return Result.of(session, verdict, kept=kept)
