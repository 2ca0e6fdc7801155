"""The server of `wsproxy view` in a process of its own, beside a recorder.

`wsproxy view-process` is that process; not for people.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from wsproxy.catalog.loader import given_files
from wsproxy.recorder.limits import parse_size
from wsproxy.report.html.reading import MAX_AUDIO
from wsproxy.view import requirements

from .catalog_option import catalog_option
from .view import serve

_LOWER_PRIORITY = 10  # than a recorder's, as `nice` counts
_END_AFTER = 5.0  # seconds that the process has to end


@contextmanager
def viewing(folder: Path) -> Iterator[None]:
    """Show a folder in the browser, for the body of a `with`; the process prints the URL on stderr.

    It has a lower priority than the recorder, and ends with this process, however that ends.

    Raises:
        UsageError: tornado is not installed.
    """
    requirements.check()
    with suppress(OSError):  # the recorder reports it
        folder.mkdir(parents=True, exist_ok=True)
    catalogs = [f"--catalog={path}" for path in given_files()]
    process = subprocess.Popen(
        [sys.executable, "-m", "wsproxy", "view-process", *catalogs, "--", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the recorder, whose last records are shown
    )
    assert process.stdin is not None
    try:
        yield
    finally:
        process.stdin.close()
        try:
            process.wait(_END_AFTER)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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
