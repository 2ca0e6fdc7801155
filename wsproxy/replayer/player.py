"""Plays one end of a session over a connection: the same moves under asyncio and without it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from wsproxy.recorder import Clock

from .connection import Receiver, ReplayConnection
from .endpoint import Endpoint
from .progress import ExpectedEnding
from .script import Step

_FLUSH_EVERY = 0.2  # seconds


class Line(Protocol):
    """What a player needs of a connection; nothing of it waits."""

    @property
    def writable(self) -> bool:
        """Whether what was sent is under way, so that more may follow."""

    @property
    def end(self) -> str | None:
        """How the peer ended its direction; None while it has not."""

    def receive_with(self, receiver: Receiver) -> None:
        """Hand what waits, and what comes from now on, to a receiver."""

    def send(self, data: bytes) -> None:
        """Send, behind what was sent before."""

    def finish(self) -> None:
        """End this direction behind what was sent."""


@dataclass(slots=True)
class Player:
    """Joins an endpoint and a connection.

    Args:
        endpoint: what is played.
        line: where the upgrade is done.
        clock: the recording's.
    """

    endpoint: Endpoint
    line: Line
    clock: Clock

    # -- connection.Receiver

    def data(self, data: bytes) -> None:
        """Bytes of the other side."""
        self.endpoint.receive(self.clock.now(), data)

    def ended(self, how: str) -> None:
        """The other side ended its direction."""
        self.endpoint.ended(self.clock.now(), how)

    # -- playing

    def moves(self) -> Iterator[float | None]:
        """Play until the schedule is over and all is recorded; the caller closes then.

        Yields:
            For how many seconds at most to wait for something to come, or for the line to be
            writable again; None: reset the connection once what was sent is delivered.
        """
        endpoint, schedule, line = self.endpoint, self.endpoint.schedule, self.line
        endpoint.open(self.clock.now())
        line.receive_with(self)
        stalled_ns: int | None = None  # since when the other side does not read
        while not endpoint.over(now := self.clock.now()):
            if not line.writable:
                stalled_ns = now if stalled_ns is None else stalled_ns
                if now - stalled_ns > schedule.timeout_ns:
                    break
                yield _FLUSH_EVERY
                continue
            stalled_ns = None
            step = endpoint.take(now)
            if step is not None:
                yield from self._do(step)
                continue
            wait = (schedule.wake_ns() - self.clock.now()) / 1e9
            yield min(max(wait, 0.0), _FLUSH_EVERY)
        endpoint.closing(self.clock.now(), was_reset=line.end == "reset")

    def _do(self, step: Step) -> Iterator[float | None]:
        now = self.clock.now()
        match step.item:
            case ExpectedEnding(how="reset"):
                yield None
                self.endpoint.sent(now, step.item)
            case ExpectedEnding():
                self.line.finish()
                self.endpoint.sent(now, step.item)
            case _:
                data, recorded = self.endpoint.wire(step)
                self.line.send(data)
                self.endpoint.sent(now, recorded)
                if self.endpoint.schedule.wake_ns() <= self.clock.now():
                    yield 0.0  # a burst must not keep what comes from being read


async def play(endpoint: Endpoint, connection: ReplayConnection, clock: Clock) -> None:
    """Play over an asyncio connection; it is closed then.

    Args:
        clock: the recording's.
    """
    for seconds in Player(endpoint, connection, clock).moves():
        if seconds is None:
            await connection.reset()
        elif seconds > 0:
            await connection.changed(seconds)
        else:
            await asyncio.sleep(0)
    await connection.close()
