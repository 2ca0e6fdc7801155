"""The queue between the event loop and the recorder's thread, and who is held for it.

It is bounded in bytes. When the thread gets behind, reading is held: of those who fill the
queue, so that a flood does not delay the other sessions, and of all when it is about to be
full. That is for a bounded time, and a shorter one if the thread does not move at all. When
it stays behind even so, bytes are counted instead of kept, and the traces say so.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING

from wsproxy.trace import Record, Start
from wsproxy.wire import Opcode

from .disk_faults import DiskFaults

if TYPE_CHECKING:
    from .live_session import LiveSession

MUCH = 1 << 20  # queued bytes that wake the thread
HIGH = 4 << 20  # queued bytes over which the thread is behind
LAG = 0.2  # seconds that data has waited for the thread when that is behind
SHARE = 128 << 10  # queued bytes of one session over which it is held while the thread is
BRIM = 32 << 20  # queued bytes over which all sessions are held
HARD = 64 << 20  # queued bytes over which data is counted and not kept
STEP = 1 << 20  # bytes that the thread gets through while patience lasts, if it moves at all
PATIENCE = 2.0  # seconds that reading is held for a thread that does not move
TURNS = 5  # times that patience is renewed for one that does, and does not catch up
OVERHEAD = 200  # bytes that a queued item costs besides its data

# Bytes of a direction, a message of the stock layer, a record, or None: the end.
Content = bytes | tuple[Opcode, bytes] | Record | None
Item = tuple["LiveSession", int, bool | None, Content]


class Backlog:
    """What the event loop has queued and the thread has not taken yet.

    Args:
        loop: the event loop that sessions live on.
        faults: told when the thread is given up, and when it has caught up.

    Attributes:
        items: session, time in ns, direction, content; the thread takes them from the left.
        attached: sessions that can be held.
        overrun: patience is at its end; nobody is held until the thread has caught up.
        wake: set when the thread should look.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, faults: DiskFaults) -> None:
        self.items: deque[Item] = deque()
        self.attached: set[LiveSession] = set()
        self.overrun = False
        self.wake = threading.Event()
        self._loop = loop
        self._faults = faults
        self._put = 0  # bytes queued ever: written by the event loop only
        self._done = 0  # bytes taken ever: written by the thread only
        self._held: set[LiveSession] = set()
        self._patience: asyncio.TimerHandle | None = None  # while the thread is behind

    @property
    def size(self) -> int:
        """Bytes queued and not yet taken."""
        return self._put - self._done

    @property
    def unbegun(self) -> int:
        """Sessions whose first record is queued and not yet taken."""
        return sum(isinstance(content, Start) for *_, content in list(self.items))

    @property
    def lag(self) -> float:
        """Seconds that the next data has waited."""
        try:
            session, t_ns, *_ = self.items[0]
        except IndexError:
            return 0.0
        return (session.now() - t_ns) / 1e9 if t_ns else 0.0

    def _is_behind(self, part: float) -> bool:
        """Whether the thread is, measured by a part of what is allowed."""
        return self.size > HIGH * part or self.lag > LAG * part

    # -- on the event loop

    def put(self, item: Item, size: int, *, urgent: bool = False) -> None:
        """Queue an item of so many bytes; an urgent one is written at once."""
        self._put += size + OVERHEAD
        self.items.append(item)
        if urgent or self._put - self._done > MUCH:
            self.wake.set()

    def has_room(self, session: LiveSession) -> bool:
        """Whether a session may read on; if not, it is released when there is room again."""
        if self.overrun or not self._is_behind(1.0):
            return True
        if self._patience is None:
            self._wait(TURNS)
        if self.size > BRIM:
            for each in self.attached - self._held:
                each.hold()
            self._held |= self.attached
        self._held.add(session)
        self.wake.set()
        return False

    def forget(self, session: LiveSession) -> None:
        """The session is over, and not to be held any more."""
        self.attached.discard(session)
        self._held.discard(session)

    def _wait(self, turns: int) -> None:
        self._patience = self._loop.call_later(PATIENCE, self._lose_patience, turns, self._done)

    def _lose_patience(self, turns: int, done_before: int) -> None:
        if turns > 1 and self._done - done_before > STEP:
            self._wait(turns - 1)
        else:
            self.overrun = self._is_behind(1.0)
            if self.overrun:
                self._faults.behind()
            self._end_wait()

    def _end_wait(self) -> None:
        """The thread has caught up, or it is not waited for any longer."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._release(self._held)

    def _release(self, sessions: set[LiveSession]) -> None:
        self._held = self._held - sessions
        for session in sessions:
            session.release()

    # -- on the thread

    def taken(self, session: LiveSession, size: int) -> None:
        """The thread has taken an item of a session with so many bytes of data."""
        self._done += size + OVERHEAD
        session.taken += size

    def let_go_on(self) -> None:
        """Let go on whoever is held if there is room for it."""
        if self._patience is None and not self.overrun:
            return
        if not self._is_behind(0.5):
            self.overrun = False
            self._faults.caught_up()
            self._loop.call_soon_threadsafe(self._end_wait)
        elif self.size < BRIM - STEP:
            free = {each for each in list(self._held) if each.share < SHARE // 2}
            if free:
                self._loop.call_soon_threadsafe(self._release, free)
