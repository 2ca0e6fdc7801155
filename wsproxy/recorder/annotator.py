"""A thread that explains ended sessions before their traces are completed.

Reading a long session again takes seconds. The thread that writes the other sessions does not
wait for that, and this thread sleeps as long as it works.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from wsproxy.session import Session
from wsproxy.trace import FindingRecord

from .thread_log import ThreadLog

logger = ThreadLog(__name__)

_MAX_REST = 0.05  # seconds slept at once, at most
_WORK = 0.001  # seconds of work after which the thread sleeps


_Key = TypeVar("_Key")


class OutOfTime(Exception):
    """The recorder is stopping, and does not wait for this any longer."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a trace says of its session in its last records.

    Attributes:
        findings: most important first.
        outcome: "succeeded", "failed" or "unproven"; None if the session was not read for it.
    """

    findings: Sequence[FindingRecord] = ()
    outcome: str | None = None


# Explains a session that has ended. The path is of its trace, in which only the last records are
# missing; None if that cannot be read in time. The callable is called again and again during it.
Annotate = Callable[[Session, Path | None, Callable[[], None]], Annotation]


class Annotator(Generic[_Key]):
    """Owns the thread and the queue of ended sessions.

    Args:
        annotate: explains a session.
        on_done: called on the thread, with the key of `add` and the annotation.
    """

    def __init__(self, annotate: Annotate, on_done: Callable[[_Key, Annotation], None]) -> None:
        self._annotate = annotate
        self._on_done = on_done
        self._queue: deque[tuple[_Key, Session, Path | None]] = deque()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._deadline: float | None = None  # monotonic, seconds; set when the recorder stops
        self._worked_since = 0.0
        self._thread = threading.Thread(target=self._run, name="wsproxy-annotator", daemon=True)
        self._thread.start()

    def add(self, key: _Key, session: Session, path: Path | None) -> None:
        """Queue a session that has ended, and whose records are in its trace.

        Args:
            key: what `on_done` is called with.
            path: of the trace; None if it cannot be read.
        """
        self._queue.append((key, session, path))
        self._wake.set()

    def stop(self) -> None:
        """Let the thread end when the queue is empty."""
        self._stopping.set()
        self._wake.set()

    def hurry(self, seconds: float) -> None:
        """Read traces for this long at most, from now on; then use what is in memory."""
        self._deadline = time.monotonic() + seconds

    def _run(self) -> None:
        stopping = False
        while not stopping:
            self._wake.wait()
            self._wake.clear()
            stopping = self._stopping.is_set()  # what was added before is done below
            while self._queue:
                key, session, path = self._queue.popleft()
                self._on_done(key, self._annotation(session, path))

    def _annotation(self, session: Session, path: Path | None) -> Annotation:
        """Explain a session. A bug in a rule must not cost the trace its end record."""
        self._worked_since = time.monotonic()
        try:
            return self._annotate(session, path, self._rest)
        except OutOfTime:
            return self._annotation(session, None)
        except Exception:
            logger.exception("wsproxy: cannot diagnose session %s", session.id)
            return Annotation()

    def _rest(self) -> None:
        now = time.monotonic()
        if self._deadline is not None:
            if now > self._deadline:
                raise OutOfTime
        elif now - self._worked_since > _WORK:
            time.sleep(min(now - self._worked_since, _MAX_REST))
            self._worked_since = time.monotonic()
