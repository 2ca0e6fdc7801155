"""`wsproxy addon`: where the files are that a mitmproxy of the user's own loads."""

from __future__ import annotations

from pathlib import Path

import click

from .group import NearGroup

_FOLDER = Path(__file__).parent.parent / "addons"
_NAMES = sorted(path.stem for path in _FOLDER.glob("*.py"))


@click.group(name="addon", cls=NearGroup)
def command() -> None:
    """Say where the addons for a mitmproxy of your own are.

    mitmproxy has to be installed in the same environment as wsproxy, as the extra `record`
    does.
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
