"""A thread that repacks the traces of ended sessions into full blocks.

It runs at low priority: it sleeps as long as it works, and zstd and the disk work without the
interpreter's lock.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path

from wsproxy.trace.atomic_file import sweep
from wsproxy.trace.compaction import compact

from .shutdown_deadline import Deadline
from .thread_log import ThreadLog

logger = ThreadLog(__name__)

# Bytes of a trace that is left as it is: it takes as much of the disk if it is packed again. An
# app that connects again and again leaves many of these.
SMALL = 4 << 10
MAX_QUEUED = 1000  # traces; when more are queued, the oldest of them are not repacked
_MAX_REST = 0.1  # seconds slept at once, at most
# Seconds between two traces: while one is synced, some file systems block all other writes.
PAUSE = 0.25
STOP_TIMEOUT = 5.0  # seconds for the queued traces when the recorder stops


class _OutOfTime(Exception):
    """The recorder is stopping, and STOP_TIMEOUT has passed."""


class Compactor:
    """Owns the thread and the queue of traces.

    Args:
        folder: where crashes may have left hidden files; they are removed first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._queue: deque[Path] = deque(maxlen=MAX_QUEUED)
        self._wake = threading.Event()
        self._deadline: float | None = None  # monotonic, seconds; set when the recorder stops
        self._stopping = threading.Event()
        self._worked_since = 0.0
        self._thread = threading.Thread(target=self._run, name="wsproxy-compactor", daemon=True)
        self._thread.start()

    def add(self, path: Path) -> None:
        """Queue a finished trace."""
        self._queue.append(path)
        self._wake.set()

    def stop(self) -> None:
        """Let the thread end when the queue is empty, or after STOP_TIMEOUT."""
        self._deadline = time.monotonic() + STOP_TIMEOUT
        self._stopping.set()
        self._wake.set()

    def close(self, deadline: Deadline | None = None) -> None:
        """Repack what is queued, for STOP_TIMEOUT at most, and end the thread."""
        self.stop()
        # A disk that hangs leaves a hidden file, nothing else.
        (deadline or Deadline()).join(self._thread, lambda: len(self._queue))

    def _run(self) -> None:
        sweep(self._folder)
        while True:
            self._wake.wait()
            self._wake.clear()
            stopping = self._stopping.is_set()  # what was added before is repacked below
            try:
                while self._queue:
                    path = self._queue.popleft()
                    if not _is_small(path):
                        self._compact(path)
                        self._stopping.wait(PAUSE)
            except _OutOfTime:
                return
            if stopping:
                return

    def _compact(self, path: Path) -> None:
        self._worked_since = time.monotonic()
        try:
            compact(path, self._rest)
        except FileNotFoundError:
            return  # it was moved or removed
        except OSError as error:
            logger.warning("wsproxy: cannot repack %s: %s", path, error.strerror or error)
        except _OutOfTime:
            raise
        except Exception:
            # A bug here costs some disk space and nothing else.
            logger.exception("wsproxy: repacking %s failed", path)

    def _rest(self) -> None:
        now = time.monotonic()
        if self._deadline is None:
            time.sleep(min(now - self._worked_since, _MAX_REST))
        elif now > self._deadline:
            raise _OutOfTime
        self._worked_since = time.monotonic()


def _is_small(path: Path) -> bool:
    """Whether packing a trace again would free nothing, or there is no trace any more."""
    try:
        return path.stat().st_size <= SMALL
    except OSError:
        return True
