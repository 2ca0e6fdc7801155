"""Run candidates against the server: each is a session, recorded and judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wsproxy.compare import failure_differences
from wsproxy.errors import ConnectFailed
from wsproxy.replayer import ClientOptions, ClientReplay, Pace, Verdict, play_and_judge
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.replayer.script import Script

from .script_parts import Candidate, Parts

_RECONNECT_INTERVAL = 0.2  # seconds


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """The limits of a search.

    Attributes:
        attempts: number of sessions with the server.
        seconds: total time; None: unlimited.
        tries: number of attempts per candidate; the candidate fails if one of them fails.
    """

    attempts: int = 100
    seconds: float | None = None
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """One session with the server, for progress reports.

    Attributes:
        number: from 1.
        phase: of the search.
        parts: number of the client's parts that were sent.
        reproduced: whether the session failed in the same way; None while it runs.
        frames: number of frames that the client sent.
        seconds: duration of the session.
    """

    number: int
    phase: str
    parts: int
    pace: Pace
    reproduced: bool | None = None
    frames: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class BestAttempt:
    """The smallest session so far that failed in the same way.

    Attributes:
        trace: its recording.
    """

    candidate: Candidate
    pace: Pace
    trace: Path
    frames: int
    seconds: float


class LimitReached(Exception):
    """A limit of the search was reached: "attempts" or "time"."""


class Attempts:
    """Runs candidates, counts them, and keeps the best.

    Args:
        trace: the recording.
        options: how the server is reached.
        recordings: how the sessions are recorded; the trace of the best one stays there.
        on_attempt: called when an attempt begins and when it ends.

    Attributes:
        phase: of the search, for progress reports.
        count: number of sessions so far.
        best: None until a session has failed in the recorded way.
        last: the verdict on the last attempt that did not reproduce the failure.
    """

    def __init__(
        self,
        trace: Path,
        parts: Parts,
        options: ClientOptions,
        recordings: ReplayRecording,
        limits: SearchLimits,
        on_attempt: Callable[[Attempt], None],
    ) -> None:
        self.phase = ""
        self.count = 0
        self.best: BestAttempt | None = None
        self.last: Verdict | None = None
        self._trace = trace
        self._parts = parts
        self._options = options
        self._recordings = recordings
        self._limits = limits
        self._on_attempt = on_attempt
        self._started = time.monotonic()
        self._failed_candidates: set[tuple[Candidate, Pace]] = set()

    async def test(self, candidate: Candidate, pace: Pace) -> bool:
        """Whether a candidate fails in the recorded way. If so, it becomes the best one.

        Raises:
            LimitReached: a limit is reached.
            ConnectFailed: the server cannot be reached.
            UsageError: a credential is missing, or the recording cannot be written.
        """
        if (candidate, pace) in self._failed_candidates:
            return False
        for _ in range(self._limits.tries):
            if await self._attempt(candidate, pace):
                return True
        self._failed_candidates.add((candidate, pace))
        return False

    async def _attempt(self, candidate: Candidate, pace: Pace) -> bool:
        remaining = self._remaining_seconds()
        self.count += 1
        parts = len(candidate.kept)
        self._on_attempt(Attempt(self.count, self.phase, parts, pace))
        # The best attempt failed in the same way, and is shorter than the recording.
        baseline = self.best.trace if self.best is not None else self._trace
        script = await asyncio.to_thread(self._parts.build_script, candidate, pace)
        try:
            async with asyncio.timeout(remaining):
                verdict = await self.play(baseline, script)
        except TimeoutError:
            raise LimitReached("time") from None
        reproduced = not failure_differences(verdict)
        frames, seconds = verdict.replayed["frames_sent"], verdict.replayed["duration_s"]
        assert verdict.trace is not None  # `recordings` keeps traces
        if reproduced:
            self._keep(BestAttempt(candidate, pace, verdict.trace, frames, seconds))
        else:
            self.last = verdict
            verdict.trace.unlink(missing_ok=True)
        self._on_attempt(Attempt(self.count, self.phase, parts, pace, reproduced, frames, seconds))
        return reproduced

    def _remaining_seconds(self) -> float | None:
        """Seconds that are left; None: unlimited."""
        if self.count >= self._limits.attempts:
            raise LimitReached("attempts")
        if self._limits.seconds is None:
            return None
        remaining = self._started + self._limits.seconds - time.monotonic()
        if remaining <= 0:
            raise LimitReached("time")
        return remaining

    def _keep(self, best: BestAttempt) -> None:
        if self.best is not None:
            self.best.trace.unlink(missing_ok=True)
        self.best = best

    async def play(self, baseline: Path, script: Script) -> Verdict:
        """Run one session.

        A server that was reachable before gets time to restart: the failure may be its crash.

        Args:
            baseline: the trace to compare with.

        Raises:
            ConnectFailed: the server cannot be reached.
            UsageError: a credential is missing, or the recording cannot be written.
        """
        replay = await asyncio.to_thread(ClientReplay, baseline, self._options, script)
        deadline = time.monotonic() + (self._options.timeout if self.count > 1 else 0)
        while True:
            try:
                return await play_and_judge(replay, self._recordings)
            except ConnectFailed:
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(_RECONNECT_INTERVAL)
