"""Plays one end of a session over an asyncio connection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from wsproxy.recording import Clock

from .connection import Connection
from .endpoint import Endpoint
from .progress import Ending
from .script import Step

_FLUSH_EVERY = 0.2  # seconds


@dataclass(slots=True)
class Player:
    """Joins an endpoint and a connection.

    Args:
        endpoint: what is played.
        connection: where the upgrade is done.
        clock: the recording's.
    """

    endpoint: Endpoint
    connection: Connection
    clock: Clock

    # -- connection.Receiver

    def data(self, data: bytes) -> None:
        """Bytes of the other side."""
        self.endpoint.receive(self.clock.now(), data)

    def ended(self, how: str) -> None:
        """The other side ended its direction."""
        self.endpoint.ended(self.clock.now(), how)

    # -- playing

    async def play(self) -> None:
        """Play until the schedule is over; the connection is closed and all is recorded."""
        endpoint, schedule = self.endpoint, self.endpoint.schedule
        endpoint.open(self.clock.now())
        self.connection.receive_with(self)
        stalled_ns: int | None = None  # since when the other side does not read
        while not endpoint.over(now := self.clock.now()):
            if not self.connection.writable.is_set():
                stalled_ns = now if stalled_ns is None else stalled_ns
                if now - stalled_ns > schedule.timeout_ns:
                    break
                await self.connection.changed(_FLUSH_EVERY)
                continue
            stalled_ns = None
            step = endpoint.take(now)
            if step is not None:
                await self._do(step)
                continue
            wait = (schedule.wake_ns() - self.clock.now()) / 1e9
            await self.connection.changed(min(max(wait, 0.0), _FLUSH_EVERY))
        endpoint.closing(self.clock.now(), was_reset=self.connection.end == "reset")
        await self.connection.close()

    async def _do(self, step: Step) -> None:
        now = self.clock.now()
        match step.item:
            case Ending(how="reset"):
                await self.connection.reset()
                self.endpoint.sent(now, step.item)
            case Ending():
                self.connection.finish()
                self.endpoint.sent(now, step.item)
            case _:
                data = self.endpoint.wire(step)
                self.connection.send(data)
                self.endpoint.sent(now, data)
                if self.endpoint.schedule.wake_ns() <= self.clock.now():
                    await asyncio.sleep(0)  # a burst must not keep what comes from being read
