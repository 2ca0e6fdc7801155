"""Replays a trace as the client, against a server, under asyncio."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import replace
from pathlib import Path

from python_socks import ProxyError
from python_socks.async_.asyncio import Proxy

from wsproxy.errors import UsageError
from wsproxy.recording import Clock, Recording
from wsproxy.trace import Request, Response

from .answer import AnswerReader
from .call import Call, ClientOptions
from .connection import Connection
from .player import play
from .recorded import Records, written
from .schedule import Schedule
from .target import connect_failed
from .verdict import Played, Verdict, judge_played

logger = logging.getLogger(__name__)

BODY_TIMEOUT = 5.0  # seconds for the body of a refusal


async def replay_client(trace: Path, options: ClientOptions, records: Records) -> Verdict:
    """Replay a session against a server and judge what happened.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: it holds nothing to replay, a credential is missing, a bad URL.
        ConnectFailed: the server cannot be reached.
    """
    call = await asyncio.to_thread(Call, trace, options)
    return await play_call(call, records)


async def play_call(call: Call, records: Records) -> Verdict:
    """Replay once what has been made ready.

    Raises:
        ConnectFailed: the server cannot be reached.
        UsageError: the trace of the replay cannot be written.
    """
    records.check()
    return await asyncio.to_thread(judge_played, await play_once(call, records), call.options.rules)


async def play_once(call: Call, records: Records, schedule: Schedule | None = None) -> Played:
    """The same without a verdict; records are taken as checked.

    Args:
        schedule: of the call, for whom it interests how it goes.

    Raises:
        ConnectFailed: the server cannot be reached.
        UsageError: the trace of the replay cannot be written.
    """
    schedule = schedule or call.schedule()
    request = call.request()
    clock = Clock.start()
    connection = await _connect(call)
    try:
        recording = call.begin(records, clock, request)
    except UsageError:
        await connection.close()
        raise
    try:
        connection.send(call.wire(request))
        response = await _answer(call, connection, recording, clock, request)
        if response is not None:
            logger.info("answered with status %d", response.status)
            recording.response(response)
            if call.accepted(response):
                endpoint = call.endpoint(response, recording, schedule)
                await play(endpoint, connection, clock)
        await connection.close()
    finally:
        connection.abort()  # where it was not closed: this was cancelled
        recording.end(clock.now(), "stopped")
    return Played.of(call.trace, written(recording), schedule, kept=records.kept)


async def _connect(call: Call) -> Connection:
    target, loop = call.target, asyncio.get_running_loop()
    host = target.host if target.tls else None
    logger.info("connecting to %s", target)
    try:
        async with asyncio.timeout(call.patience):
            if call.proxy is None:
                _, connection = await loop.create_connection(
                    Connection, target.host, target.port, ssl=call.context
                )
                return connection
            sock = await Proxy.from_url(call.proxy).connect(target.host, target.port)
            _, connection = await loop.create_connection(
                Connection, sock=sock, ssl=call.context, server_hostname=host
            )
            return connection
    except TimeoutError:
        error = TimeoutError(f"no answer in {call.patience:g} s")
        raise connect_failed(target, error) from None
    except (OSError, ssl.SSLError) as error:
        raise connect_failed(target, error) from None
    except ProxyError as error:
        raise connect_failed(target, error, call.proxy) from None


async def _answer(
    call: Call, connection: Connection, recording: Recording, clock: Clock, request: Request
) -> Response | None:
    """The answer to the request, with its body where it is a refusal; None without one.

    What is none is recorded as a failure.
    """
    reader = AnswerReader()
    body_until = 0.0
    try:
        async with asyncio.timeout(call.waits) as limit:
            while not reader.done:
                data = await connection.head(lambda waiting: len(waiting) or None)
                if data is None:
                    reader.end()
                else:
                    reader.feed(data)
                if reader.response is not None and not body_until:
                    body_until = asyncio.get_running_loop().time() + BODY_TIMEOUT
                    limit.reschedule(body_until)
    except TimeoutError:
        reader.late(call.waits)
    response = reader.response
    error = reader.error if response is None else call.unfit(response, request)
    if response is None or error is not None:
        call.no_answer(recording, clock.now(), error or "no answer", connection.end)
        return None
    connection.put_back(reader.rest)
    return replace(response, t_ns=clock.now())
