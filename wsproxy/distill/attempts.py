"""Tries candidates against the server: each is a session, recorded and judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wsproxy.compare import failure_differences
from wsproxy.errors import ConnectFailed
from wsproxy.replayer import ClientOptions, ClientReplay, Pace, Verdict, play_client_replay
from wsproxy.replayer.recording import ReplayRecording
from wsproxy.replayer.script import Script

from .candidates import Candidate, Parts

_AGAIN = 0.2  # seconds between two attempts to reach a server that was there before


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """When it is enough.

    Attributes:
        attempts: sessions with the server.
        seconds: in all; None: as long as it takes.
        tries: of a candidate; it fails if one of them does.
    """

    attempts: int = 100
    seconds: float | None = None
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """One session with the server, for showing.

    Attributes:
        number: from 1.
        doing: what is being looked for.
        parts: how many of the client's parts were sent.
        reproduced: whether it failed in the same way; None while that is not known.
        frames: that the client sent.
        seconds: that the session took.
    """

    number: int
    doing: str
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
    """A limit is reached: "attempts" or "time"."""


class Attempts:
    """Tries candidates, counts, and keeps the best.

    Args:
        trace: the recording.
        options: how the server is reached.
        records: where the sessions are recorded; the best one's trace stays there.
        tell: is told of each attempt, when it begins and when it is over.

    Attributes:
        doing: what is being looked for.
        count: sessions so far.
        best: None until one has failed as the recorded one.
        last: the verdict on the last attempt.
    """

    def __init__(
        self,
        trace: Path,
        parts: Parts,
        options: ClientOptions,
        records: ReplayRecording,
        limits: SearchLimits,
        tell: Callable[[Attempt], None],
    ) -> None:
        self.doing = ""
        self.count = 0
        self.best: BestAttempt | None = None
        self.last: Verdict | None = None
        self._trace = trace
        self._parts = parts
        self._options = options
        self._records = records
        self._limits = limits
        self._tell = tell
        self._began = time.monotonic()
        self._known: set[tuple[Candidate, Pace]] = set()

    async def test(self, candidate: Candidate, pace: Pace) -> bool:
        """Whether a candidate fails as the recorded session did. If so, it is the best one.

        Raises:
            Enough: a limit is reached.
            ConnectFailed: the server cannot be reached.
            UsageError: something is missing, or the recording cannot be written.
        """
        if (candidate, pace) in self._known:
            return False
        for _ in range(self._limits.tries):
            if await self._attempt(candidate, pace):
                return True
        self._known.add((candidate, pace))
        return False

    async def _attempt(self, candidate: Candidate, pace: Pace) -> bool:
        left = self._left()
        self.count += 1
        parts = len(candidate.kept)
        self._tell(Attempt(self.count, self.doing, parts, pace))
        # What failed in the same way is as good to compare with as the first, and shorter.
        compared = self.best.trace if self.best is not None else self._trace
        script = await asyncio.to_thread(self._parts.make, candidate, pace)
        try:
            async with asyncio.timeout(left):
                verdict = await self.play(compared, script)
        except TimeoutError:
            raise LimitReached("time") from None
        reproduced = not failure_differences(verdict)
        frames, seconds = verdict.replayed["frames_sent"], verdict.replayed["duration_s"]
        assert verdict.trace is not None  # they are kept, as `records` says
        if reproduced:
            self._keep(BestAttempt(candidate, pace, verdict.trace, frames, seconds))
        else:
            self.last = verdict
            verdict.trace.unlink(missing_ok=True)
        self._tell(Attempt(self.count, self.doing, parts, pace, reproduced, frames, seconds))
        return reproduced

    def _left(self) -> float | None:
        """Seconds that are left."""
        if self.count >= self._limits.attempts:
            raise LimitReached("attempts")
        if self._limits.seconds is None:
            return None
        left = self._began + self._limits.seconds - time.monotonic()
        if left <= 0:
            raise LimitReached("time")
        return left

    def _keep(self, best: BestAttempt) -> None:
        if self.best is not None:
            self.best.trace.unlink(missing_ok=True)
        self.best = best

    async def play(self, compared: Path, script: Script) -> Verdict:
        """One session.

        A server that was there is given time to come back: a failure may be its crash.

        Args:
            compared: the trace that it is compared with.

        Raises:
            ConnectFailed: the server cannot be reached.
            UsageError: something is missing, or the recording cannot be written.
        """
        call = await asyncio.to_thread(ClientReplay, compared, self._options, script)
        until = time.monotonic() + (self._options.timeout if self.count > 1 else 0)
        while True:
            try:
                return await play_client_replay(call, self._records)
            except ConnectFailed:
                if time.monotonic() >= until:
                    raise
            await asyncio.sleep(_AGAIN)
