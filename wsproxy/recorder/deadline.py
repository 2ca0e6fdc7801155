"""A deadline for threads that a disk may hold up for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

STALL = 5.0  # seconds without progress after which a disk is taken to hang
TOTAL = 60.0  # seconds for all threads, whatever their progress
# The same once somebody does not want to wait. Not 0: `timeout`, `npm` and the like pass Ctrl-C
# on as two, and a disk that works is to lose nothing by that.
HURRIED_STALL = 0.5
HURRIED_TOTAL = 5.0
_POLL = 0.02  # seconds


class Deadline:
    """Waits for threads to end, all of them within one deadline.

    Args:
        stall: seconds that a thread may make no progress.
        total: seconds that all of them may take, from the first wait on.
    """

    def __init__(self, stall: float | None = None, total: float | None = None) -> None:
        self._stall = STALL if stall is None else stall
        self._total = TOTAL if total is None else total
        self._deadline: float | None = None  # monotonic, seconds
        self._hurried = threading.Event()

    def hurry(self) -> None:
        """Wait for a disk that works only, and not for long; called on any thread."""
        self._hurried.set()

    def join(self, thread: threading.Thread, progress: Callable[[], object]) -> bool:
        """Wait for a thread to end.

        Args:
            progress: returns something else whenever the thread has got further.

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
