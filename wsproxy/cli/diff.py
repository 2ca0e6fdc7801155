"""`wsproxy diff`: whether two traces show the same session."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from wsproxy.compare import Comparison, compare
from wsproxy.errors import UsageError
from wsproxy.report import differences as report
from wsproxy.report.jsontext import dumps

from .catalog_option import catalog_option
from .tolerance_options import rules_of, tolerance_options


@click.command(name="diff")
@catalog_option
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--exact",
    is_flag=True,
    help="Require every frame to be equal, byte for byte; leave no value out.",
)
@tolerance_options
@click.option("--json", "as_json", is_flag=True, help="JSON for programs.")
def command(
    first: Path,
    second: Path,
    exact: bool,
    max_wer: float | None,
    audio_tolerance: float | None,
    same_as: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Say whether the traces A and B show the same session, and where they first differ.

    Compared are the request, how it was answered, what the app sent, the server's messages
    in their order, the words of the final results, the audio, and how it ended. All of it has
    to be equal, unless a tolerance is given. Interim results, ids, times, and how audio is cut
    into messages are not compared; what was left out is listed. Frames are named by the
    numbers that `wsproxy show` gives them.

    \b
      wsproxy diff good.wstrace bad.wstrace
      wsproxy diff yesterday.wstrace today.wstrace --max-wer 0.02
      wsproxy diff a.wstrace b.wstrace --same-as a-recorded-again.wstrace
      wsproxy diff a.wstrace b.wstrace --exact --json | jq '.differences[].field'

    \b
    Exit status:
      0  the same        2  bad option
      1  different       3  a trace cannot be read
    """
    for path in (first, second):
        if path.is_dir():
            raise UsageError(f"{path} is a folder: give two traces")
    rules = rules_of(
        first, exact=exact, max_wer=max_wer, audio_tolerance=audio_tolerance, same_as=same_as
    )
    found = compare(first, second, rules=rules)
    if as_json:
        click.echo(dumps({**found.as_json(), "verdict": _verdict(found)}, indent=2))
    else:
        _show(found)
    sys.exit(0 if found.same else 1)


def _verdict(found: Comparison) -> str:
    return "same" if found.same else "different"


def _show(found: Comparison) -> None:
    console = Console(highlight=False, soft_wrap=True)
    style = "bold green" if found.same else "bold red"
    recorded, replayed = report.what(found.recorded), report.what(found.replayed)
    ended = recorded if recorded == replayed else f"A: {recorded}; B: {replayed}"
    within = report.within(found.tolerance) if found.same else ""
    console.print(Text.assemble((_verdict(found), style), f"{within}  {ended}"))
    console.print(Text(f"the same: {', '.join(found.equal) or 'nothing'}"))
    if found.differences:
        console.print(report.differences(found.differences, "A", "B"))
    if line := report.words(found.sent, found.wer):
        console.print(Text(line))
    if found.latency:
        console.print(report.latency(found.latency, "A", "B"))
    for line in report.qualified(found.not_compared, found.notes):
        console.print(Text(line))
