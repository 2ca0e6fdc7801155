"""What the commands that replay print, and how Ctrl-C ends them."""

from __future__ import annotations

import asyncio
import contextlib
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
from wsproxy.report.load import timing_error
from wsproxy.report.safe_text import safe
from wsproxy.report.trimmed_lines import Trimmed

from .replay_options import VERDICTS

T = TypeVar("T")

INTERRUPTED = 130  # the status of a shell after Ctrl-C; `git bisect run` stops on it
_STOPPING = (signal.SIGINT, signal.SIGTERM)
UNPROVEN = 125  # `git bisect run` skips the commit

_STYLES = {"reproduced": "bold green", "unproven": "bold yellow"}


class Screen:
    """Output for people; with --json only verdicts, as JSON.

    Args:
        aside: write to stderr, because stdout belongs to a command that is run.
    """

    def __init__(self, *, as_json: bool, aside: bool = False) -> None:
        self._json = as_json
        self._file = sys.stderr if aside else sys.stdout
        self._out = Console(highlight=False, soft_wrap=True, file=self._file)

    def announce(self, line: str) -> None:
        """Print a line that scripts wait for."""
        print(line, file=sys.stderr if self._json else self._file, flush=True)

    def say(self, line: str) -> None:
        """Print a line for people."""
        if not self._json:
            self._out.print(Text(safe(line)))

    def warn(self, line: str) -> None:
        """Print a line on stderr, with --json too."""
        print(safe(line), file=sys.stderr, flush=True)  # noqa: T201

    @contextmanager
    def interruptible(self, known: Callable[[], str]) -> Iterator[None]:
        """Let Ctrl-C and SIGTERM end the body of a `with`, so that its trace gets an end record.

        Args:
            known: the results so far, for the line that is printed then.

        Raises:
            Interrupted: one of them ended it; the line is printed.
        """
        # A shell starts background jobs with SIGINT ignored, and Python does not change that.
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
            Interrupted: see `interruptible`.
        """

        async def body() -> T:
            with _stopped_between_callbacks():
                return await what()

        with self.interruptible(known):
            return asyncio.run(body())

    def verdict(self, verdict: Verdict) -> None:
        """Print the verdict of one session."""
        if self._json:
            print(dumps(verdict.as_json()), file=self._file, flush=True)
            return
        style = _STYLES.get(verdict.verdict, "bold red")
        name = verdict.verdict.replace("-", " ").upper()
        self._out.print(Text.assemble((name, style), _because(verdict)))
        if verdict.differences:
            self._out.print(Trimmed(report.differences(verdict.differences)), end="")
        if line := report.words(verdict.sent, verdict.wer):
            self._out.print(Text(line))
        for line in report.qualified(verdict.not_compared, verdict.notes, "--json"):
            self._out.print(Text(line))
        late = verdict.lateness_ms
        self._out.print(Text(timing_error({"p50": late.p50, "p99": late.p99, "max": late.max})))
        if verdict.trace is not None:
            self._out.print(Text(safe(f"trace of the replay: {verdict.trace}")))

    def counts(self, verdicts: list[Verdict]) -> None:
        """Print the number of sessions by verdict, if there are several."""
        if len(verdicts) > 1:
            self.say(counted(verdicts))


def _because(verdict: Verdict) -> str:
    """What a verdict rests on, to follow its name."""
    recorded, replayed = report.what(verdict.recorded), report.what(verdict.replayed)
    if verdict.reproduced:
        return f"{report.within(verdict.tolerance)}: {recorded}, as recorded"
    if recorded == replayed:
        return f": {recorded}, as recorded, but the sessions differ before that"
    return f": recorded: {recorded}; replayed: {replayed}"


class Interrupted(Exception):
    """Ctrl-C or SIGTERM ended the command."""


@contextmanager
def _stopped_between_callbacks() -> Iterator[None]:
    """Let SIGINT and SIGTERM cancel the current task, and end it as Ctrl-C does.

    asyncio's own handler of SIGINT cancels it in the middle of any callback, such as one that is
    about to set the result of the future that the task waits for. The loop's come between two.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    try:
        for number in _STOPPING:
            loop.add_signal_handler(number, task.cancel)
    except NotImplementedError:  # Windows, where SIGTERM gets the handler of SIGINT
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        yield
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number in _STOPPING:
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, signal.default_int_handler)


def counted(verdicts: list[Verdict], of: int = 0) -> str:
    """The number of sessions by verdict, on one line.

    Args:
        of: the number of sessions asked for; 0: no number was.
    """
    many = Counter(verdict.verdict for verdict in verdicts)
    parts = [f"{many[name]} {name}" for name in (*VERDICTS, "unproven") if many[name]]
    sessions = f"{len(verdicts)}{f' of {of}' if of else ''} sessions"
    return f"{sessions}: {', '.join(parts)}" if parts else sessions


def leave(verdicts: list[Verdict], until: str | None) -> NoReturn:
    """Exit with the status for the verdicts.

    Args:
        until: the verdict to wait for, if any.
    """
    statuses = {verdict.exit_status for verdict in verdicts}
    if until is not None and any(verdict.verdict == until for verdict in verdicts):
        sys.exit(0)
    if until is not None and statuses != {UNPROVEN}:
        sys.exit(1)
    sys.exit(1 if 1 in statuses or not statuses else max(statuses))


def leave_bisecting(verdicts: list[Verdict], *, complete: bool) -> NoReturn:
    """Exit with the status for `git bisect run`: 1 if the failure was reproduced, 0 if not.

    125, which skips the commit, if neither is known: another failure, or no verdict.

    Args:
        complete: all sessions asked for were played.
    """
    found = {verdict.verdict for verdict in verdicts}
    if "reproduced" in found:
        sys.exit(1)
    sys.exit(0 if complete and found == {"not-reproduced"} else UNPROVEN)
