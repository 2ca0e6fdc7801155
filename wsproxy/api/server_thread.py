"""A replay server on its own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from wsproxy.replayer import ReplayServer, Verdict

from .arrivals import Arrivals


class ServerThread:
    """A running `ReplayServer`; collects its verdicts.

    Attributes:
        server: the server.
        results: verdicts, and errors that occurred instead of a verdict.
    """

    def __init__(self, server: ReplayServer) -> None:
        self.server = server
        self.results: Arrivals[Verdict | Exception] = Arrivals("sessions ended")
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    def settle(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until no session is open; returns whether that is so.

        The sessions that have ended are judged then.
        """
        future = asyncio.run_coroutine_threadsafe(self._settle(timeout), self._loop)
        return future.result()

    async def _settle(self, timeout: float) -> bool:  # noqa: ASYNC109  # returned, not raised
        idle = await self.server.wait_idle(timeout)
        # The last verdicts are ready; the collecting task gets them on its next turn.
        while self.server.pending_verdicts:  # noqa: ASYNC110
            await asyncio.sleep(0)
        return idle

    # -- the thread

    def run(self) -> None:
        """Run the server; the target of the thread."""
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self.server:
            collecting = asyncio.create_task(self._collect_verdicts())
            self._started.set()
            await self._stop.wait()
            collecting.cancel()

    async def _collect_verdicts(self) -> None:
        while True:
            results: Verdict | Exception
            try:
                results = await self.server.verdict()
            except Exception as error:  # raised where the verdict is requested
                results = error
            self.results.add(results)

    def wait_started(self) -> None:
        """Wait until it listens; raises the error if it cannot."""
        self._started.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Make the thread end."""
        self._loop.call_soon_threadsafe(self._stop.set)


@contextmanager
def server_thread(server: ReplayServer) -> Iterator[ServerThread]:
    """Run a server on a thread for the body of a `with`.

    Raises:
        UsageError: the server cannot listen, or its traces cannot be written.
    """
    running = ServerThread(server)
    thread = threading.Thread(target=running.run, name="wsproxy-server", daemon=True)
    thread.start()
    try:
        running.wait_started()
    except BaseException:
        thread.join()
        raise
    try:
        yield running
    finally:
        running.stop()
        thread.join()
