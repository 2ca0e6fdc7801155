"""A session while it is recorded, as the event loop sees it: timestamps and enqueues."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from wsproxy.session import Session
from wsproxy.trace import Eof, Failure, Gap, Record, Start
from wsproxy.wire import Opcode

from . import backlog as limits
from .backlog import Backlog
from .clock import Clock

OPEN_TIMEOUT = 5.0  # seconds for creating a trace where the session depends on it


class Holdable(Protocol):
    """What the recorder needs of a relay: reads can be paused and resumed."""

    def hold(self) -> None: ...

    def release(self) -> None: ...


class LiveSession:
    """A session while it is recorded, as the event loop sees it.

    Every method is called on the event loop and returns at once.

    Args:
        start: the first record; its time is the start of `clock`.

    Attributes:
        ended: nothing more is queued.
        refused: the session did not take place; its trace is removed.
        opened: in strict mode, resolves to whether the trace could be created.
        consumed: bytes of data consumed by the thread; written by the thread only.
    """

    def __init__(self, backlog: Backlog[LiveSession], clock: Clock, start: Start) -> None:
        self.start = start
        self.ended = False
        self.refused = False
        self.opened: asyncio.Future[bool] | None = None
        self.consumed = 0
        self._backlog = backlog
        self._origin_ns = clock.origin_ns
        self._relay: Holdable | None = None
        self._on_complete: Callable[[Session], None] | None = None
        self._dropped: dict[bool, Gap] = {}
        self._put = 0  # total bytes of data queued: written by the event loop only

    def now(self) -> int:
        """Nanoseconds since the session's start."""
        return time.monotonic_ns() - self._origin_ns

    def attach(self, relay: Holdable, on_complete: Callable[[Session], None]) -> None:
        """A relay carries the session's bytes from now on.

        Args:
            on_complete: called with the session once its trace is complete.
        """
        self._relay = relay
        self._on_complete = on_complete
        self._backlog.attached.add(self)

    @property
    def attached(self) -> bool:
        return self._relay is not None

    def data(self, from_client: bool, data: bytes) -> bool:
        """Queue bytes of one direction; False if reads should be paused."""
        backlog = self._backlog
        if from_client in self._dropped or backlog.size > limits.DROP_SIZE:
            self._drop(from_client, len(data))
            return True
        size = len(data)
        backlog.put((self, self.now(), from_client, data), size)
        self._put += size
        if (
            self._put - self.consumed <= limits.SESSION_SHARE
            and backlog.size <= limits.HOLD_ALL_SIZE
        ):
            return True
        return self._relay is None or backlog.has_room(self)

    @property
    def queued(self) -> int:
        """Bytes of its data that are queued."""
        return self._put - self.consumed

    def hold(self) -> None:
        """Pause reads of both directions."""
        if self._relay is not None:
            self._relay.hold()

    def release(self) -> None:
        """Resume reads."""
        if self._relay is not None:
            self._relay.release()

    def eof(self, from_client: bool, how: str) -> None:
        """One direction has ended."""
        self.add(Eof(self.now(), from_client, how))

    def failed(self, from_client: bool, message: str) -> None:
        """TLS with one side failed during the session."""
        where = "tls-client" if from_client else "tls-server"
        self.add(Failure(self.now(), where, from_client, message))

    def add(self, record: Record) -> None:
        """Queue a record; it is written at once."""
        self._backlog.put((self, 0, None, record), 0, urgent=True)

    def message(self, from_client: bool, opcode: Opcode, payload: bytes) -> None:
        """Queue a message that mitmproxy's own layer relayed; its reads cannot be paused."""
        if self._backlog.size > limits.DROP_SIZE:
            self._drop(from_client, len(payload), records=1)
            return
        if from_client in self._dropped:  # a message is readable without the ones before it
            for gap in self.take_gaps(from_client):
                self.add(gap)
        self._backlog.put((self, self.now(), from_client, (opcode, payload)), len(payload))

    def end(self) -> None:
        """The session has ended."""
        if self.ended:
            return
        self.ended = True
        self._backlog.forget(self)
        for gap in self.take_gaps():
            self.add(gap)
        self._backlog.put((self, self.now(), None, None), 0, urgent=True)

    def take_gaps(self, *sides: bool) -> list[Gap]:
        """Gaps of some directions, or of both, that have not been recorded yet."""
        gaps = [self._dropped.pop(side, None) for side in sides or (True, False)]
        return [gap for gap in gaps if gap is not None and (gap.records or gap.size)]

    async def wait_opened(self) -> bool:
        """Whether the session may begin; waits for its trace in strict mode only."""
        if self.opened is None:
            return True
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                return await self.opened
        except TimeoutError:
            return False

    def set_opened(self, opened: bool) -> None:
        """Report whether the trace could be created."""
        if self.opened is not None and not self.opened.done():
            self.opened.set_result(opened)

    def refuse(self) -> None:
        """The session does not take place and leaves no trace."""
        self.refused = True
        self.end()

    def set_complete(self, session: Session) -> None:
        """The trace is complete."""
        if self._on_complete is not None:
            self._on_complete(session)

    def _drop(self, from_client: bool, size: int, records: int = 0) -> None:
        """Count data that is not stored.

        The first gap is recorded at once, because the process may be killed before the end.
        """
        now = self.now()
        gap = self._dropped.get(from_client)
        if gap is None:
            side = "client" if from_client else "server"
            reason = f"the recorder could not keep up; bytes from the {side} are missing"
            self._dropped[from_client] = Gap(now, now, reason)
            self.add(Gap(now, now, reason, records, size))
            return
        self._dropped[from_client] = replace(
            gap, until_ns=now, records=gap.records + records, size=gap.size + size
        )
