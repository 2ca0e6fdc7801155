"""Play a share of the sessions of a load in a separate process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from wsproxy.catalog.loader import using
from wsproxy.errors import WsproxyError
from wsproxy.replayer import ClientOptions, ClientReplay, ReplayResult, play_once
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.replayer.schedule import Schedule

from .histogram import Histogram

_REPORT_INTERVAL = 0.5  # seconds

START, STOP = "start", "stop"  # messages to a worker


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """The share of one worker.

    Attributes:
        sessions: the numbers of its sessions, from 1.
        interval: seconds from the start of one session to the start of the next number.
        recordings: returns how the sessions are recorded.
        catalog: files that the catalog holds besides the user's other ones.
    """

    trace: Path
    options: ClientOptions
    sessions: range
    interval: float
    recordings: Callable[[], ReplayRecording]
    catalog: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A worker is ready to begin."""


@dataclass(frozen=True, slots=True)
class WorkerProgress:
    """The progress of a worker's sessions.

    Attributes:
        begun: number of sessions that have begun.
        lateness: of the steps since the last report.
    """

    begun: int
    lateness: Histogram


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session has ended.

    Attributes:
        played: the result to judge, or why there is none.
        begun: number of sessions that the worker has begun.
    """

    session: int
    played: ReplayResult | str
    begun: int


@dataclass(frozen=True, slots=True)
class WorkerDone:
    """A worker has ended; `error` says why it could not begin."""

    error: str | None = None


WorkerEvent = WorkerReady | WorkerProgress | SessionEnded | WorkerDone


def run_worker(pipe: Connection, share: WorkerShare) -> None:
    """Run a worker; the entry point of its process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator stops it
    _raise_file_limit()
    error = None
    try:
        with using(share.catalog):
            asyncio.run(_Worker(pipe, share).work())
    except WsproxyError as problem:
        error = str(problem)
    # The coordinator may have ended.
    with contextlib.suppress(OSError):
        pipe.send(WorkerDone(error))


def _raise_file_limit() -> None:
    """Raise the limit of open files to the maximum: a session needs a socket and a trace."""
    try:
        import resource  # noqa: PLC0415  # not on every platform
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(slots=True)
class _Worker:
    """Plays sessions, and reports their results through a pipe.

    Raises:
        WsproxyError: the worker cannot begin.
    """

    pipe: Connection
    share: WorkerShare
    begun: int = 0
    lateness: Histogram = field(default_factory=Histogram)
    _open: dict[Schedule, int] = field(default_factory=dict)  # steps already counted
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self) -> None:
        replay = ClientReplay(self.share.trace, self.share.options)
        recordings = self.share.recordings()
        recordings.warm_up(replay.script.session)
        # Exclude what exists now from garbage collection, which would delay every session.
        gc.collect()
        gc.freeze()
        self._report(WorkerReady())
        if not await self._wait_for_start():
            return
        playing = asyncio.create_task(self._play_all(replay, recordings))
        reporting = asyncio.create_task(self._report_progress())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([playing, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in (playing, reporting, stopping):
            task.cancel()
        await asyncio.wait([playing, reporting, stopping])
        self._report(self._progress())
        if not playing.cancelled():
            playing.result()  # a bug ends the process with its traceback

    async def _wait_for_start(self) -> bool:
        """Wait for START; whatever comes after it stops the worker. False if stopped before."""
        loop, start = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def listen() -> None:
            # The coordinator and this loop may have ended.
            with contextlib.suppress(EOFError, OSError, RuntimeError):
                if self.pipe.recv() == START:
                    loop.call_soon_threadsafe(start.set_result, True)
                    self.pipe.recv()
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._stop.set)

        threading.Thread(target=listen, daemon=True).start()
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait([start, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        return start.done()

    async def _play_all(self, replay: ClientReplay, recordings: ReplayRecording) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as sessions:
            for number in self.share.sessions:
                await asyncio.sleep(began + (number - 1) * self.share.interval - loop.time())
                self.begun += 1
                sessions.create_task(self._play(number, replay, recordings))

    async def _play(self, number: int, replay: ClientReplay, recordings: ReplayRecording) -> None:
        schedule = replay.schedule()
        self._open[schedule] = 0
        try:
            result: ReplayResult | str = await play_once(replay, recordings, schedule)
        except WsproxyError as error:
            result = str(error)
        except OSError as error:  # such as too many open files
            result = error.strerror or str(error)
        finally:
            self._count_lateness(schedule)
            del self._open[schedule]
        self._report(SessionEnded(number, result, self.begun))

    async def _report_progress(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_INTERVAL)
            self._report(self._progress())

    def _progress(self) -> WorkerProgress:
        for schedule in self._open:
            self._count_lateness(schedule)
        lateness, self.lateness = self.lateness, Histogram()
        return WorkerProgress(self.begun, lateness)

    def _count_lateness(self, schedule: Schedule) -> None:
        """Count the lateness of the new steps."""
        self.lateness.add(schedule.lateness[self._open[schedule] :])
        self._open[schedule] = len(schedule.lateness)

    def _report(self, event: WorkerEvent) -> None:
        try:
            self.pipe.send(event)
        except OSError:
            self._stop.set()  # the coordinator has ended
