"""`wsproxy diff`: compare two traces."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.text import Text

from wsproxy.compare import Comparison, compare
from wsproxy.errors import UsageError
from wsproxy.report import differences as report
from wsproxy.report.json_output import dumps
from wsproxy.report.trimmed_lines import Trimmed

from .catalog_option import catalog_option
from .progress import ProgressLine
from .tolerance_options import rules_of, same_as_option, tolerance_options
from .width import line_console


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
@same_as_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    first: Path,
    second: Path,
    exact: bool,
    max_wer: float | None,
    audio_tolerance: float | None,
    same_as: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Compare the traces A and B, and show where the sessions differ.

    Compares the request and its answer, what the app sent, the order of the server's messages,
    the words of final results, the audio, and how the session ended. All of it must be equal
    unless you give a tolerance. Interim results, ids, times and the chunking of audio are not
    compared; the output lists what was not. Frame numbers are those of `wsproxy show`.

    \b
      wsproxy diff good.wstrace bad.wstrace
      wsproxy diff yesterday.wstrace today.wstrace --max-wer 0.02
      wsproxy diff a.wstrace b.wstrace --same-as a-recorded-again.wstrace
      wsproxy diff a.wstrace b.wstrace --exact --json | jq '.differences[].field'

    \b
    Exit status:
      0  the same        2  invalid option
      1  different       3  a trace cannot be read
    """
    for path in (first, second):
        if path.is_dir():
            raise UsageError(f"{path} is a folder; give two traces")
    rules = rules_of(
        first, exact=exact, max_wer=max_wer, audio_tolerance=audio_tolerance, same_as=same_as
    )
    with ProgressLine("comparing"):
        found = compare(first, second, rules=rules)
    if as_json:
        click.echo(dumps({**found.as_json(), "verdict": _verdict(found)}, indent=2))
    else:
        _show(found)
    sys.exit(0 if found.same else 1)


def _verdict(found: Comparison) -> str:
    return "same" if found.same else "different"


def _show(found: Comparison) -> None:
    console = line_console()
    style = "bold green" if found.same else "bold red"
    first, second = report.what(found.recorded), report.what(found.replayed)
    ended = f"in both, {first}" if first == second else f"in A, {first}; in B, {second}"
    within = report.within(found.tolerance) if found.same else ""
    console.print(Text.assemble((_verdict(found).upper(), style), f"{within}: {ended}"))
    console.print(Text(f"equal: {', '.join(found.equal) or 'nothing'}"))
    if found.differences:
        console.print(Trimmed(report.differences(found.differences, "A", "B")), end="")
    if line := report.words(found.sent, found.wer):
        console.print(Text(line))
    if found.latency:
        console.print(Trimmed(report.latency(found.latency, "A", "B")), end="")
    for line in report.qualified(found.not_compared, found.notes, "--json"):
        console.print(Text(line))
