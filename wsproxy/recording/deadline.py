"""A deadline for threads that a disk may hold up for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

STALL = 5.0  # seconds without progress after which a disk is taken to hang
TOTAL = 60.0  # seconds for all threads, whatever their progress
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
        self._over = threading.Event()

    def expire(self) -> None:
        """Wait for nothing any longer; called on any thread."""
        self._over.set()

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
        while thread.is_alive() and not self._over.is_set():
            thread.join(_POLL)
            now = time.monotonic()
            if (current := progress()) != seen:
                seen, since = current, now
            elif now - since > self._stall:
                break
            if now > self._deadline:
                break
        return not thread.is_alive()
