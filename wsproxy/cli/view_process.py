"""`wsproxy view-process`: the server of `wsproxy view` beside a recorder; not for people.

`viewing` starts it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from wsproxy.recorder.limits import parse_size
from wsproxy.report.html.reading import MAX_AUDIO

from .catalog_option import catalog_option
from .view import serve

_LOWER_PRIORITY = 10  # than a recorder's, as `nice` counts


@click.command(name="view-process", hidden=True)
@catalog_option
@click.argument("folder", type=click.Path(path_type=Path))
def command(*, folder: Path) -> None:
    """Show a folder in the browser until stdin is closed."""
    os.nice(_LOWER_PRIORITY)

    def started(url: str, stopped: asyncio.Event) -> None:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopped.set)
        click.echo(f"view the sessions at {url}", err=True)

    asyncio.run(serve(folder, 0, parse_size(MAX_AUDIO), started))
