"""Starts the processes of a load, puts together what they say, and stops them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from wsproxy.catalog.loader import given_files
from wsproxy.errors import UsageError
from wsproxy.replay import Call, ClientOptions, Played
from wsproxy.replay.recorded import Records

from . import judging, worker
from .tally import Result, Tally
from .worker import GO, STOP, Done, News, Over, Progress, Ready, Share

MAX_SESSIONS = 10_000
_TICK = 0.25  # seconds between two looks at what is known
_STOPPING = 5.0  # seconds that workers may take to end their recordings
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Load:
    """How much load, and what stays of it.

    Attributes:
        sessions: how many in all, at most MAX_SESSIONS.
        ramp: seconds over which they begin, evenly.
        workers: processes that play; 0: as many as there are processors, at most one a session.
        keep: traces that stay: of "failed" sessions (all that are not reproduced), "all", "none".
    """

    sessions: int
    ramp: float = 0.0
    workers: int = 0
    keep: str = "failed"

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: it does not.
        """
        if not 1 <= self.sessions <= MAX_SESSIONS:
            raise UsageError(f"{self.sessions} sessions: from 1 to {MAX_SESSIONS}")
        if not 0 <= self.ramp <= 86_400:
            raise UsageError(f"a ramp of {self.ramp:g} seconds: from 0 to 86400")
        if self.keep not in judging.KEEP:
            raise UsageError(f"keep {self.keep!r}: give {', '.join(judging.KEEP)}")
        if self.workers < 0:
            raise UsageError(f"{self.workers} workers: give 1 or more")

    @property
    def processes(self) -> int:
        """How many processes play."""
        return min(self.workers or os.cpu_count() or 1, self.sessions)


