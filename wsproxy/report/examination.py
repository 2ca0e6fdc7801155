"""Examines many traces: what `explain` finds in each, in short.

Many traces are examined in several processes, one for each processor.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wsproxy.catalog import Catalog, load
from wsproxy.catalog.loader import given_files, using
from wsproxy.diagnose import Finding, diagnose, summary
from wsproxy.diagnose.session_groups import SessionSpan
from wsproxy.errors import TraceError, WsproxyError
from wsproxy.session import Session
from wsproxy.session.latency import Turn
from wsproxy.session.requested_model import requested_model
from wsproxy.statistics import percentile
from wsproxy.system.parent_process import end_with_parent
from wsproxy.trace.read_limits import Allowance

from . import json_schema
from .explanation import clean, retry_after, state
from .request_ids import key_fingerprint

# Fewer traces are examined in this process: starting others takes a third of a second.
FEW = 100
MAX_PROCESSES = 8
_AT_ONCE = 16  # traces that a process is given together

_of_process = contextlib.ExitStack()


@dataclass(frozen=True, slots=True)
class ExaminedSession:
    """A session among many.

    Attributes:
        began_ns: Unix time, ns; 0 if unknown.
        state: as of an `Explanation`.
        outcome: "succeeded", "failed" or "unproven".
        first: its first finding that is a problem, safe to print; None if there is none.
        has_notice: whether something in it is lawful, and worth knowing.
        model, key: that it requests, and the fingerprint of its credential.
        span: for findings that only several sessions show.
        duration_s: seconds of it.
        latency: its latencies by name, seconds; those of turns and utterances are medians.
        unread: why the rest of the trace was not read, a sentence; else "".
        json: its line of `explain --json`, if that was asked for.
    """

    path: Path
    began_ns: int
    state: str
    outcome: str | None
    first: Finding | None
    has_notice: bool
    model: str | None
    key: str | None
    span: SessionSpan | None
    duration_s: float
    latency: Mapping[str, float]
    unread: str
    json: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class UnreadableTrace:
    """A trace that cannot be read, and the message that says why."""

    path: Path
    message: str


def examine(
    path: Path, catalog: Catalog, allowance: Allowance, *, as_json: bool = False
) -> ExaminedSession | UnreadableTrace:
    """Read and diagnose one of many traces.

    Args:
        allowance: one for all: a folder may hold thousands of traces.
        as_json: whether to return its line of `explain --json` as well.
    """
    try:
        session = Session.read(path, allowance, catalog)
    except TraceError as error:
        return UnreadableTrace(path, str(error))
    findings = diagnose(session, catalog)
    explained = json_explanation(path, session, findings, catalog) if as_json else None
    found = examined(path, session, findings, explained)
    session.release()
    return found


def examined(
    path: Path,
    session: Session,
    findings: Sequence[Finding],
    explained: dict[str, Any] | None = None,
) -> ExaminedSession:
    """A session in short, without a reference to it.

    Args:
        findings: `diagnose` of it.
        explained: its line of `explain --json`, if that is wanted.
    """
    first = next((each for each in findings if each.is_problem), None)
    return ExaminedSession(
        path,
        session.start.started_at_ns if session.start else 0,
        state(session, findings),
        session.outcome.kind if session.outcome is not None else None,
        clean(first) if first is not None else None,
        any(each.severity == "notice" for each in findings),
        requested_model(session),
        key_fingerprint(session),
        SessionSpan.of(session),
        session.duration_ns / 1e9,
        _latency(session),
        session.unread,
        explained,
    )


def _latency(session: Session) -> dict[str, float]:
    """The latencies of a session that was read with its messages."""
    if session.timeline is None:
        return {}
    latency = session.timeline.latency
    found = {
        "first_interim": latency.first_interim,
        "first_final": latency.first_final,
        "largest_lag": latency.lag_max,
        "finalization": latency.finalization,
        "utterance": _median(latency.utterances),
        "turn": _median(latency.turns),
    }
    return {name: round(value, 3) for name, value in found.items() if value is not None}


def _median(turns: Sequence[Turn]) -> float | None:
    return percentile((turn.seconds for turn in turns), 0.5) if turns else None


def json_explanation(
    path: Path, session: Session, findings: Sequence[Finding], catalog: Catalog
) -> dict[str, Any]:
    """The line of `explain --json` of a session."""
    sentence = summary(session, catalog)
    return json_schema.explanation(path, session, findings, sentence, retry_after(session))


def examine_all(
    paths: Sequence[Path], *, as_json: bool = False
) -> Iterator[ExaminedSession | UnreadableTrace]:
    """Examine traces, in their order.

    Args:
        as_json: as for `examine`.

    Raises:
        WsproxyError: a process was killed.
    """
    processes = min(os.cpu_count() or 1, MAX_PROCESSES)
    if len(paths) < FEW or processes == 1:
        catalog, allowance = load(), Allowance()
        for path in paths:
            yield examine(path, catalog, allowance, as_json=as_json)
        return
    with ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), _initialize, (given_files(),)
    ) as pool:
        try:
            one = partial(_examine_in_process, as_json=as_json)
            yield from pool.map(one, paths, chunksize=_AT_ONCE)
        except BrokenProcessPool:
            text = "a process that examined traces was killed; name fewer traces at once"
            raise WsproxyError(text) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _initialize(catalog: tuple[Path, ...]) -> None:
    _of_process.enter_context(using(catalog))  # until it ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process stops it
    end_with_parent()


_allowance = Allowance()


def _examine_in_process(path: Path, *, as_json: bool) -> ExaminedSession | UnreadableTrace:
    return examine(path, load(), _allowance, as_json=as_json)
