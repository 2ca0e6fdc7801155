"""A replay server on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from wsproxy.replayer import ReplayServer, Verdict

from .arrivals import Arrivals


class ServerThread:
    """A `ReplayServer` that runs; its verdicts are collected as they come.

    Attributes:
        server: it.
        came: verdicts, and errors that took the place of one.
    """

    def __init__(self, server: ReplayServer) -> None:
        self.server = server
        self.came: Arrivals[Verdict | Exception] = Arrivals("sessions ended")
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    def settle(self, timeout: float) -> bool:
        """Wait until no session is open any more; whether that came about in so many seconds."""
        future = asyncio.run_coroutine_threadsafe(self._settled(timeout), self._loop)
        return future.result()

    async def _settled(self, timeout: float) -> bool:  # noqa: ASYNC109  # told, not raised
        with suppress(TimeoutError):
            await asyncio.wait_for(self.server.idle(timeout), timeout)
            # The verdicts of the last ones are there, and collected at the loop's next turn.
            while self.server.waiting:  # noqa: ASYNC110
                await asyncio.sleep(0)
            return True
        return False

    # -- the thread

    def run(self) -> None:
        """The thread's body."""
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failed = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self.server:
            collecting = asyncio.create_task(self._collect())
            self._ready.set()
            await self._stop.wait()
            collecting.cancel()

    async def _collect(self) -> None:
        while True:
            came: Verdict | Exception
            try:
                came = await self.server.verdict()
            except Exception as error:  # raised where somebody asks for the verdict
                came = error
            self.came.add(came)

    def started(self) -> None:
        """Wait until it listens, or raise why it cannot."""
        self._ready.wait()
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)


@contextmanager
def server_thread(server: ReplayServer) -> Iterator[ServerThread]:
    """Run a server on a thread for the body of a `with`; nothing of it is left afterwards.

    Raises:
        UsageError: it cannot listen, or its traces cannot be written.
    """
    running = ServerThread(server)
    thread = threading.Thread(target=running.run, name="wsproxy-server", daemon=True)
    thread.start()
    try:
        running.started()
    except BaseException:
        thread.join()
        raise
    try:
        yield running
    finally:
        running.stop()
        thread.join()
