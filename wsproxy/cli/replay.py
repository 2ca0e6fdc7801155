"""`wsproxy replay`: replay a recorded session, from either side."""

from __future__ import annotations

import click

from .group import LazyGroup

_SIDES = {
    "client": ("wsproxy.cli.replay_client", "Replay a trace as the client, against a server."),
    "server": ("wsproxy.cli.replay_server", "Replay a trace as the server, for an app."),
}


@click.group(name="replay", cls=LazyGroup, listed=_SIDES)
def command() -> None:
    """Replay a recorded session, and report whether it is reproduced.

    \b
    As the client, against the API or a simulated one:
      wsproxy replay client call.wstrace --to wss://api.deepgram.com
      wsproxy replay client call.wstrace --to ws://127.0.0.1:9000
    \b
    As the server, for an app that uses the printed URL or is run through a proxy:
      wsproxy replay server call.wstrace
      wsproxy replay server call.wstrace -- python app.py

    \b
    Exit status:
      0  reproduced
      1  different or not reproduced
      2  not done: invalid option, server not reached, credential missing
      3  the trace cannot be read
      125  unproven: late timing could explain the result
    """
