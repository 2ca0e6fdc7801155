"""`wsproxy addon`: the files that a separate mitmproxy loads."""

from __future__ import annotations

from pathlib import Path

import click

from .group import NearGroup

_FOLDER = Path(__file__).parent.parent / "addons"
_NAMES = sorted(path.stem for path in _FOLDER.glob("*.py"))


@click.group(name="addon", cls=NearGroup)
def command() -> None:
    """Print where the addons for mitmproxy are.

    mitmproxy must be installed in the same environment as wsproxy; the extra `record` installs
    it.
    """


@command.command(name="path")
@click.argument("name", type=click.Choice(_NAMES), default="record")
def path_command(name: str) -> None:
    """Print the path of an addon, for `mitmdump -s`: record, or replay.

    \b
      mitmdump -s "$(wsproxy addon path)" --set wsproxy_out=traces
      mitmdump -s "$(wsproxy addon path replay)" --set wsproxy_replay=call.wstrace
    """
    click.echo(str(_FOLDER / f"{name}.py"))
