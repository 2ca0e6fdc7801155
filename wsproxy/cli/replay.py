"""`wsproxy replay`: make a recorded session happen again, from either side."""

from __future__ import annotations

import importlib

import click

_SIDES = {"client": "wsproxy.cli.replay_client", "server": "wsproxy.cli.replay_server"}


class _Sides(click.Group):
    """Imports a side when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_SIDES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _SIDES:
            return None
        command = importlib.import_module(_SIDES[cmd_name]).command
        assert isinstance(command, click.Command)
        return command


@click.group(name="replay", cls=_Sides)
def command() -> None:
    """Make a recorded session happen again, and say whether it did.

    \b
    As the client, against the API, or against a simulated one:
      wsproxy replay client call.wstrace --to wss://api.deepgram.com
      wsproxy replay client call.wstrace --to ws://127.0.0.1:9000
    \b
    As the server, for an app that is pointed at the printed URL, or run through a proxy:
      wsproxy replay server call.wstrace
      wsproxy replay server call.wstrace -- python app.py

    \b
    Exit status:
      0  reproduced          3    the trace cannot be read
      1  different, or not   125  unproven: the replay could not keep its pace
      2  not done: bad option, server not reached, credential missing
    """
