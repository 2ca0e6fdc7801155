"""From a long trace that fails to a short one: reproduce, search, write, check."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wsproxy.catalog import Catalog, load
from wsproxy.compare import Difference, of_failure
from wsproxy.compare.outcome import Outcome
from wsproxy.compare.session_digest import SessionDigest
from wsproxy.errors import ConnectFailed, UsageError, WsproxyError
from wsproxy.redact import MIN_SECRET, HeadRedactor, fingerprint_key
from wsproxy.replayer import RECORDED, ClientOptions, Pace
from wsproxy.replayer.recording import ReplayRecording
from wsproxy.replayer.script import Script
from wsproxy.session import Session
from wsproxy.trace import SUFFIX, Bytes, End, Eof, FrameRecord, TraceReader

from .attempts import Attempt, Attempts, BestAttempt, LimitReached, SearchLimits
from .candidates import Candidate, Parts
from .result_trace import check_place, write
from .search import Test, ends, fewest_parts, fewest_pauses, shortest_prefix

_FAST, _QUICK = Pace.parse("fast"), Pace.parse("x4")


def distilled_name(trace: Path) -> Path:
    """Where the new trace goes if nothing else is said: beside the old one."""
    return trace.with_name(f"{trace.name.removesuffix(SUFFIX)}-distilled{SUFFIX}")


@dataclass(frozen=True, slots=True)
class DistillReport:
    """What a distillation came to.

    Attributes:
        attempts: sessions with the server.
        trace: the new trace; None where the recorded failure did not come again.
        session: what it holds, findings included.
        origin: id of the session that it was distilled from.
        pace: at which the best attempt was made.
        parts, of_parts: messages (and what else can be left out) of the client, now and before.
        frames, of_frames: that the client sent.
        seconds, of_seconds: length of the session.
        minimal: no single part can be left out.
        stopped: what ended the search before that: "attempts", "time", "interrupted", or an
            error, in words.
        failed: the error's exit status; 0 without one.
        checked: whether the new trace itself failed in the same way when it was replayed;
            None where that could not be tried.
        differences: of the failure, where it did not come again: of the recording, or of the
            new trace.
    """

    attempts: int
    trace: Path | None = None
    session: Session | None = None
    origin: str = "?"
    pace: str = ""
    parts: int = 0
    of_parts: int = 0
    frames: int = 0
    of_frames: int = 0
    seconds: float = 0.0
    of_seconds: float = 0.0
    minimal: bool = False
    stopped: str = ""
    failed: int = 0
    checked: bool | None = None
    differences: tuple[Difference, ...] = ()

    @property
    def exit_status(self) -> int:
        """0 distilled; 1 it does not reproduce; else the status of the error that ended it."""
        if self.trace is None or self.checked is False:
            return 1
        return self.failed

    def as_json(self) -> dict[str, Any]:
        return {
            "trace": str(self.trace) if self.trace is not None else None,
            "session": self.session.id if self.session is not None else None,
            "origin": self.origin,
            "reproduced": self.trace is not None,
            "checked": self.checked,
            "minimal": self.minimal,
            "stopped": self.stopped or None,
            "attempts": self.attempts,
            "pace": self.pace,
            "messages": {"recorded": self.of_parts, "distilled": self.parts},
            "frames_sent": {"recorded": self.of_frames, "distilled": self.frames},
            "duration_s": {"recorded": self.of_seconds, "distilled": self.seconds},
            "differences": [difference.as_json() for difference in self.differences],
        }


def _quiet(_attempt: Attempt) -> None:
    pass


class Distillation:
    """Makes the shortest trace that fails as another one did.

    Args:
        trace: a session that failed.
        out: the new trace; its folder is there.
        options: how the server is reached; its pace is not used.
        force: replace `out`.
        tell: is told of each attempt, when it begins and when it is over.
        catalog: None: all that is known.
        redact: takes credentials out of the attempts; None: as the recorder does.

    Attributes:
        report: once `run` is over, also if it was cancelled.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: the session did not fail, or `out` cannot be written.
    """

    def __init__(
        self,
        trace: Path,
        out: Path,
        options: ClientOptions,
        *,
        limits: SearchLimits | None = None,
        force: bool = False,
        tell: Callable[[Attempt], None] = _quiet,
        catalog: Catalog | None = None,
        redact: HeadRedactor | None = None,
    ) -> None:
        self._catalog = catalog or load()
        self._trace, self._out, self._options = trace, out, options
        self._limits = limits or SearchLimits()
        self._tell = tell
        self._redact = redact or HeadRedactor(
            self._catalog.credentials, fingerprint_key(), self._catalog.key_shapes
        )
        _check_failed(trace, self._catalog)
        check_place(out, trace, force=force)
        self._force = force
        self._parts = Parts(Script.read(trace, "client", Pace.parse("causal")))
        self._minimal = False
        self.report: DistillReport | None = None

    @property
    def of_parts(self) -> int:
        """How many parts the recording has."""
        return len(self._parts.parts)

    async def run(self) -> DistillReport:
        """Search, write what was found, and replay that once more.

        If it is cancelled, what was found so far is written.

        Raises:
            ConnectFailed: the server cannot be reached, from the beginning.
            UsageError: a credential is missing, or something cannot be written.
        """
        with tempfile.TemporaryDirectory(prefix="wsproxy-distill-") as folder:
            records = ReplayRecording(Path(folder), self._redact)
            attempts = Attempts(
                self._trace, self._parts, self._options, records, self._limits, self._tell
            )
            stopped, failed = "", 0
            try:
                await self._search(attempts)
            except LimitReached as limit:
                stopped = str(limit)
            except asyncio.CancelledError:
                self.report = self._written(attempts, "interrupted", 0)
                raise
            except WsproxyError as error:
                if attempts.best is None:
                    raise
                stopped, failed = str(error), error.exit_status
            self.report = self._written(attempts, stopped, failed)
            if self.report.trace is not None and not failed:
                self.report = await self._checked(attempts, self.report)
        return self.report

    # -- searching

    async def _search(self, attempts: Attempts) -> None:
        pace = await self._reproduce(attempts)
        if pace is None or attempts.best is None:
            return

        async def test(candidate: Candidate) -> bool:
            return await attempts.test(candidate, pace)

        await self._shorten(attempts, test)
        if pace.by_clock:
            await self._shorten_time(attempts, test)
        self._minimal = True

    async def _reproduce(self, attempts: Attempts) -> Pace | None:
        """The pace at which the failure comes again, the fastest one first.

        Many servers do not take minutes of audio in a moment, but a few messages: before the
        recording is played at its own pace, its end is tried.
        """
        whole = self._parts.whole
        attempts.doing = "the recording"
        at_once = await attempts.test(whole, _FAST)
        if await self._from_the_end(attempts, _FAST) or at_once:
            return _FAST
        if not self._parts.script.session.accepted:
            return None  # there is no pace in what has no frames
        for pace in (_QUICK, RECORDED):
            attempts.doing = "the recording"
            if await attempts.test(whole, pace):
                await self._from_the_end(attempts, pace)
                return pace
        return None

    async def _from_the_end(self, attempts: Attempts, pace: Pace) -> bool:
        attempts.doing = "the end alone"
        if not self._parts.whole.kept:
            return False
        if pace.by_clock:
            nothing = self._parts.without(self._parts.whole, self._parts.whole.kept, hold=True)
            if await attempts.test(nothing, pace):
                return True
        for candidate in ends(self._parts):
            if await attempts.test(candidate, pace):
                return True
        return False

    async def _shorten(self, attempts: Attempts, test: Test) -> None:
        attempts.doing = "the shortest beginning"
        prefix = await shortest_prefix(self._parts, _best(attempts).candidate, test)
        attempts.doing = "the fewest messages"
        await fewest_parts(self._parts, prefix, test)

    async def _shorten_time(self, attempts: Attempts, test: Test) -> None:
        """Where the failure is a matter of time: what is one of messages, and what of pauses."""
        attempts.doing = "pauses in the place of messages"
        await fewest_parts(self._parts, _best(attempts).candidate, test, hold=True)
        attempts.doing = "the fewest pauses"
        if not await attempts.test(_best(attempts).candidate, _FAST):
            await fewest_pauses(self._parts, _best(attempts).candidate, test)

    # -- what was found

    def _written(self, attempts: Attempts, stopped: str, failed: int) -> DistillReport:
        session = self._parts.script.session
        report = DistillReport(
            attempts.count,
            origin=session.id,
            of_parts=self.of_parts,
            of_frames=session.sent.frames,
            of_seconds=round(session.duration_ns / 1e9, 3),
            stopped=stopped,
            failed=failed,
        )
        best = attempts.best
        if best is None:
            last = attempts.last
            different = tuple(of_failure(last)) if last is not None else ()
            return replace(report, differences=different)
        report = replace(
            report,
            trace=self._out,
            pace=str(best.pace),
            parts=len(best.candidate.kept),
            frames=best.frames,
            seconds=best.seconds,
            minimal=self._minimal,
        )
        made = write(
            best.trace,
            self._out,
            origin=session.id,
            changes=[_line(report)],
            catalog=self._catalog,
            secrets=self._secrets(),
            force=self._force,
        )
        return replace(report, session=made)

    def _secrets(self) -> tuple[str, ...]:
        """Credentials that may have been put into messages."""
        provider = self._catalog.provider(self._parts.script.session.provider or "")
        variables = provider.credentials.environment if provider is not None else ()
        values = [value for _, value in self._options.fields]
        values += [os.environ.get(name, "") for name in variables]
        return tuple(value for value in values if len(value) >= MIN_SECRET)

    async def _checked(self, attempts: Attempts, report: DistillReport) -> DistillReport:
        """Replay the new trace itself, as whoever gets it will."""
        script = await asyncio.to_thread(Script.read, self._out, "client", RECORDED)
        different: tuple[Difference, ...] = ()
        for _ in range(self._limits.tries):
            try:
                verdict = await attempts.play(self._out, script)
            except ConnectFailed as error:
                return replace(report, stopped=str(error), failed=error.exit_status)
            different = tuple(of_failure(verdict))
            if not different:
                return replace(report, checked=True)
        return replace(report, checked=False, differences=different)


def _best(attempts: Attempts) -> BestAttempt:
    assert attempts.best is not None  # the recording itself was tried first
    return attempts.best


def _check_failed(trace: Path, catalog: Catalog) -> None:
    """See that there is a failure, and that the server has a part in it.

    Raises:
        UsageError: there is none, or it comes again whatever a server does.
    """
    outcome = Outcome.read(trace, catalog)
    if not outcome.failed and outcome.severity in (None, "info"):
        raise UsageError(f"{trace}: this session did not fail; there is nothing to reproduce")
    story = outcome.story
    if not story.session.accepted or story.errors or story.received.violations:
        return
    if Outcome.of(_without_server(trace, catalog), catalog).fields() == outcome.fields():
        raise UsageError(
            f"{trace}: the client ended this session, and no error of the server led to that; a "
            "replay ends it in the same way at any server"
        )


def _without_server(trace: Path, catalog: Catalog) -> SessionDigest:
    """The session as if the server had accepted it and then been silent."""
    story = SessionDigest(catalog)
    with TraceReader(trace) as reader:
        for record in reader:
            match record:
                case FrameRecord() | Bytes() | Eof() if not record.from_client:
                    pass
                case End():
                    pass  # it would tell of them
                case _:
                    story.add(record)
    return story


def _line(report: DistillReport) -> str:
    return (
        f"distilled: {report.frames:,} of {report.of_frames:,} frames, "
        f"{report.seconds:.1f} of {report.of_seconds:.1f} s, in {report.attempts} attempts"
    )
