"""Replay a trace as the client under asyncio."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from python_socks.async_.asyncio import Proxy

from .client_replay import ClientOptions, ClientReplay
from .client_session import ClientSession
from .connection import ReplayConnection
from .player import follow
from .replay_trace import ReplayRecording
from .schedule import Schedule
from .target import connect_errors
from .verdict import ReplayResult, Verdict, judge_result

logger = logging.getLogger(__name__)


async def replay_client(
    trace: Path, options: ClientOptions, recordings: ReplayRecording
) -> Verdict:
    """Replay a trace against a server, and judge the result.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: the trace holds nothing to replay, a credential is missing, or a URL is
            invalid.
        ConnectFailed: the server cannot be reached.
    """
    replay = await asyncio.to_thread(ClientReplay, trace, options)
    return await play_and_judge(replay, recordings)


async def play_and_judge(replay: ClientReplay, recordings: ReplayRecording) -> Verdict:
    """Replay once, and judge the result.

    Raises:
        ConnectFailed: the server cannot be reached.
        UsageError: the trace of the replay cannot be written.
    """
    recordings.check()
    result = await play_once(replay, recordings)
    return await asyncio.to_thread(judge_result, result, replay.options.rules)


async def play_once(
    replay: ClientReplay, recordings: ReplayRecording, schedule: Schedule | None = None
) -> ReplayResult:
    """Replay once without judging the result; the caller has called `recordings.check()`.

    Args:
        schedule: of the replay, for a caller that observes it; None: a new one.

    Raises:
        ConnectFailed: the server cannot be reached.
        UsageError: the trace of the replay cannot be written.
    """
    session = ClientSession(replay, recordings, schedule)
    connection = await _connect(replay)
    try:
        await follow(session.steps(connection), connection)
        await connection.close()
    finally:
        connection.abort()  # where it is not closed: this was cancelled
        session.end()
    return session.result()


async def _connect(replay: ClientReplay) -> ReplayConnection:
    target, loop = replay.target, asyncio.get_running_loop()
    logger.info("connecting to %s", target)
    with connect_errors(target, replay.proxy, replay.connect_timeout):
        async with asyncio.timeout(replay.connect_timeout):
            if replay.proxy is None:
                _, connection = await loop.create_connection(
                    ReplayConnection, target.host, target.port, ssl=replay.context
                )
                return connection
            sock = await Proxy.from_url(replay.proxy).connect(target.host, target.port)
            _, connection = await loop.create_connection(
                ReplayConnection,
                sock=sock,
                ssl=replay.context,
                server_hostname=target.host if target.tls else None,
            )
            return connection
