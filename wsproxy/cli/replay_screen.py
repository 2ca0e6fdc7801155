"""What the commands that replay print, and how Ctrl-C ends them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from rich.console import Console
from rich.text import Text

from wsproxy.replayer import Verdict
from wsproxy.report import differences as report
from wsproxy.report.json_output import dumps
from wsproxy.report.text import safe

from .replay_options import VERDICTS

T = TypeVar("T")

INTERRUPTED = 130  # what a shell makes of Ctrl-C; `git bisect run` stops on it
UNPROVEN = 125  # `git bisect run` skips the commit

_STYLES = {"reproduced": "bold green", "unproven": "bold yellow"}


class Screen:
    """What people see; with --json, only verdicts, and those as JSON.

    Args:
        aside: all of it goes to stderr, as a command's output has stdout for its own.
    """

    def __init__(self, *, as_json: bool, aside: bool = False) -> None:
        self._json = as_json
        self._file = sys.stderr if aside else sys.stdout
        self._out = Console(highlight=False, soft_wrap=True, file=self._file)

    def announce(self, line: str) -> None:
        """A line that scripts wait for."""
        print(line, file=sys.stderr if self._json else self._file, flush=True)

    def say(self, line: str) -> None:
        """A line for people."""
        if not self._json:
            self._out.print(Text(safe(line)))

    def warn(self, line: str) -> None:
        """A line on stderr, whoever reads."""
        print(safe(line), file=sys.stderr, flush=True)  # noqa: T201

    @contextmanager
    def interruptible(self, known: Callable[[], str]) -> Iterator[None]:
        """A body that Ctrl-C and SIGTERM end alike, so that its trace gets its end record.

        Args:
            known: what is known so far, for the line that they end it with.

        Raises:
            Interrupted: one of them did; the line is printed.
        """
        # A shell starts background jobs with SIGINT ignored, and Python leaves that so.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            yield
        except KeyboardInterrupt:
            self.warn(f"stopped: {known()}")
            raise Interrupted from None

    def run(self, what: Callable[[], Awaitable[T]], known: Callable[[], str]) -> T:
        """Run a coroutine, interruptible.

        Raises:
            Interrupted: see there.
        """

        async def body() -> T:
            # asyncio.run() has taken SIGINT over, to cancel what runs.
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
            try:
                return await what()
            finally:
                signal.signal(signal.SIGTERM, signal.default_int_handler)

        with self.interruptible(known):
            return asyncio.run(body())

    def verdict(self, verdict: Verdict) -> None:
        """What one session came to."""
        if self._json:
            print(dumps(verdict.as_json()), file=self._file, flush=True)
            return
        style = _STYLES.get(verdict.verdict, "bold red")
        recorded = f"  recorded: {report.what(verdict.recorded)}"
        within = report.within(verdict.tolerance) if verdict.reproduced else ""
        self._out.print(Text.assemble((verdict.verdict, style), within, recorded))
        if verdict.differences:
            self._out.print(report.differences(verdict.differences))
        if line := report.words(verdict.sent, verdict.wer):
            self._out.print(Text(line))
        for line in report.qualified(verdict.not_compared, verdict.notes):
            self._out.print(Text(line))
        late = verdict.lateness_ms
        pace = f"half {late.p50:.1f} ms, 1 in 100 {late.p99:.1f} ms, most {late.max:.1f} ms"
        self._out.print(Text(f"steps late by: {pace}"))
        if verdict.trace is not None:
            self._out.print(Text(safe(f"recorded as {verdict.trace}")))

    def counts(self, verdicts: list[Verdict]) -> None:
        """How many came to which verdict, where there are several."""
        if len(verdicts) > 1:
            self.say(counted(verdicts))


class Interrupted(Exception):
    """Ctrl-C ended it."""


def counted(verdicts: list[Verdict], of: int = 0) -> str:
    """How many came to which verdict, on one line.

    Args:
        of: how many there were to be; 0: it was open.
    """
    many = Counter(verdict.verdict for verdict in verdicts)
    parts = [f"{many[name]} {name}" for name in (*VERDICTS, "unproven") if many[name]]
    sessions = f"{len(verdicts)}{f' of {of}' if of else ''} sessions"
    return f"{sessions}: {', '.join(parts)}" if parts else sessions


def leave(verdicts: list[Verdict], until: str | None) -> NoReturn:
    """Exit with the status that the verdicts come to.

    Args:
        until: the verdict that was waited for, if one was.
    """
    statuses = {verdict.exit_status for verdict in verdicts}
    if until is not None and any(verdict.verdict == until for verdict in verdicts):
        sys.exit(0)
    if until is not None and statuses != {UNPROVEN}:
        sys.exit(1)
    sys.exit(1 if 1 in statuses or not statuses else max(statuses))


def leave_bisecting(verdicts: list[Verdict], *, whole: bool) -> NoReturn:
    """Exit as `git bisect run` takes it where a failure is the bad: 1 it came, 0 it did not.

    125, a commit to skip, where neither is known: another failure came, or no verdict.

    Args:
        whole: all sessions that were asked for were played.
    """
    found = {verdict.verdict for verdict in verdicts}
    if "reproduced" in found:
        sys.exit(1)
    sys.exit(0 if whole and found == {"not-reproduced"} else UNPROVEN)
