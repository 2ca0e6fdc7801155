"""A common deadline for threads that a disk may block forever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

STALL = 5.0  # seconds without progress after which a disk is considered hung
TOTAL = 60.0  # seconds for all threads, whatever their progress
# The limits after `hurry`. They are not 0: `timeout`, `npm` and similar tools forward one Ctrl-C
# as two signals, and a disk that works should not lose data because of that.
HURRIED_STALL = 0.5
HURRIED_TOTAL = 5.0
_POLL = 0.02  # seconds


class Deadline:
    """Waits for threads to end, all of them within one deadline.

    Args:
        stall: seconds that a thread may make no progress.
        total: seconds for all of them, from the first wait on.
    """

    def __init__(self, stall: float | None = None, total: float | None = None) -> None:
        self._stall = STALL if stall is None else stall
        self._total = TOTAL if total is None else total
        self._deadline: float | None = None  # monotonic, seconds
        self._hurried = threading.Event()

    def hurry(self) -> None:
        """Reduce the limits to HURRIED_STALL and HURRIED_TOTAL; called on any thread."""
        self._hurried.set()

    @property
    def is_hurried(self) -> bool:
        """Whether the limits are reduced."""
        return self._hurried.is_set()

    def join(self, thread: threading.Thread, progress: Callable[[], object]) -> bool:
        """Wait for a thread to end.

        Args:
            progress: returns a different value whenever the thread has made progress.

        Returns:
            Whether it has ended.
        """
        now = time.monotonic()
        self._deadline = self._deadline or now + self._total
        seen, since = progress(), now
        stall = self._stall
        while thread.is_alive():
            if self._hurried.is_set() and stall > HURRIED_STALL:
                stall = HURRIED_STALL
                self._deadline = min(self._deadline, now + HURRIED_TOTAL)
            thread.join(_POLL)
            now = time.monotonic()
            if (current := progress()) != seen:
                seen, since = current, now
            elif now - since > stall:
                break
            if now > self._deadline:
                break
        return not thread.is_alive()
