"""Replays a trace from either side, over real sockets, and says whether it happened again.

    schedule     what one side does when (sans-I/O)
    handshake    the opening handshake's bytes, fresh where it must be
    connection   one TCP or TLS connection, ended as recorded
    credentials  the user's own, where the recording's were taken out
    player       plays a schedule over a connection and records what happens
    recorded     the recording of the replay itself
    client       as the client, against a server
    server       as the server, for an app
    story        what of a session is compared
    verdict      whether it was the same

Nothing here imports mitmproxy.
"""

from .client import ClientOptions, replay_client
from .schedule import PACES, Schedule, Script
from .server import ReplayServer, ServerOptions
from .verdict import Difference, Lateness, Verdict, judge

__all__ = [
    "PACES",
    "ClientOptions",
    "Difference",
    "Lateness",
    "ReplayServer",
    "Schedule",
    "Script",
    "ServerOptions",
    "Verdict",
    "judge",
    "replay_client",
]
