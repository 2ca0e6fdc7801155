"""Replay a trace as the client or as the server, over real sockets, and judge the result.

    pace                 speed and timing
    progress             how far a side has come, without what depends on timing
    script               one side of a recording as steps
    schedule             which step is due when (sans-I/O)
    value_rewriter       rewrites ids, times and credentials in messages
    endpoint             one end of a session: schedule, frames, recording (sans-I/O)
    player               plays an endpoint over a connection
    handshake            parses, writes and adapts HTTP heads
    response_reader      reads the response to a request (sans-I/O)
    credentials          fills in credentials that were redacted
    target               URL, proxy and certificates of the server
    client_replay        a trace prepared to be replayed as the client (sans-I/O)
    client_session       one replay as the client, from request to end (sans-I/O)
    asyncio_client       runs it under asyncio
    blocking_client      runs it with blocking sockets, in threads and under gevent
    connection           a connection under asyncio
    blocking_connection  a connection on a non-blocking socket
    trace_library        the traces to serve, and which one matches a request
    server_session       one replay as the server
    server               serves traces to clients
    replay_trace         records the replay
    lateness             how late the steps were sent
    verdict              judges the result

docs/replay-schedule.md shows how they work together. Nothing here imports mitmproxy.
"""

from .asyncio_client import play_and_judge, play_once, replay_client
from .client_replay import ClientOptions, ClientReplay
from .lateness import Lateness
from .pace import RECORDED_PACE, Pace
from .progress import GATE_UNITS
from .server import ReplayServer
from .server_session import ServerOptions
from .verdict import Difference, ReplayResult, Verdict, judge_result

__all__ = [
    "GATE_UNITS",
    "RECORDED_PACE",
    "ClientOptions",
    "ClientReplay",
    "Difference",
    "Lateness",
    "Pace",
    "ReplayResult",
    "ReplayServer",
    "ServerOptions",
    "Verdict",
    "judge_result",
    "play_and_judge",
    "play_once",
    "replay_client",
]
