"""`wsproxy bundle`: one file for a bug report."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from wsproxy.errors import InvalidValue
from wsproxy.export.bundle import ZIP, bundle
from wsproxy.report.safe_text import safe

from .catalog_option import catalog_option
from .progress import ProgressLine

INSTRUCTIONS = """\
With wsproxy (`pip install .` in a checkout of the project), in this folder:

    wsproxy show traces/NAME.wstrace            # list all frames
    wsproxy explain traces/NAME.wstrace         # explain the failure
    wsproxy replay server traces/NAME.wstrace   # fail for an app as the API did
    wsproxy replay client traces/NAME.wstrace --to ws://127.0.0.1:9000
"""


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
    help="File to write.  [default: wsproxy-bundle.zip]",
)
@click.option(
    "--note", default="", metavar="TEXT", help="Add this text to the README in the bundle."
)
@click.option("--hosts", is_flag=True, help="Replace host names as well.")
@click.option("--force", is_flag=True, help="Overwrite FILE.zip if it exists.")
def command(
    *, traces: tuple[Path, ...], out: Path | None, note: str, hosts: bool, force: bool
) -> None:
    """Pack anonymized traces for a bug report, with explanations and versions.

    Each TRACE, and each trace in a FOLDER (searched recursively), is anonymized as by
    `wsproxy scrub`; an already scrubbed trace is added unchanged. The bundle also contains the
    explanations, the versions of the software here, and the names of the proxy variables that
    are set. If personal data is found in the result, nothing is written.

    \b
      wsproxy bundle call.wstrace
      wsproxy bundle recordings --out report.zip --note "closed after 10 s, every time"
    \b
    Exit status:
      0  packed                                  2  invalid option, or cannot be written
      1  personal data found; nothing written    3  a trace cannot be read
    """
    place = out or Path(f"wsproxy-bundle{ZIP}")
    if place.suffix != ZIP:
        raise InvalidValue("out", str(place), f"expected a name that ends in {ZIP}")
    with ProgressLine("packing") as progress:
        items = bundle(
            traces,
            place,
            note=note,
            instructions=INSTRUCTIONS,
            hosts=hosts,
            force=force,
            each=progress.each,
        )
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(safe(f"packed {place}")))
    for item in items:
        console.print(Text(safe(f"  {item.name}: {item.summary}")))
