"""`wsproxy replay`: make a recorded session happen again, from either side."""

from __future__ import annotations

import click

from .group import LazyGroup

_SIDES = {
    "client": ("wsproxy.cli.replay_client", "Replay a trace as the client, against a server."),
    "server": ("wsproxy.cli.replay_server", "Replay a trace as the server, for an app."),
}


@click.group(name="replay", cls=LazyGroup, listed=_SIDES)
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