def run(
    trace: Path,
    options: ClientOptions,
    load: Load,
    records: Callable[[], Records],
    show: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Replay a trace in many sessions at once, and judge each.

    Ctrl-C ends it with what is known so far; `stopped` is set then. Call it from the main
    thread, in a program that can be imported: its processes are started anew.

    Args:
        records: makes what the sessions are recorded by; it is called in other processes,
            so it has to be a function of a module, or a `functools.partial` of one.
        show: called now and then with what is known so far.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: it cannot be done as asked: a credential is missing, a bad URL, a folder
            that cannot be written.
    """
    load.check()
    Call(trace, options)  # what is wrong with it is said once, and now
    records().check()
    tally = Tally(load.sessions, load.ramp, load.processes, tolerance=options.rules.tolerance)
    running = _Run(trace, options, load, records, tally)
    with running.started():
        try:
            running.go()
            while not running.over:
                running.look()
                show(tally)
        except KeyboardInterrupt:
            running.stop()
    show(tally)
    return tally


@dataclass(slots=True)
class _Worker:
    """A process that plays.

    Attributes:
        begun: how many of its sessions, as it last told.
        told: how many of its sessions it has told the end of.
    """

    number: int
    process: BaseProcess
    pipe: Connection
    share: Share
    ready: bool = False
    done: bool = False
    begun: int = 0
    told: int = 0


@dataclass(slots=True)
class _Run:
    """One load while it goes on."""

    trace: Path
    options: ClientOptions
    load: Load
    records: Callable[[], Records]
    tally: Tally
    _workers: list[_Worker] = field(default_factory=list)
    _judges: ProcessPoolExecutor = field(init=False)
    _judged: queue.SimpleQueue[Result] = field(default_factory=queue.SimpleQueue)
    _to_judge: int = 0
    _began: float = 0.0

    # -- beginning and end

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        """Start the processes, and see to it that none is left behind."""
        count = self.load.processes
        self._judges = ProcessPoolExecutor(
            count, _SPAWN, judging.prepare, initargs=(given_files(),)
        )
        try:
            with _uninterrupted():
                for number in range(count):
                    self._workers.append(self._start(number))
                for _ in range(count):
                    self._judges.submit(judging.ready)
            yield
        finally:
            self._judges.shutdown(cancel_futures=True)
            for each in self._workers:
                each.process.join(0 if not each.done else _STOPPING)
                if each.process.is_alive():
                    each.process.kill()
                    each.process.join()
                each.pipe.close()

    def _start(self, number: int) -> _Worker:
        load = self.load
        numbers = range(number + 1, load.sessions + 1, load.processes)
        share = Share(
            self.trace,
            self.options,
            numbers,
            load.ramp / load.sessions,
            self.records,
            given_files(),
        )
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=worker.main, args=(theirs, share), daemon=True)
        process.start()
        theirs.close()  # so that the end of the process ends the pipe
        return _Worker(number + 1, process, ours, share)

    def go(self) -> None:
        """Let all workers begin, once all are ready."""
        while any(not each.ready and not each.done for each in self._workers):
            self._hear()
        for each in self._workers:
            _say(each, GO)
        self._began = time.monotonic()

    def stop(self) -> None:
        """Stop all workers, and take what they have to say; what is not judged stays so."""
        self.tally.stopped = True
        with contextlib.suppress(KeyboardInterrupt):  # twice: at once
            for each in self._workers:
                _say(each, STOP)
            until = time.monotonic() + _STOPPING
            while any(not each.done for each in self._workers) and time.monotonic() < until:
                self.look()
            self._take_judged()

    @property
    def over(self) -> bool:
        """Whether every session is played and judged."""
        return not self._to_judge and all(each.done for each in self._workers)

    # -- what the processes say

    def look(self) -> None:
        """Take what there is to know; waits a moment for it."""
        self._hear()
        self._take_judged()
        self.tally.seconds = time.monotonic() - self._began if self._began else 0.0

    def _hear(self) -> None:
        pipes = {each.pipe: each for each in self._workers if not each.done}
        if not pipes:
            with contextlib.suppress(queue.Empty):
                self._judged_one(self._judged.get(timeout=_TICK))
            return
        for pipe in wait(list(pipes), _TICK):
            assert isinstance(pipe, Connection)
            self._hear_one(pipes[pipe])

    def _hear_one(self, of: _Worker) -> None:
        try:
            while not of.done:
                self._take(of, of.pipe.recv())
                if not of.pipe.poll():
                    break
        except (EOFError, OSError):
            self._died(of)

    def _take(self, of: _Worker, news: News) -> None:
        tally = self.tally
        match news:
            case Ready():
                of.ready = True
            case Progress(begun, lateness):
                self._begun(of, begun)
                tally.lateness.merge(lateness)
            case Over(session, played, begun):
                self._begun(of, begun)
                of.told += 1
                tally.played += 1
                if isinstance(played, str):
                    tally.add(Result(session, error=played))
                else:
                    self._judge(session, played)
            case Done(error):
                of.done = True
                if error is not None:
                    tally.notes.append(f"worker {of.number} could not begin: {error}")

    def _begun(self, of: _Worker, begun: int) -> None:
        self.tally.begun += begun - of.begun
        of.begun = begun

    def _died(self, of: _Worker) -> None:
        of.done = True
        of.process.join(1)
        lost = len(of.share.sessions) - of.told
        self._begun(of, of.told)  # the others are not open any more
        self.tally.notes.append(
            f"worker {of.number} died (exit status {of.process.exitcode}): {lost} sessions have "
            "no verdict"
        )

    # -- judging

    def _judge(self, session: int, played: Played) -> None:
        def done(future: Future[Result]) -> None:
            try:
                self._judged.put(future.result())
            except CancelledError:
                pass  # it was stopped
            except Exception as error:  # whatever it is, the session is waited for
                failed(error)

        def failed(error: Exception) -> None:
            why = "a process that judges died" if isinstance(error, BrokenExecutor) else repr(error)
            self._judged.put(Result(session, trace=played.replayed, error=f"not judged: {why}"))

        self._to_judge += 1
        rules, keep = self.options.rules, self.load.keep
        try:
            future = self._judges.submit(judging.judge, session, played, rules, keep)
        except BrokenExecutor as error:
            failed(error)
        else:
            future.add_done_callback(done)

    def _take_judged(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._judged_one(self._judged.get_nowait())

    def _judged_one(self, result: Result) -> None:
        self._to_judge -= 1
        self.tally.add(result)


def _say(to: _Worker, what: str) -> None:
    with contextlib.suppress(OSError):  # it has died, which is told elsewhere
        to.pipe.send(what)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C for later, and for ever from the processes that are started here.

    They would say a traceback each while they start.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
