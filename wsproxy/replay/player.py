"""Plays one side's schedule over a connection and records what happens on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from wsproxy.recording import Clock, Recording
from wsproxy.trace import Eof
from wsproxy.wire import FrameParser

from .connection import Connection
from .schedule import Ending, Schedule, Step

_FLUSH_EVERY = 0.2  # seconds


@dataclass(slots=True)
class Player:
    """Joins a schedule, a connection and a recording.

    Args:
        schedule: of the side that is played.
        connection: where the upgrade is done.
        recording: has start, request and response already.
        clock: the recording's.
    """

    schedule: Schedule
    connection: Connection
    recording: Recording
    clock: Clock
    _parser: FrameParser = field(default_factory=FrameParser)

    @property
    def _from_client(self) -> bool:
        return self.schedule.script.from_client

    # -- connection.Receiver

    def data(self, data: bytes) -> None:
        """Bytes of the other side."""
        now = self.clock.now()
        if not self.recording.ended and self.recording.data(now, not self._from_client, data):
            self.recording.flush()
        for item in self._parser.feed(data):
            self.schedule.receive(now, item)

    def ended(self, how: str) -> None:
        """The other side ended its direction."""
        now = self.clock.now()
        for item in self._parser.end():
            self.schedule.receive(now, item)
        self.schedule.receive(now, Ending(how))
        if not self.recording.ended:
            self.recording.eof(Eof(now, not self._from_client, how))

    # -- playing

    async def play(self) -> None:
        """Play until the schedule is over; the connection is closed and all is recorded."""
        self.schedule.open(self.clock.now())
        self.connection.receive_with(self)
        ended = False
        stalled_ns: int | None = None  # since when the other side does not read
        while not self.schedule.over(now := self.clock.now()):
            if self.schedule.left_open and not self.recording.ended:
                self.recording.end(now, "stopped")
            if self.recording.due(now):
                self.recording.flush()
            if not self.connection.writable.is_set():
                stalled_ns = now if stalled_ns is None else stalled_ns
                if now - stalled_ns > self.schedule.timeout_ns:
                    break
                await self.connection.changed(_FLUSH_EVERY)
                continue
            stalled_ns = None
            step = self.schedule.take(now)
            if step is not None:
                ended |= await self._do(step)
                continue
            wait = (self.schedule.wake_ns() - self.clock.now()) / 1e9
            await self.connection.changed(min(max(wait, 0.0), _FLUSH_EVERY))
        if not ended:
            self._close_recorded()
        await self.connection.close()

    def _close_recorded(self) -> None:
        """Record that this side closes behind the session's ending.

        Where nothing ended, giving up is no ending of the session's: it stays "stopped".
        """
        session = self.recording.session
        over = self.recording.ended or session.derived_ending is None
        if not over and self.connection.end != "reset":
            self.recording.eof(Eof(self.clock.now(), self._from_client))

    async def _do(self, step: Step) -> bool:
        """Do one step; returns whether it ended this side's direction."""
        now = self.clock.now()
        match step.item:
            case Ending(how="reset"):
                await self.connection.reset()
                self.recording.eof(Eof(now, self._from_client, "reset"))
                return True
            case Ending():
                self.connection.finish()
                self.recording.eof(Eof(now, self._from_client))
                return True
        data = step.serialize()
        self.connection.send(data)
        if not self.recording.ended and self.recording.data(now, self._from_client, data):
            self.recording.flush()
        await asyncio.sleep(0)  # a burst must not keep what comes from being read
        return False
