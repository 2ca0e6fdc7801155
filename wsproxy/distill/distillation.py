"""Distill a long failing trace to a short one: reproduce, search, write, check."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wsproxy.catalog import PROBLEMS, Catalog, load
from wsproxy.compare import Difference, failure_differences
from wsproxy.compare.compared_outcome import ComparedOutcome
from wsproxy.compare.session_digest import SessionDigest
from wsproxy.errors import ConnectFailed, UsageError, WsproxyError
from wsproxy.redact import MIN_SECRET, HeadRedactor, fingerprint_key
from wsproxy.replayer import RECORDED_PACE, ClientOptions, Pace
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.replayer.script import Script
from wsproxy.session import Session
from wsproxy.trace import SUFFIX, Bytes, End, Eof, FrameRecord, TraceReader

from .attempts import Attempt, Attempts, BestAttempt, LimitReached, SearchLimits
from .result_trace import check_writable, write
from .script_parts import Candidate, Parts
from .search import Test, minimal_parts, minimal_pauses, short_ends, shortest_prefix

_FAST, _QUICK = Pace.parse("fast"), Pace.parse("x4")


def distilled_name(trace: Path) -> Path:
    """The default path of the new trace: in the folder of the old one."""
    return trace.with_name(f"{trace.name.removesuffix(SUFFIX)}-distilled{SUFFIX}")


@dataclass(frozen=True, slots=True)
class DistillReport:
    """The result of a distillation.

    Attributes:
        attempts: number of sessions with the server.
        trace: the new trace; None if the recorded failure was not reproduced.
        session: of the new trace, with findings.
        origin: id of the session that was distilled.
        pace: of the best attempt.
        parts, recorded_parts: number of the client's messages (and other parts), after and before.
        frames, recorded_frames: number of frames of the client.
        seconds, recorded_seconds: duration of the session.
        minimal: no single part can be removed.
        stopped: what ended the search early: "attempts", "time", "interrupted", or the text of
            an error.
        error_status: exit status of that error; 0 without one.
        checked: whether a replay of the new trace failed in the same way; None if that could
            not be tried.
        differences: between the failures, if the recording or the new trace was not
            reproduced.
    """

    attempts: int
    trace: Path | None = None
    session: Session | None = None
    origin: str = "?"
    pace: str = ""
    parts: int = 0
    recorded_parts: int = 0
    frames: int = 0
    recorded_frames: int = 0
    seconds: float = 0.0
    recorded_seconds: float = 0.0
    minimal: bool = False
    stopped: str = ""
    error_status: int = 0
    checked: bool | None = None
    differences: tuple[Difference, ...] = ()

    @property
    def exit_status(self) -> int:
        """0: distilled; 1: not reproduced; else the status of the error that ended the search."""
        if self.trace is None or self.checked is False:
            return 1
        return self.error_status

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
            "messages": {"recorded": self.recorded_parts, "distilled": self.parts},
            "frames_sent": {"recorded": self.recorded_frames, "distilled": self.frames},
            "duration_s": {"recorded": self.recorded_seconds, "distilled": self.seconds},
            "differences": [difference.as_json() for difference in self.differences],
        }


def _ignore_attempt(_attempt: Attempt) -> None:
    pass


class Distillation:
    """Makes the shortest trace that fails in the same way as a given one.

    Args:
        trace: a session that failed.
        out: the new trace; its folder must exist.
        options: how the server is reached; its pace is not used.
        limits: of the search.
        force: replace `out`.
        on_attempt: called when an attempt begins and when it ends.
        catalog: None: the catalog of `catalog.load`.
        redact: redacts the attempts; None: as the recorder does.

    Attributes:
        report: set when `run` ends, even if it was cancelled.

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
        on_attempt: Callable[[Attempt], None] = _ignore_attempt,
        catalog: Catalog | None = None,
        redact: HeadRedactor | None = None,
    ) -> None:
        self._catalog = catalog or load()
        self._trace, self._out, self._options = trace, out, options
        self._limits = limits or SearchLimits()
        self._on_attempt = on_attempt
        self._redact = redact or HeadRedactor(
            self._catalog.credentials, fingerprint_key(), self._catalog.key_shapes
        )
        _require_server_failure(trace, self._catalog)
        check_writable(out, trace, force=force)
        self._force = force
        self._parts = Parts(Script.read(trace, "client", Pace.parse("causal")))
        self._minimal = False
        self.report: DistillReport | None = None

    @property
    def recorded_parts(self) -> int:
        """Number of parts of the recording."""
        return len(self._parts.parts)

    async def run(self) -> DistillReport:
        """Search, write the result, and replay it once more.

        If it is cancelled, what was found so far is written.

        Raises:
            ConnectFailed: the server cannot be reached, from the beginning.
            UsageError: a credential is missing, or something cannot be written.
        """
        with tempfile.TemporaryDirectory(prefix="wsproxy-distill-") as folder:
            recordings = ReplayRecording(Path(folder), self._redact)
            attempts = Attempts(
                self._trace, self._parts, self._options, recordings, self._limits, self._on_attempt
            )
            stopped, error_status = "", 0
            try:
                await self._search(attempts)
            except LimitReached as limit:
                stopped = str(limit)
            except asyncio.CancelledError:
                self.report = self._write_result(attempts, "interrupted", 0)
                raise
            except WsproxyError as error:
                if attempts.best is None:
                    raise
                stopped, error_status = str(error), error.exit_status
            self.report = self._write_result(attempts, stopped, error_status)
            if self.report.trace is not None and not error_status:
                self.report = await self._check_result(attempts, self.report)
        return self.report

    # -- searching

    async def _search(self, attempts: Attempts) -> None:
        pace = await self._reproduce(attempts)
        if pace is None or attempts.best is None:
            return

        async def test(candidate: Candidate) -> bool:
            return await attempts.test(candidate, pace)

        await self._shorten(attempts, test)
        if pace.depends_on_clock:
            await self._shorten_pauses(attempts, test)
        self._minimal = True

    async def _reproduce(self, attempts: Attempts) -> Pace | None:
        """The fastest pace at which the failure is reproduced; None if it is not.

        Many servers do not accept minutes of audio at once, but a few messages: before the
        recording is replayed at its own pace, short ends of it are tried.
        """
        full = self._parts.full
        attempts.phase = "the recording"
        fast_reproduces = await attempts.test(full, _FAST)
        if await self._try_short_ends(attempts, _FAST) or fast_reproduces:
            return _FAST
        if not self._parts.script.session.accepted:
            return None  # without frames the pace makes no difference
        for pace in (_QUICK, RECORDED_PACE):
            attempts.phase = "the recording"
            if await attempts.test(full, pace):
                await self._try_short_ends(attempts, pace)
                return pace
        return None

    async def _try_short_ends(self, attempts: Attempts, pace: Pace) -> bool:
        attempts.phase = "the end alone"
        if not self._parts.full.kept:
            return False
        if pace.depends_on_clock:
            nothing = self._parts.without(self._parts.full, self._parts.full.kept, keep_time=True)
            if await attempts.test(nothing, pace):
                return True
        for candidate in short_ends(self._parts):
            if await attempts.test(candidate, pace):
                return True
        return False

    async def _shorten(self, attempts: Attempts, test: Test) -> None:
        attempts.phase = "the shortest beginning"
        prefix = await shortest_prefix(self._parts, _best_attempt(attempts).candidate, test)
        attempts.phase = "the fewest messages"
        await minimal_parts(self._parts, prefix, test)

    async def _shorten_pauses(self, attempts: Attempts, test: Test) -> None:
        """Shorten a timing-dependent failure: find the required messages, then the pauses."""
        attempts.phase = "pauses instead of messages"
        await minimal_parts(self._parts, _best_attempt(attempts).candidate, test, keep_time=True)
        attempts.phase = "the fewest pauses"
        if not await attempts.test(_best_attempt(attempts).candidate, _FAST):
            await minimal_pauses(self._parts, _best_attempt(attempts).candidate, test)

    # -- what was found

    def _write_result(self, attempts: Attempts, stopped: str, error_status: int) -> DistillReport:
        session = self._parts.script.session
        report = DistillReport(
            attempts.count,
            origin=session.id,
            recorded_parts=self.recorded_parts,
            recorded_frames=session.sent.frames,
            recorded_seconds=round(session.duration_ns / 1e9, 3),
            stopped=stopped,
            error_status=error_status,
        )
        best = attempts.best
        if best is None:
            last = attempts.last
            different = tuple(failure_differences(last)) if last is not None else ()
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
        written_session = write(
            best.trace,
            self._out,
            origin=session.id,
            changes=[_change_line(report)],
            catalog=self._catalog,
            credentials=self._message_credentials(),
            force=self._force,
        )
        return replace(report, session=written_session)

    def _message_credentials(self) -> tuple[str, ...]:
        """Credentials that may have been filled into messages."""
        provider = self._catalog.provider(self._parts.script.session.provider or "")
        variables = provider.credentials.environment if provider is not None else ()
        values = [value for _, value in self._options.fields]
        values += [os.environ.get(name, "") for name in variables]
        return tuple(value for value in values if len(value) >= MIN_SECRET)

    async def _check_result(self, attempts: Attempts, report: DistillReport) -> DistillReport:
        """Replay the new trace itself, as its recipient will."""
        script = await asyncio.to_thread(Script.read, self._out, "client", RECORDED_PACE)
        different: tuple[Difference, ...] = ()
        for _ in range(self._limits.tries):
            try:
                verdict = await attempts.play(self._out, script)
            except ConnectFailed as error:
                return replace(report, stopped=str(error), error_status=error.exit_status)
            different = tuple(failure_differences(verdict))
            if not different:
                return replace(report, checked=True)
        return replace(report, checked=False, differences=different)


