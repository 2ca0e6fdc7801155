"""`wsproxy bundle`: one file for a bug report."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from wsproxy.errors import UsageError
from wsproxy.export.bundle import ZIP, bundle
from wsproxy.report.text import safe

from .catalog_option import catalog_option
from .progress import ProgressLine


@click.command(name="bundle")
@catalog_option
@click.argument(
    "traces",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="TRACE|FOLDER...",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.zip",
    help="The bundle.  [default: wsproxy-bundle.zip]",
)
@click.option("--note", default="", metavar="TEXT", help="What you want to say, for its README.")
@click.option("--hosts", is_flag=True, help="Replace the names of hosts as well.")
@click.option("--force", is_flag=True, help="Replace FILE.zip if it is there.")
def command(
    *, traces: tuple[Path, ...], out: Path | None, note: str, hosts: bool, force: bool
) -> None:
    """Pack traces for a bug report: scrubbed, explained, with versions.

    Each TRACE, and each in and below a FOLDER, is scrubbed (`wsproxy scrub`); one that is
    scrubbed already goes in as it is.
    With them go their explanations, the versions of what ran here, and the names of the
    variables that lead apps through a proxy. If anything of people is found in what would go
    in, nothing is written.

    \b
      wsproxy bundle call.wstrace
      wsproxy bundle recordings --out report.zip --note "closed after 10 s, every time"
    \b
    Exit status:
      0  packed                               2  not done: bad option, cannot be written
      1  something was left; nothing packed   3  a trace cannot be read
    """
    place = out or Path(f"wsproxy-bundle{ZIP}")
    if place.suffix != ZIP:
        raise UsageError(f"{place}: the name of a bundle ends in {ZIP}")
    with ProgressLine("packing") as progress:
        items = bundle(traces, place, note=note, hosts=hosts, force=force, each=progress.each)
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(safe(f"packed {place}")))
    for item in items:
        console.print(Text(safe(f"  {item.name}: {item.summary}")))
