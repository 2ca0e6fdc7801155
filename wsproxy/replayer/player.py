"""Play one end of a session over a connection: the same steps under asyncio and without it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from wsproxy.recorder import FLUSH_INTERVAL, Clock

from .connection import Receiver, ReplayConnection
from .endpoint import Endpoint
from .progress import ExpectedEnding
from .script import Step


class PlayerConnection(Protocol):
    """The part of a connection that a player uses; none of it blocks."""

    @property
    def writable(self) -> bool:
        """Whether more may be sent now."""

    @property
    def peer_end(self) -> str | None:
        """How the peer ended its direction, "eof" or "reset"; None while it has not."""

    def take_received(self) -> bytes:
        """Take the bytes that wait for a receiver."""

    def put_back(self, data: bytes) -> None:
        """Return bytes that were taken; they are received next."""

    def receive_with(self, receiver: Receiver) -> None:
        """Pass waiting bytes, and all that arrive from now on, to a receiver."""

    def send(self, data: bytes) -> None:
        """Send, behind what was sent before."""

    def finish(self) -> None:
        """End this direction behind what was sent."""


@dataclass(slots=True)
class Player:
    """Joins an endpoint and a connection; it is the connection's receiver.

    Args:
        endpoint: the end to play.
        connection: with the upgrade completed.
        clock: of the recording.
    """

    endpoint: Endpoint
    connection: PlayerConnection
    clock: Clock

    # -- connection.Receiver

    def received(self, data: bytes) -> None:
        """Take bytes of the peer."""
        self.endpoint.receive(self.clock.now(), data)

    def peer_ended(self, how: str) -> None:
        """The peer ended its direction: "eof" or "reset"."""
        self.endpoint.peer_ended(self.clock.now(), how)

    # -- playing

    def steps(self) -> Iterator[float | None]:
        """Play until the schedule has ended and everything is recorded; the caller then closes.

        Yields:
            The seconds to wait, at most, until something arrives or the connection is writable
            again; None: reset the connection once everything sent is delivered.
        """
        endpoint, schedule, connection = self.endpoint, self.endpoint.schedule, self.connection
        endpoint.open(self.clock.now())
        connection.receive_with(self)
        stalled_ns: int | None = None  # since when the peer does not read
        while not endpoint.poll_finished(now := self.clock.now()):
            if not connection.writable:
                stalled_ns = now if stalled_ns is None else stalled_ns
                if now - stalled_ns > schedule.timeout_ns:
                    break
                yield FLUSH_INTERVAL
                continue
            stalled_ns = None
            step = endpoint.next_step(now)
            if step is not None:
                yield from self._perform(step)
                continue
            wait = (schedule.next_wake_ns() - self.clock.now()) / 1e9
            yield min(max(wait, 0.0), FLUSH_INTERVAL)
        endpoint.record_close(self.clock.now(), was_reset=connection.peer_end == "reset")

    def _perform(self, step: Step) -> Iterator[float | None]:
        now = self.clock.now()
        match step.item:
            case ExpectedEnding(how="reset"):
                yield None
                self.endpoint.record_sent(now, step.item)
            case ExpectedEnding():
                self.connection.finish()
                self.endpoint.record_sent(now, step.item)
            case _:
                data, recorded = self.endpoint.encode(step)
                self.connection.send(data)
                self.endpoint.record_sent(now, recorded)
                if self.endpoint.schedule.next_wake_ns() <= self.clock.now():
                    yield 0.0  # during a burst, what arrives is read as well


async def follow(steps: Iterator[float | None], connection: ReplayConnection) -> None:
    """Do what `Player.steps` asks for, on an asyncio connection."""
    for seconds in steps:
        if seconds is None:
            await connection.reset()
        elif seconds > 0:
            await connection.wait_changed(seconds)
        else:
            await asyncio.sleep(0)
