"""Replays a trace from either side, over real sockets, and says whether it happened again.

    pace         how fast
    progress     how far a side has come, in what does not depend on the moment
    script       one side of a recording as steps
    schedule     what one side does when (sans-I/O)
    fresh        what of a message is made anew: ids, times, credentials
    endpoint     one end of a session: schedule, frames, recording (sans-I/O)
    handshake    the opening handshake's bytes, fresh where it must be
    answer       reads the answer to a request (sans-I/O)
    credentials  the user's own, where the recording's were taken out
    target       the server's URL, the way there, what is trusted
    call         a trace made ready to be replayed as the client (sans-I/O)
    library      the traces that are served, and which answers a request
    connection   one TCP or TLS connection, ended as recorded
    player       plays an endpoint over a connection
    recorded     the recording of the replay itself
    client       as the client, against a server
    blocking     the same with blocking sockets, for threads and for gevent
    server       as the server, for an app
    verdict      whether it was the same

Nothing here imports mitmproxy.
"""

from .asyncio_client import play_client_replay, play_once, replay_client
from .client_replay import ClientOptions, ClientReplay
from .pace import RECORDED, Pace
from .progress import GATE_UNITS
from .server import ReplayServer, ServerOptions
from .verdict import Difference, Lateness, ReplayResult, Verdict, judge, judge_played

__all__ = [
    "GATE_UNITS",
    "RECORDED",
    "ClientOptions",
    "ClientReplay",
    "Difference",
    "Lateness",
    "Pace",
    "ReplayResult",
    "ReplayServer",
    "ServerOptions",
    "Verdict",
    "judge",
    "judge_played",
    "play_client_replay",
    "play_once",
    "replay_client",
]
