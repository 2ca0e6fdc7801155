"""Judge sessions in a process with low priority, apart from the workers."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from wsproxy.catalog import load
from wsproxy.catalog.loader import using
from wsproxy.compare import Tolerances
from wsproxy.errors import WsproxyError
from wsproxy.replayer import ReplayResult, Verdict, judge_result
from wsproxy.system.parent_process import end_with_parent

from .stats import SessionResult

KEEP_CHOICES = ("failed", "all", "none")
_NICENESS = 10
_of_process = contextlib.ExitStack()


def initialize_process(catalog: tuple[Path, ...]) -> None:
    """Initialize this process as a judge.

    Args:
        catalog: files that the catalog holds besides the user's other ones.
    """
    _of_process.enter_context(using(catalog))  # until it ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator stops it
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    end_with_parent()


def warm_up() -> None:
    """Load the catalog before the first session waits for it."""
    load()


def judge(session: int, result: ReplayResult, rules: Tolerances, keep: str) -> SessionResult:
    """Judge a session, and remove its trace unless it is to be kept.

    Args:
        session: its number.
        keep: which traces to keep: one of KEEP_CHOICES.
    """
    try:
        verdict = judge_result(result, rules)
    except WsproxyError as error:
        return SessionResult(session, trace=result.replayed, error=f"not judged: {error}")
    kept = keep_or_remove(verdict, keep)
    return SessionResult.of(session, verdict, kept=kept)


def keep_or_remove(verdict: Verdict, keep: str) -> bool:
    """Remove the trace of a judged session unless it is to be kept; returns whether it is.

    Args:
        keep: which traces to keep: one of KEEP_CHOICES.
    """
    if keep == "all" or (keep == "failed" and not verdict.reproduced):
        return True
    if verdict.trace is not None:
        with contextlib.suppress(OSError):
            verdict.trace.unlink()
    return False
