"""Start the processes of a load, collect their reports, and stop them."""

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
from wsproxy.replayer import ClientOptions, ClientReplay, ReplayResult
from wsproxy.replayer.replay_trace import ReplayRecording

from . import judge
from .stats import LoadStats, SessionResult
from .worker import (
    START,
    STOP,
    SessionEnded,
    WorkerDone,
    WorkerEvent,
    WorkerProgress,
    WorkerReady,
    WorkerShare,
    run_worker,
)

MAX_SESSIONS = 10_000
_POLL_INTERVAL = 0.25  # seconds
_STOP_TIMEOUT = 5.0  # seconds for workers to end their recordings
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The amount of load, and which traces to keep.

    Attributes:
        sessions: total number, at most MAX_SESSIONS.
        ramp: seconds over which they begin, evenly.
        workers: number of worker processes, at most one per session; 0: one per processor.
        keep: which traces to keep: of "failed" sessions (all that are not reproduced), "all",
            "none".
    """

    sessions: int
    ramp: float = 0.0
    workers: int = 0
    keep: str = "failed"

    def check(self) -> None:
        """Check the values.

        Raises:
            UsageError: a value is invalid.
        """
        if not 1 <= self.sessions <= MAX_SESSIONS:
            raise UsageError(f"{self.sessions} sessions: from 1 to {MAX_SESSIONS}")
        if not 0 <= self.ramp <= 86_400:
            raise UsageError(f"a ramp of {self.ramp:g} seconds: from 0 to 86400")
        if self.keep not in judge.KEEP_CHOICES:
            raise UsageError(f"keep {self.keep!r}: give {', '.join(judge.KEEP_CHOICES)}")
        if self.workers < 0:
            raise UsageError(f"{self.workers} workers: give 1 or more")

    @property
    def processes(self) -> int:
        """Number of worker processes."""
        return min(self.workers or os.cpu_count() or 1, self.sessions)


def run(
    trace: Path,
    options: ClientOptions,
    load: LoadPlan,
    recordings: Callable[[], ReplayRecording],
    show: Callable[[LoadStats], None] = lambda stats: None,
) -> LoadStats:
    """Replay a trace in many sessions at once, and judge each.

    Ctrl-C ends it with the statistics so far, and `stopped` is set. Call it from the main
    thread of a program that can be imported: its processes are spawned.

    Args:
        load: the amount of load.
        recordings: returns how sessions are recorded. Other processes call it, so that it must
            be a function of a module, or a `functools.partial` of one.
        show: called at intervals with the statistics so far.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: a value is invalid, a credential is missing, or the folder cannot be
            written.
    """
    load.check()
    ClientReplay(trace, options)  # report its errors once, before starting processes
    recordings().check()
    stats = LoadStats(load.sessions, load.ramp, load.processes, tolerance=options.rules.tolerance)
    coordinator = _Coordinator(trace, options, load, recordings, stats)
    with coordinator.processes():
        try:
            coordinator.start()
            while not coordinator.finished:
                coordinator.poll()
                show(stats)
        except KeyboardInterrupt:
            coordinator.stop()
    show(stats)
    return stats


@dataclass(slots=True)
class _Worker:
    """A worker process.

    Attributes:
        begun: number of its sessions that have begun, as last reported.
        reported: number of its sessions whose end it has reported.
    """

    number: int
    process: BaseProcess
    pipe: Connection
    share: WorkerShare
    ready: bool = False
    done: bool = False
    begun: int = 0
    reported: int = 0


@dataclass(slots=True)
class _Coordinator:
    """One load while it runs."""

    trace: Path
    options: ClientOptions
    load: LoadPlan
    recordings: Callable[[], ReplayRecording]
    stats: LoadStats
    _workers: list[_Worker] = field(default_factory=list)
    _judges: ProcessPoolExecutor = field(init=False)
    _judged: queue.SimpleQueue[SessionResult] = field(default_factory=queue.SimpleQueue)
    _to_judge: int = 0
    _began: float = 0.0

    # -- start and stop

    @contextlib.contextmanager
    def processes(self) -> Iterator[None]:
        """Run the processes for the body of a `with`; none is left afterwards."""
        count = self.load.processes
        self._judges = ProcessPoolExecutor(
            count, _SPAWN, judge.initialize_process, initargs=(given_files(),)
        )
        try:
            with _uninterrupted():
                for number in range(count):
                    self._workers.append(self._start(number))
                for _ in range(count):
                    self._judges.submit(judge.warm_up)
            yield
        finally:
            self._judges.shutdown(cancel_futures=True)
            for each in self._workers:
                each.process.join(0 if not each.done else _STOP_TIMEOUT)
                if each.process.is_alive():
                    each.process.kill()
                    each.process.join()
                each.pipe.close()

    def _start(self, number: int) -> _Worker:
        load = self.load
        session_numbers = range(number + 1, load.sessions + 1, load.processes)
        share = WorkerShare(
            self.trace,
            self.options,
            session_numbers,
            load.ramp / load.sessions,
            self.recordings,
            given_files(),
        )
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=run_worker, args=(theirs, share), daemon=True)
        process.start()
        theirs.close()  # so that the pipe ends with the process
        return _Worker(number + 1, process, ours, share)

    def start(self) -> None:
        """Start all workers once all are ready."""
        while any(not each.ready and not each.done for each in self._workers):
            self._receive()
        for each in self._workers:
            _send(each, START)
        self._began = time.monotonic()

    def stop(self) -> None:
        """Stop all workers, and collect their last reports; sessions in progress are not judged."""
        self.stats.stopped = True
        with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C stops at once
            for each in self._workers:
                _send(each, STOP)
            until = time.monotonic() + _STOP_TIMEOUT
            while any(not each.done for each in self._workers) and time.monotonic() < until:
                self.poll()
            self._collect_judged()

    @property
    def finished(self) -> bool:
        """Whether every session has been played and judged."""
        return not self._to_judge and all(each.done for each in self._workers)

    # -- reports

    def poll(self) -> None:
        """Collect reports and verdicts; waits at most _POLL_INTERVAL."""
        self._receive()
        self._collect_judged()
        self.stats.seconds = time.monotonic() - self._began if self._began else 0.0

    def _receive(self) -> None:
        pipes = {each.pipe: each for each in self._workers if not each.done}
        if not pipes:
            with contextlib.suppress(queue.Empty):
                self._add_judged(self._judged.get(timeout=_POLL_INTERVAL))
            return
        for pipe in wait(list(pipes), _POLL_INTERVAL):
            assert isinstance(pipe, Connection)
            self._receive_from(pipes[pipe])

    def _receive_from(self, worker: _Worker) -> None:
        try:
            while not worker.done:
                self._handle(worker, worker.pipe.recv())
                if not worker.pipe.poll():
                    break
        except (EOFError, OSError):
            self._on_worker_died(worker)

    def _handle(self, worker: _Worker, event: WorkerEvent) -> None:
        stats = self.stats
        match event:
            case WorkerReady():
                worker.ready = True
            case WorkerProgress(begun, lateness):
                self._update_begun(worker, begun)
                stats.lateness.merge(lateness)
            case SessionEnded(session, played, begun):
                self._update_begun(worker, begun)
                worker.reported += 1
                stats.played += 1
                if isinstance(played, str):
                    stats.add(SessionResult(session, error=played))
                else:
                    self._judge(session, played)
            case WorkerDone(error):
                worker.done = True
                if error is not None:
                    stats.notes.append(f"worker {worker.number} could not start: {error}")

    def _update_begun(self, worker: _Worker, begun: int) -> None:
        self.stats.begun += begun - worker.begun
        worker.begun = begun

    def _on_worker_died(self, worker: _Worker) -> None:
        worker.done = True
        worker.process.join(1)
        unjudged = len(worker.share.sessions) - worker.reported
        self._update_begun(worker, worker.reported)  # its other sessions are not open any more
        self.stats.notes.append(
            f"worker {worker.number} died (exit status {worker.process.exitcode}): {unjudged} "
            "sessions have no verdict"
        )

    # -- judging

    def _judge(self, session: int, played: ReplayResult) -> None:
        def done(future: Future[SessionResult]) -> None:
            try:
                self._judged.put(future.result())
            except CancelledError:
                pass  # the load was stopped
            except Exception as error:  # the session must get a result in any case
                failed(error)

        def failed(error: Exception) -> None:
            why = "a judge process died" if isinstance(error, BrokenExecutor) else repr(error)
            self._judged.put(
                SessionResult(session, trace=played.replayed, error=f"not judged: {why}")
            )

        self._to_judge += 1
        rules, keep = self.options.rules, self.load.keep
        try:
            future = self._judges.submit(judge.judge, session, played, rules, keep)
        except BrokenExecutor as error:
            failed(error)
        else:
            future.add_done_callback(done)

    def _collect_judged(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._add_judged(self._judged.get_nowait())

    def _add_judged(self, result: SessionResult) -> None:
        self._to_judge -= 1
        self.stats.add(result)


def _send(to: _Worker, what: str) -> None:
    with contextlib.suppress(OSError):  # it has died; `_on_worker_died` reports that
        to.pipe.send(what)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Block SIGINT for the body of a `with`, and for good in the processes it starts.

    Each of them would print a traceback during its start.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
