"""A thread that packs the traces of ended sessions into full blocks.

It has time, and the sessions have none: it sleeps as long as it works, and zstd and the
disk do their part without the interpreter's lock.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path

from wsproxy.trace.atomic_file import sweep
from wsproxy.trace.rewrite import compact

from . import Deadline
from .thread_log import ThreadLog

logger = ThreadLog(__name__)

WAITING = 1000  # traces that may wait; over that, the oldest of them stay as they are
_REST = 0.1  # seconds slept at once, at the most
# Seconds between two traces: while one is brought to the disk, a file system may let nobody
# else write.
PAUSE = 0.25
PATIENCE = 5.0  # seconds that are left to those that wait when the recorder stops


class _OutOfTime(Exception):
    """The recorder stops, and does not wait any longer."""


class Compactor:
    """Owns the thread and the traces that wait for it.

    Args:
        folder: where crashes may have left hidden files; they are removed first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: deque[Path] = deque(maxlen=WAITING)
        self._wake = threading.Event()
        self._deadline: float | None = None  # monotonic, s; set when the recorder stops
        self._stopping = threading.Event()
        self._worked_since = 0.0
        self._thread = threading.Thread(target=self._run, name="wsproxy-compactor", daemon=True)
        self._thread.start()

    def add(self, path: Path) -> None:
        """A trace is finished, and will be packed."""
        self._waiting.append(path)
        self._wake.set()

    def stop(self) -> None:
        """Have the thread end, once it has packed what waits, or PATIENCE is over."""
        self._deadline = time.monotonic() + PATIENCE
        self._stopping.set()
        self._wake.set()

    def close(self, deadline: Deadline | None = None) -> None:
        """Pack what waits, for PATIENCE at the most, and end the thread."""
        self.stop()
        # A disk that hangs leaves a hidden file, no more.
        (deadline or Deadline()).join(self._thread, lambda: len(self._waiting))

    def _run(self) -> None:
        sweep(self._folder)
        while True:
            self._wake.wait()
            self._wake.clear()
            stopping = self._stopping.is_set()  # what was added before is packed below
            try:
                while self._waiting:
                    self._compact(self._waiting.popleft())
                    self._stopping.wait(PAUSE)
            except _OutOfTime:
                return
            if stopping:
                return

    def _compact(self, path: Path) -> None:
        self._worked_since = time.monotonic()
        try:
            compact(path, self._pace)
        except FileNotFoundError:
            return  # somebody has moved it
        except OSError as error:
            logger.warning("wsproxy: %s is not packed: %s", path, error.strerror or error)
        except _OutOfTime:
            raise
        except Exception:
            # A fault of ours costs some disk space, and nothing else.
            logger.exception("wsproxy: packing %s failed", path)

    def _pace(self) -> None:
        now = time.monotonic()
        if self._deadline is None:
            time.sleep(min(now - self._worked_since, _REST))
        elif now > self._deadline:
            raise _OutOfTime
        self._worked_since = time.monotonic()