def _best_attempt(attempts: Attempts) -> BestAttempt:
    assert attempts.best is not None  # the recording itself was the first attempt
    return attempts.best


def _require_server_failure(trace: Path, catalog: Catalog) -> None:
    """Check that the session failed, and that the failure depends on the server.

    Raises:
        UsageError: it did not fail, or fails in the same way at any server.
    """
    outcome = ComparedOutcome.read(trace, catalog)
    if not outcome.failed and outcome.severity not in PROBLEMS:
        raise UsageError(f"{trace}: this session did not fail; there is nothing to reproduce")
    digest = outcome.digest
    if not digest.session.accepted or digest.errors or digest.received.violations:
        return
    if (
        ComparedOutcome.from_digest(_with_silent_server(trace, catalog), catalog).fields()
        == outcome.fields()
    ):
        raise UsageError(
            f"{trace}: the client ended this session, and no error of the server led to that; a "
            "replay ends it in the same way at any server"
        )


def _with_silent_server(trace: Path, catalog: Catalog) -> SessionDigest:
    """The session as it would be with a server that accepts it and then stays silent."""
    digest = SessionDigest(catalog)
    with TraceReader(trace) as reader:
        for record in reader:
            match record:
                case FrameRecord() | Bytes() | Eof() if not record.from_client:
                    pass
                case End():
                    pass  # it depends on the server
                case _:
                    digest.add(record)
    return digest


def _change_line(report: DistillReport) -> str:
    return (
        f"distilled: {report.frames:,} of {report.recorded_frames:,} frames, "
        f"{report.seconds:.1f} of {report.recorded_seconds:.1f} s, in {report.attempts} attempts"
    )
