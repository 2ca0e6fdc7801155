"""`wsproxy load`: replay a trace as the client, in many sessions at once."""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from wsproxy.errors import UsageError
from wsproxy.load import MAX_SESSIONS, LoadPlan, LoadStats, run
from wsproxy.replayer import ClientOptions
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.report import load as report
from wsproxy.report.json_output import dumps
from wsproxy.report.safe_text import safe
from wsproxy.report.trimmed_lines import Trimmed
from wsproxy.system.address import public_url

from .catalog_option import catalog_option
from .number import Number
from .replay_options import client_options_of, records_of, replay_options, target_options
from .replay_screen import INTERRUPTED, Screen
from .tolerance_options import tolerance_options
from .width import console

_LINE_EVERY = 5.0  # seconds, if stdout is not a terminal


@click.command(name="load")
@catalog_option
@click.argument("trace", type=click.Path(path_type=Path, dir_okay=False))
@target_options
@click.option(
    "--sessions",
    required=True,
    type=click.IntRange(min=1, max=MAX_SESSIONS),
    metavar="N",
    help=f"Number of sessions to replay, up to {MAX_SESSIONS:,}; each gets a verdict.",
)
@click.option(
    "--ramp",
    type=Number(min=0, max=86_400),
    default=0.0,
    metavar="SECONDS",
    help="Start the sessions evenly over this time.  [default: all at once]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=256),
    metavar="W",
    help="Number of processes that play the sessions.  [default: one per processor]",
)
@click.option(
    "--keep",
    type=click.Choice(["failed", "all", "none"]),
    help="Which traces to keep. failed: those of sessions that were not reproduced.  "
    "[default: failed]",
)
@replay_options
@tolerance_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def command(
    *,
    trace: Path,
    sessions: int,
    ramp: float,
    workers: int | None,
    keep: str | None,
    pace: str,
    out: Path | None,
    no_record: bool,
    as_json: bool,
    **client: Any,
) -> None:
    """Replay TRACE as the client in many sessions at once, to find failures under load.

    Every session is judged as `wsproxy replay client` judges one. Check the timing error
    first: if it is large, the other figures describe this machine and not the server.
    Credentials are taken as by `wsproxy replay client`.

    \b
      wsproxy load call.wstrace --to ws://127.0.0.1:9000 --sessions 200 --ramp 20
      wsproxy load call.wstrace --to ws://127.0.0.1:9000 --sessions 50 --keep none --json
    \b
    Exit status:
      0  every session reproduced    3    the trace cannot be read
      1  at least one was not        130  stopped by Ctrl-C or SIGTERM
      2  not done: invalid option, server not reached, credential missing
    """
    options = client_options_of(trace, pace=pace, **client)
    if no_record and keep is not None:
        raise UsageError("--no-record excludes --keep")
    screen = Screen(as_json=as_json)
    screen.say(f"replaying {trace} as the client against {public_url(options.to)} (pace: {pace})")
    plan = LoadPlan(sessions, ramp, workers or 0, keep or "failed")
    with records_of(out, no_record=no_record, warn=screen.warn) as records:
        _replay(trace, options, plan, records, as_json=as_json)


def _replay(
    trace: Path, options: ClientOptions, plan: LoadPlan, into: ReplayRecording, *, as_json: bool
) -> NoReturn:
    """Replay, show progress, and exit: 0 if every session was reproduced, else 1."""
    # A shell starts background jobs with SIGINT ignored; SIGTERM ends it as Ctrl-C does.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    records = partial(ReplayRecording.into, into.folder, keep=into.keep)
    shown_on = console()
    if as_json:
        stats = run(trace, options, plan, records)
        click.echo(dumps(stats.as_json()))
    elif shown_on.is_terminal:
        with Live(console=shown_on, refresh_per_second=4) as live:
            stats = run(trace, options, plan, records, lambda known: live.update(_screen(known)))
            live.update(_screen(stats))
    else:
        stats = run(trace, options, plan, records, _Lines(shown_on))
        shown_on.print(_screen(stats), end="")
    if stats.stopped:
        click.echo(f"stopped: {_line(stats)}", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(0 if stats.reproduced else 1)


class _Lines:
    """Prints a line every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = monotonic() + _LINE_EVERY

    def __call__(self, stats: LoadStats) -> None:
        if monotonic() >= self._next:
            self._next = monotonic() + _LINE_EVERY
            self._console.print(Text(_line(stats)), soft_wrap=True)


def _screen(stats: LoadStats) -> Trimmed:
    return Trimmed(report.screen(stats.as_json(results=False)))


def _line(stats: LoadStats) -> str:
    return safe(report.line(stats.as_json(results=False)))
