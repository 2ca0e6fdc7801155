"""Items from other threads that synchronous and asynchronous code can wait for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from wsproxy.errors import BlockingCall

T = TypeVar("T")


def refuse_in_event_loop(call: str, instead: str) -> None:
    """Refuse a blocking call that would block the event loop of its thread.

    Args:
        call: the call, for the message.
        instead: what to use instead, for the message.

    Raises:
        BlockingCall: an event loop is running on this thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise BlockingCall(f"{call} would block the running event loop: use `{instead}`")


class Arrivals(Generic[T]):
    """Items that arrive on any thread, in order.

    Args:
        what: their name, for messages.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._items: list[T] = []
        self._condition = threading.Condition()
        self._listeners: list[Callable[[], None]] = []

    def add(self, item: T) -> None:
        """Add the next item."""
        with self._condition:
            self._items.append(item)
            self._condition.notify_all()
            listeners = list(self._listeners)
        for on_arrival in listeners:
            on_arrival()

    def items(self) -> list[T]:
        """All items so far."""
        with self._condition:
            return list(self._items)

    def wait(self, count: int, timeout: float) -> list[T]:
        """Block until `count` items have arrived, and return all items.

        Raises:
            TimeoutError: fewer have arrived within `timeout` seconds.
        """
        with self._condition:
            if not self._condition.wait_for(lambda: len(self._items) >= count, timeout):
                raise self._timeout_error(count, timeout)
            return list(self._items)

    async def wait_async(self, count: int, timeout: float) -> list[T]:  # noqa: ASYNC109
        """Wait like `wait`, without blocking the running event loop."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()

        def on_arrival() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(arrived.set)

        with self._condition:
            self._listeners.append(on_arrival)
        try:
            async with asyncio.timeout(timeout):
                while len(items := self.items()) < count:
                    await arrived.wait()
                    arrived.clear()
            return items
        except TimeoutError:
            raise self._timeout_error(count, timeout) from None
        finally:
            with self._condition:
                self._listeners.remove(on_arrival)

    def _timeout_error(self, count: int, timeout: float) -> TimeoutError:
        return TimeoutError(f"{len(self._items)} of {count} {self._what} in {timeout:g} s")
