"""A session being recorded, as the event loop sees it: it stamps and queues what happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from wsproxy.session import Session
from wsproxy.trace import Eof, Failure, Gap, Record, Start
from wsproxy.wire import Opcode

from . import Clock
from . import backlog as limits
from .backlog import Backlog

OPENED_WITHIN = 5.0  # seconds in which a trace has to be begun where sessions depend on it


class Held(Protocol):
    """A relay, as far as the recorder knows it: reading can be stopped and resumed."""

    def hold(self) -> None: ...

    def release(self) -> None: ...


class LiveSession:
    """A session being recorded, as the event loop sees it.

    Every method is called on the event loop and returns at once.

    Args:
        start: the first record; its time is `clock`'s start.
    """

    def __init__(self, backlog: Backlog, clock: Clock, start: Start) -> None:
        self.start = start
        self.ended = False
        self.refused = False
        # Whether the trace could be begun, where sessions depend on that.
        self.opened: asyncio.Future[bool] | None = None
        self._backlog = backlog
        self._origin_ns = clock.origin_ns
        self._relay: Held | None = None
        self._on_ended: Callable[[Session], None] | None = None
        self._dropped: dict[bool, Gap] = {}
        self._put = 0  # bytes of data queued ever: written by the event loop only
        self.taken = 0  # bytes of data taken ever: written by the thread only

    def now(self) -> int:
        """Nanoseconds since the session's start."""
        return time.monotonic_ns() - self._origin_ns

    def attach(self, relay: Held, on_ended: Callable[[Session], None]) -> None:
        """A relay carries the session's bytes from now on."""
        self._relay = relay
        self._on_ended = on_ended
        self._backlog.attached.add(self)

    @property
    def attached(self) -> bool:
        return self._relay is not None

    def data(self, from_client: bool, data: bytes) -> bool:
        """Queue bytes of one direction; False if reading should be held."""
        backlog = self._backlog
        if from_client in self._dropped or backlog.size > limits.HARD:
            self._drop(from_client, len(data))
            return True
        size = len(data)
        backlog.put((self, self.now(), from_client, data), size)
        self._put += size
        if self._put - self.taken <= limits.SHARE and backlog.size <= limits.BRIM:
            return True
        return self._relay is None or backlog.has_room(self)

    @property
    def share(self) -> int:
        """Bytes of its data that are queued."""
        return self._put - self.taken

    def hold(self) -> None:
        """Stop reading, both directions."""
        if self._relay is not None:
            self._relay.hold()

    def release(self) -> None:
        """Read on."""
        if self._relay is not None:
            self._relay.release()

    def eof(self, from_client: bool, how: str) -> None:
        """One direction has ended."""
        self.add(Eof(self.now(), from_client, how))

    def failed(self, from_client: bool, message: str) -> None:
        """TLS broke in the middle of the session."""
        where = "tls-client" if from_client else "tls-server"
        self.add(Failure(self.now(), where, from_client, message))

    def add(self, record: Record) -> None:
        """Queue a record; it is written at once."""
        self._backlog.put((self, 0, None, record), 0, urgent=True)

    def message(self, from_client: bool, opcode: Opcode, payload: bytes) -> None:
        """Queue a message that mitmproxy's own layer relayed; nothing can hold that."""
        if self._backlog.size > limits.HARD:
            self._drop(from_client, len(payload), records=1)
            return
        if from_client in self._dropped:  # a message can be read without those before it
            for gap in self.missing(from_client):
                self.add(gap)
        self._backlog.put((self, self.now(), from_client, (opcode, payload)), len(payload))

    def end(self) -> None:
        """The session is over."""
        if self.ended:
            return
        self.ended = True
        self._backlog.forget(self)
        for gap in self.missing():
            self.add(gap)
        self._backlog.put((self, self.now(), None, None), 0, urgent=True)

    def missing(self, *sides: bool) -> list[Gap]:
        """What was dropped of some directions, or of both, and is in no gap record yet."""
        gaps = [self._dropped.pop(side, None) for side in sides or (True, False)]
        return [gap for gap in gaps if gap is not None and (gap.records or gap.size)]

    async def may_begin(self) -> bool:
        """Whether the session may go on; nobody waits for that unless it has to be recorded."""
        if self.opened is None:
            return True
        try:
            async with asyncio.timeout(OPENED_WITHIN):
                return await self.opened
        except TimeoutError:
            return False

    def tell_opened(self, opened: bool) -> None:
        """Whether the trace could be begun."""
        if self.opened is not None and not self.opened.done():
            self.opened.set_result(opened)

    def refuse(self) -> None:
        """The session does not take place, and leaves no trace."""
        self.refused = True
        self.end()

    def told(self, session: Session) -> None:
        """The trace is complete."""
        if self._on_ended is not None:
            self._on_ended(session)

    def _drop(self, from_client: bool, size: int, records: int = 0) -> None:
        """Count what is not kept. The first is told at once: this may end without an end."""
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
