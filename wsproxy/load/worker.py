"""Plays a share of the sessions in a process of its own."""

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
from wsproxy.replay import Call, ClientOptions, Played, play_once
from wsproxy.replay.recorded import Records
from wsproxy.replay.schedule import Schedule

from .spread import Spread

_TELL_EVERY = 0.5  # seconds

GO, STOP = "go", "stop"  # what a worker is told


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker is to do.

    Attributes:
        sessions: the numbers of its sessions.
        apart: seconds between the beginnings of two sessions with numbers that follow.
        records: makes what the sessions are recorded by.
        catalog: files that the catalog holds besides the user's other ones.
    """

    trace: Path
    options: ClientOptions
    sessions: range
    apart: float
    records: Callable[[], Records]
    catalog: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker is ready to begin."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a worker's sessions are.

    Attributes:
        begun: as of now.
        lateness: of the steps since it was last told.
    """

    begun: int
    lateness: Spread


@dataclass(frozen=True, slots=True)
class Over:
    """A session is over.

    Attributes:
        played: what is to be judged, or why there is nothing.
        begun: how many the worker has begun.
    """

    session: int
    played: Played | str
    begun: int


@dataclass(frozen=True, slots=True)
class Done:
    """A worker has nothing more to do; `error` if that is because it could not begin."""

    error: str | None = None


News = Ready | Progress | Over | Done


def main(pipe: Connection, share: Share) -> None:
    """The worker's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it stops it
    _raise_limit()
    error = None
    try:
        with using(share.catalog):
            asyncio.run(_Worker(pipe, share).work())
    except WsproxyError as problem:
        error = str(problem)
    # Nobody may listen any more.
    with contextlib.suppress(OSError):
        pipe.send(Done(error))


def _raise_limit() -> None:
    """Allow as many open files as the system does: a session has two, its socket and its trace."""
    try:
        import resource  # noqa: PLC0415  # not on every platform
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(slots=True)
class _Worker:
    """Tells through a pipe what becomes of its sessions.

    Raises:
        WsproxyError: it cannot begin.
    """

    pipe: Connection
    share: Share
    begun: int = 0
    lateness: Spread = field(default_factory=Spread)
    _open: dict[Schedule, int] = field(default_factory=dict)  # steps that are counted already
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self) -> None:
        call = Call(self.share.trace, self.share.options)
        records = self.share.records()
        if records.diagnose is not None:
            records.diagnose(call.script.session)  # the first time takes a while
        # What is there stays: collections that look at it would hold up every session.
        gc.collect()
        gc.freeze()
        self._tell(Ready())
        if not await self._told_to_go():
            return
        playing = asyncio.create_task(self._play_all(call, records))
        telling = asyncio.create_task(self._tell_progress())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([playing, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in (playing, telling, stopping):
            task.cancel()
        await asyncio.wait([playing, telling, stopping])
        self._tell(self._progress())
        if not playing.cancelled():
            playing.result()  # a fault of ours ends the process, with its traceback

    async def _told_to_go(self) -> bool:
        """Wait to be told to begin; what is told after it only stops."""
        loop, go = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def listen() -> None:
            # Who started this process may be gone, and this loop be over.
            with contextlib.suppress(EOFError, OSError, RuntimeError):
                if self.pipe.recv() == GO:
                    loop.call_soon_threadsafe(go.set_result, True)
                    self.pipe.recv()
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._stop.set)

        threading.Thread(target=listen, daemon=True).start()
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait([go, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        return go.done()

    async def _play_all(self, call: Call, records: Records) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as sessions:
            for number in self.share.sessions:
                await asyncio.sleep(began + (number - 1) * self.share.apart - loop.time())
                self.begun += 1
                sessions.create_task(self._play(number, call, records))

    async def _play(self, number: int, call: Call, records: Records) -> None:
        schedule = call.schedule()
        self._open[schedule] = 0
        try:
            result: Played | str = await play_once(call, records, schedule)
        except WsproxyError as error:
            result = str(error)
        except OSError as error:  # such as too many open files
            result = error.strerror or str(error)
        finally:
            self._count(schedule)
            del self._open[schedule]
        self._tell(Over(number, result, self.begun))

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY)
            self._tell(self._progress())

    def _progress(self) -> Progress:
        for schedule in self._open:
            self._count(schedule)
        lateness, self.lateness = self.lateness, Spread()
        return Progress(self.begun, lateness)

    def _count(self, schedule: Schedule) -> None:
        """Count the lateness of the steps that are new."""
        self.lateness.add(schedule.lateness[self._open[schedule] :])
        self._open[schedule] = len(schedule.lateness)

    def _tell(self, news: News) -> None:
        try:
            self.pipe.send(news)
        except OSError:
            self._stop.set()  # nobody listens any more
