"""`wsproxy replay client --sessions N`: many sessions at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from wsproxy.errors import UsageError
from wsproxy.load import MAX_SESSIONS, LoadPlan, LoadStats, run
from wsproxy.replayer import ClientOptions
from wsproxy.replayer.recording import ReplayRecording
from wsproxy.report import load as report
from wsproxy.report.json_output import dumps
from wsproxy.report.text import safe

from .number import Number
from .replay_screen import INTERRUPTED

F = TypeVar("F", bound=Callable[..., Any])

_LINE_EVERY = 5.0  # seconds, where there is no terminal


def load_options(function: F) -> F:
    """Add what makes a load of a replay as the client."""
    options = [
        click.option(
            "--sessions",
            type=click.IntRange(min=1, max=MAX_SESSIONS),
            metavar="N",
            help=f"Replay it in so many sessions at once, up to {MAX_SESSIONS}, each judged.",
        ),
        click.option(
            "--ramp",
            type=Number(min=0, max=86_400),
            metavar="SECONDS",
            help="Begin the sessions evenly over this time; all at once by default.",
        ),
        click.option(
            "--workers",
            type=click.IntRange(min=1, max=256),
            metavar="W",
            help="Processes that play the sessions; one a processor by default.",
        ),
        click.option(
            "--keep",
            type=click.Choice(["failed", "all", "none"]),
            help="Of --sessions, the traces that stay: failed (the default) are those that are "
            "not reproduced.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def load_of(
    sessions: int | None,
    ramp: float | None,
    workers: int | None,
    keep: str | None,
    *,
    alone: Mapping[str, object],
) -> LoadPlan | None:
    """What the options ask for; None if it is no load.

    Args:
        alone: the options, by their names, that ask for sessions one after another.

    Raises:
        UsageError: options that exclude each other.
    """
    given = {"--ramp": ramp, "--workers": workers, "--keep": keep}
    if sessions is None:
        for option, value in given.items():
            if value is not None:
                raise UsageError(f"{option} goes with --sessions")
        return None
    for other, asked in alone.items():
        if asked:
            raise UsageError(f"--sessions excludes {other}")
    return LoadPlan(sessions, ramp or 0.0, workers or 0, keep or "failed")


def replay_load(
    trace: Path, options: ClientOptions, load: LoadPlan, into: ReplayRecording, *, as_json: bool
) -> NoReturn:
    """Replay, show how it goes, and exit: 0 if every session was reproduced, else 1."""
    # A shell starts background jobs with SIGINT ignored; SIGTERM ends it as Ctrl-C does.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    records = partial(ReplayRecording.into, into.folder, keep=into.keep)
    console = Console(highlight=False)
    if as_json:
        tally = run(trace, options, load, records)
        print(dumps(tally.as_json()))  # noqa: T201
    elif console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            tally = run(trace, options, load, records, lambda known: live.update(_screen(known)))
            live.update(_screen(tally))
    else:
        tally = run(trace, options, load, records, _Lines(console))
        console.print(_screen(tally))
    if tally.stopped:
        print(f"stopped: {_line(tally)}", file=sys.stderr)  # noqa: T201
        sys.exit(INTERRUPTED)
    sys.exit(0 if tally.reproduced else 1)


class _Lines:
    """Prints a line every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = monotonic() + _LINE_EVERY

    def __call__(self, tally: LoadStats) -> None:
        if monotonic() >= self._next:
            self._next = monotonic() + _LINE_EVERY
            self._console.print(Text(_line(tally)), soft_wrap=True)


def _screen(tally: LoadStats) -> Any:
    return report.screen(tally.as_json(results=False))


def _line(tally: LoadStats) -> str:
    return safe(report.line(tally.as_json(results=False)))
