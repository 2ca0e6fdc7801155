"""What happens on another thread, to be waited for from synchronous and asynchronous code."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from wsproxy.errors import BlockingCall

T = TypeVar("T")


def refuse_in_event_loop(call: str, instead: str) -> None:
    """Refuse a call that waits where it would stop the event loop that it waits for.

    Args:
        call: what was called.
        instead: what to write in its place.

    Raises:
        BlockingCall: an event loop is running on this thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise BlockingCall(f"{call} would block the running event loop: use `{instead}`")


class Arrivals(Generic[T]):
    """Items that arrive on any thread, in their order.

    Args:
        what: what they are, for messages.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._items: list[T] = []
        self._changed = threading.Condition()
        self._listeners: list[Callable[[], None]] = []

    def add(self, item: T) -> None:
        """Take the next one."""
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()
            listeners = list(self._listeners)
        for wake in listeners:
            wake()

    def items(self) -> list[T]:
        """Those that have arrived so far."""
        with self._changed:
            return list(self._items)

    def wait(self, count: int, timeout: float) -> list[T]:
        """Block until `count` items have arrived, and return all.

        Raises:
            TimeoutError: they have not within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._items) >= count, timeout):
                raise self._late(count, timeout)
            return list(self._items)

    async def wait_async(self, count: int, timeout: float) -> list[T]:  # noqa: ASYNC109
        """The same without blocking the running event loop."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(arrived.set)

        with self._changed:
            self._listeners.append(wake)
        try:
            async with asyncio.timeout(timeout):
                while len(items := self.items()) < count:
                    await arrived.wait()
                    arrived.clear()
            return items
        except TimeoutError:
            raise self._late(count, timeout) from None
        finally:
            with self._changed:
                self._listeners.remove(wake)

    def _late(self, count: int, timeout: float) -> TimeoutError:
        return TimeoutError(f"{len(self._items)} of {count} {self._what} in {timeout:g} s")
