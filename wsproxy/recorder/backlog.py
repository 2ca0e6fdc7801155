"""The queue between the event loop and the recorder's thread, and its flow control.

The queue is bounded in bytes. When the thread falls behind, socket reads are paused: first for
the sessions that fill the queue, so that a flood does not delay the others, and for all
sessions when the queue is nearly full. Reads are paused for a bounded time, which is shorter if
the thread makes no progress. If the thread stays behind, traffic continues: data is counted
instead of stored, and the traces get gap records.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Generic, Protocol, TypeVar

from wsproxy.trace import Record, Start
from wsproxy.wire import Opcode

from .disk_fault_log import DiskFaults

WAKE_SIZE = 1 << 20  # queued bytes that wake the thread
HIGH_WATER = 4 << 20  # queued bytes above which the thread is behind
MAX_LAG = 0.2  # seconds that data has waited above which the thread is behind
SESSION_SHARE = 128 << 10  # queued bytes of one session above which it may be held
HOLD_ALL_SIZE = 32 << 20  # queued bytes above which all sessions are held
DROP_SIZE = 64 << 20  # queued bytes above which data is counted and not stored
MIN_PROGRESS = 1 << 20  # bytes that the thread consumes in HOLD_TIMEOUT if it makes progress
HOLD_TIMEOUT = 2.0  # seconds that reads are paused for a thread that makes no progress
MAX_HOLD_PERIODS = 5  # periods of HOLD_TIMEOUT for a thread that makes progress
ITEM_OVERHEAD = 200  # bytes that a queued item takes besides its data

# Bytes of a direction, a message of the stock layer, a record, or None: the session has ended.
Content = bytes | tuple[Opcode, bytes] | Record | None


class QueuedSession(Protocol):
    """A session, as far as the queue needs it.

    Attributes:
        consumed: bytes of its data that the thread has consumed.
        queued: bytes of its data that are queued.
    """

    consumed: int

    @property
    def queued(self) -> int: ...

    def now(self) -> int:
        """Nanoseconds since the session's start."""

    def hold(self) -> None:
        """Pause reads of both directions."""

    def release(self) -> None:
        """Resume reads."""


_Session = TypeVar("_Session", bound=QueuedSession)


class Backlog(Generic[_Session]):
    """Items that the event loop has queued and the thread has not consumed.

    Args:
        loop: the event loop that sessions live on.
        faults: notified when sessions are no longer held, and when the thread has caught up.

    Attributes:
        items: (session, time in ns, direction, content); the thread pops them from the left.
        attached: sessions that can be held.
        overrun: HOLD_TIMEOUT has passed; no session is held until the thread has caught up.
        wake: set when the thread should check the queue.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, faults: DiskFaults) -> None:
        self.items: deque[tuple[_Session, int, bool | None, Content]] = deque()
        self.attached: set[_Session] = set()
        self.overrun = False
        self.wake = threading.Event()
        self._loop = loop
        self._faults = faults
        self._queued = 0  # total bytes queued: written by the event loop only
        self._consumed = 0  # total bytes consumed: written by the thread only
        self._held: set[_Session] = set()
        self._hold_timer: asyncio.TimerHandle | None = None  # while the thread is behind

    @property
    def size(self) -> int:
        """Bytes queued and not yet consumed."""
        return self._queued - self._consumed

    @property
    def queued_starts(self) -> int:
        """Number of sessions whose first record is queued and not yet consumed."""
        return sum(isinstance(content, Start) for *_, content in list(self.items))

    @property
    def lag(self) -> float:
        """Seconds that the oldest queued data has waited."""
        try:
            session, t_ns, *_ = self.items[0]
        except IndexError:
            return 0.0
        return (session.now() - t_ns) / 1e9 if t_ns else 0.0

    def _is_behind(self, fraction: float) -> bool:
        """Whether the thread is behind, measured by a fraction of the limits."""
        return self.size > HIGH_WATER * fraction or self.lag > MAX_LAG * fraction

    # -- on the event loop

    def put(
        self,
        item: tuple[_Session, int, bool | None, Content],
        size: int,
        *,
        urgent: bool = False,
    ) -> None:
        """Queue an item.

        Args:
            size: bytes of its data.
            urgent: wake the thread at once.
        """
        self._queued += size + ITEM_OVERHEAD
        self.items.append(item)
        if urgent or self._queued - self._consumed > WAKE_SIZE:
            self.wake.set()

    def has_room(self, session: _Session) -> bool:
        """Whether a session may continue reading; if not, it is released when there is room."""
        if self.overrun or not self._is_behind(1.0):
            return True
        if self._hold_timer is None:
            self._start_hold_timer(MAX_HOLD_PERIODS)
        if self.size > HOLD_ALL_SIZE:
            for each in self.attached - self._held:
                each.hold()
            self._held |= self.attached
        self._held.add(session)
        self.wake.set()
        return False

    def forget(self, session: _Session) -> None:
        """The session has ended: do not hold it any longer."""
        self.attached.discard(session)
        self._held.discard(session)

    def _start_hold_timer(self, periods: int) -> None:
        self._hold_timer = self._loop.call_later(
            HOLD_TIMEOUT, self._on_hold_timeout, periods, self._consumed
        )

    def _on_hold_timeout(self, periods: int, consumed_before: int) -> None:
        if periods > 1 and self._consumed - consumed_before > MIN_PROGRESS:
            self._start_hold_timer(periods - 1)
        else:
            self.overrun = self._is_behind(1.0)
            if self.overrun:
                self._faults.report_behind()
            self._end_hold()

    def _end_hold(self) -> None:
        """Release all sessions: the thread has caught up, or the timeout has passed."""
        if self._hold_timer is not None:
            self._hold_timer.cancel()
            self._hold_timer = None
        self._release(self._held)

    def _release(self, sessions: set[_Session]) -> None:
        self._held = self._held - sessions
        for session in sessions:
            session.release()

    # -- on the thread

    def mark_consumed(self, session: _Session, size: int) -> None:
        """Count an item that the thread has consumed.

        Args:
            size: bytes of its data.
        """
        self._consumed += size + ITEM_OVERHEAD
        session.consumed += size

    def resume_held(self) -> None:
        """Release held sessions if there is room for them."""
        if self._hold_timer is None and not self.overrun:
            return
        if not self._is_behind(0.5):
            self.overrun = False
            self._faults.report_caught_up()
            self._loop.call_soon_threadsafe(self._end_hold)
        elif self.size < HOLD_ALL_SIZE - MIN_PROGRESS:
            free = {each for each in list(self._held) if each.queued < SESSION_SHARE // 2}
            if free:
                self._loop.call_soon_threadsafe(self._release, free)
