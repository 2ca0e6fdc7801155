"""`wsproxy distill`: find the shortest trace that fails in the same way."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from wsproxy.catalog import load
from wsproxy.diagnose import summary
from wsproxy.distill import Attempt, Distillation, DistillReport, SearchLimits, distilled_name
from wsproxy.errors import InvalidValue
from wsproxy.report.differences import differences
from wsproxy.report.json_output import dumps
from wsproxy.report.safe_text import safe
from wsproxy.report.trimmed_lines import Trimmed
from wsproxy.system.address import public_url
from wsproxy.trace import SUFFIX
from wsproxy.wording import plural

from .catalog_option import catalog_option
from .number import Number
from .progress import ProgressLine
from .replay_options import target_of, target_options
from .replay_screen import INTERRUPTED, Interrupted, Screen

_STOPPED = {
    "attempts": "the limit on attempts was reached (--attempts)",
    "time": "the time limit was reached (--time)",
    "interrupted": "it was interrupted",
}


@click.command(name="distill")
@catalog_option
@click.argument("trace", type=click.Path(path_type=Path, dir_okay=False))
@target_options
@click.option(
    "--attempts",
    type=click.IntRange(min=1, max=1_000_000),
    default=100,
    show_default=True,
    metavar="N",
    help="Maximum number of sessions to open.",
)
@click.option(
    "--time",
    "seconds",
    type=Number(min=0, min_open=True),
    metavar="SECONDS",
    help="Maximum total time.",
)
@click.option(
    "--tries",
    type=click.IntRange(min=1, max=1000),
    default=1,
    show_default=True,
    metavar="N",
    help="Retry each non-reproducing attempt up to N times, for intermittent failures.",
)
@click.option(
    "--timeout",
    type=Number(min=0, min_open=True, max=86400),
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    help="How much longer than in the recording the server may take. Most attempts that do not "
    "reproduce wait this long; use more for a slow server.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Trace to write.  [default: TRACE with -distilled in its name]",
)
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    *,
    trace: Path,
    attempts: int,
    seconds: float | None,
    tries: int,
    timeout: float,
    out: Path | None,
    force: bool,
    as_json: bool,
    **target: Any,
) -> None:
    """Find the shortest trace that fails as TRACE does, by replaying parts of it to a server.

    Replays the session as the client with fewer and fewer messages: first the end alone, then
    the shortest beginning, then without everything that can be left out. A failure is the same
    if the session is answered and ends in the same way, with the same condition; messages
    before that may differ. The smallest session that failed is written, and replayed once
    more.

    Every attempt is a session on the server, with your credentials, which are taken as by
    `wsproxy replay client`.

    \b
      wsproxy distill call.wstrace --to ws://127.0.0.1:9000
      wsproxy distill call.wstrace --to wss://api.deepgram.com --attempts 30 --out small.wstrace
      wsproxy distill call.wstrace --to ws://127.0.0.1:9000 --tries 5 --time 600
    \b
    Exit status:
      0  distilled, or already minimal    2  invalid option, or server not reached
      1  the failure did not recur        3  the trace cannot be read
    """
    place = out or distilled_name(trace)
    if place.suffix != SUFFIX:
        raise InvalidValue("out", str(place), f"expected a name that ends in {SUFFIX}")
    options = replace(target_of(**target), timeout=timeout)
    progress = ProgressLine("distilling")
    shown_attempts = _Attempts(attempts, progress, as_json=as_json)
    limits = SearchLimits(attempts, seconds, tries)
    work = Distillation(
        trace, place, options, limits=limits, force=force, on_attempt=shown_attempts.show
    )
    screen = Screen(as_json=as_json)
    screen.say(
        f"distilling {trace} against {public_url(options.to)}: "
        f"{plural(work.recorded_parts, 'message', separator=',')}"
    )
    try:
        with progress:
            screen.run(work.run, lambda: _known(work))
    except Interrupted:
        _show(work.report, as_json=as_json)
        sys.exit(INTERRUPTED)
    assert work.report is not None
    _show(work.report, as_json=as_json)
    if work.report.error_status:
        screen.warn(f"error: {work.report.stopped}")
    sys.exit(work.report.exit_status)


def _known(work: Distillation) -> str:
    found = work.report is not None and work.report.trace is not None
    return "the shortest trace so far is written" if found else "nothing reproduced so far"


class _Attempts:
    """The current attempt, and a permanent line for each improvement.

    Args:
        limit: maximum number of attempts.
        progress: shows the current one.
    """

    def __init__(self, limit: int, progress: ProgressLine, *, as_json: bool) -> None:
        self._console = Console(highlight=False, soft_wrap=True, quiet=as_json)
        self._progress = progress
        self._limit = limit

    def show(self, attempt: Attempt) -> None:
        """Show an attempt, when it starts and when it has ended."""
        what = f"attempt {attempt.number} of {self._limit}: {attempt.phase}, "
        what += f"{plural(attempt.parts, 'message', separator=',')} (pace: {attempt.pace})"
        left = f", {plural(self._limit - attempt.number, 'attempt')} left"
        if attempt.reproduced is None:
            self._progress.step(what + left, attempt.number - 1, self._limit)
        elif attempt.reproduced:
            frames = f"{plural(attempt.frames, 'frame', separator=',')}, {attempt.seconds:.1f} s"
            self._console.print(Text(f"{what}: reproduced, {frames}"))
        else:
            self._progress.step(f"{what}: not reproduced{left}", attempt.number, self._limit)


def _show(report: DistillReport | None, *, as_json: bool) -> None:
    """Print the result, if there is one."""
    if report is None or (report.trace is None and report.stopped == "interrupted"):
        return
    if as_json:
        print(dumps(report.as_json()), flush=True)  # noqa: T201
        return
    console = Console(highlight=False, soft_wrap=True)
    if report.trace is None:
        console.print(Text.assemble(("NOT REPRODUCED", "bold red"), f" {_tried(report)}"))
    else:
        _show_distilled(console, report)
    if report.differences:
        console.print(Trimmed(differences(report.differences)), end="")
    if report.stopped in _STOPPED:
        small = "; a shorter trace may exist" if report.trace is not None else ""
        console.print(Text(f"note: {_STOPPED[report.stopped]}{small}"))


def _show_distilled(console: Console, report: DistillReport) -> None:
    assert report.session is not None
    head = ("DISTILLED", "bold green") if report.checked else ("DISTILLED", "bold yellow")
    size = f"{report.frames:,} of {report.recorded_frames:,} frames"
    length = f"{report.seconds:.1f} of {report.recorded_seconds:.1f} s"
    console.print(Text.assemble(head, f": {size}, {length}, {_tried(report)}"))
    console.print(Text(safe(summary(report.session, load()))))
    console.print(Text(f"written to {safe(str(report.trace))} (pace: {report.pace})"))
    if report.checked:
        console.print(Text("verified: replayed again, it fails in the same way"))
    elif report.checked is False:
        console.print(
            Text("not verified: replayed again, it did not fail in the same way; try --tries")
        )


def _tried(report: DistillReport) -> str:
    return f"in {plural(report.attempts, 'attempt', separator=',')}"
