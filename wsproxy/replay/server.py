"""Replays a trace as the server, for any app that can be pointed at a URL."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from wsproxy.errors import UsageError
from wsproxy.recording import Clock, Recording
from wsproxy.trace import Eof, Failure, Request, Response
from wsproxy.wire import is_upgrade

from .connection import Connection
from .handshake import BadHead, Head, accept, answer_bytes, head_size, parse_head, printable, refuse
from .player import Player
from .recorded import Records
from .schedule import Schedule, Script
from .verdict import Verdict, judge

_UPGRADE_REQUIRED = Response(
    0,
    426,
    "Upgrade Required",
    headers=[["Upgrade", "websocket"], ["Connection", "close"], ["Content-Length", "0"]],
)
_ALL_SERVED = Response(
    0, 503, "All Sessions Served", headers=[["Connection", "close"], ["Content-Length", "0"]]
)
_MAX_AT_ONCE = 64  # connections served at the same time; more wait in the listen queue


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the user asks of a replay as the server.

    Attributes:
        host, port: where to listen; port 0 takes a free one.
        pace: one of PACES.
        sessions: how many to serve; 0: until stopped.
        timeout: seconds that the app may take longer than in the recording.
    """

    host: str = "127.0.0.1"
    port: int = 0
    pace: str = "recorded"
    sessions: int = 1
    timeout: float = 10.0


class ReplayServer:
    """Serves one trace.

    Use it as an async context manager; iterate over `verdicts()`.

    Args:
        trace: what to serve.
        records: how the new sessions are recorded.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: it holds nothing to serve; on entering: the port is in use.
    """

    def __init__(self, trace: Path, options: ServerOptions, records: Records) -> None:
        self.trace = trace
        self.script = Script.read(trace, "server")
        self._options = options
        self._records = records
        self._tasks: set[asyncio.Task[None]] = set()
        self._verdicts: asyncio.Queue[Verdict | Exception] = asyncio.Queue()
        self._begun = 0
        self._room = asyncio.Semaphore(_MAX_AT_ONCE)
        self._server: asyncio.Server
        session = self.script.session
        if session.request is None or (session.start and session.start.made_up):
            how = session.failure
            why = f": it failed before ({printable(how.where)})" if how else ""
            raise UsageError(f"there is no handshake in this trace to replay as the server{why}")

    async def __aenter__(self) -> ReplayServer:
        self._records.check()
        options = self._options
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self._begin), options.host, options.port
            )
        except OSError as error:
            where = f"{options.host}:{options.port}"
            raise UsageError(f"cannot listen on {where}: {error.strerror or error}") from None
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"

    async def verdict(self) -> Verdict:
        """Wait for the next session to end.

        Raises:
            UsageError: its trace cannot be written.
        """
        verdict = await self._verdicts.get()
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def _begin(self, connection: Connection) -> None:
        task = asyncio.create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection) -> None:
        async with self._room:
            clock = Clock.start()
            try:
                head = await self._asked(connection)
                if head is None:
                    return
                other = self._other_answer(head)
                if other is not None:
                    connection.send(answer_bytes(other))
                    return
                self._begun += 1
                self._verdicts.put_nowait(await self._session(connection, clock, head))
            except Exception as error:  # a task's own would reach nobody
                self._verdicts.put_nowait(error)
            finally:
                await connection.close()

    async def _asked(self, connection: Connection) -> Head | None:
        """The request; None for a connection that asks for nothing, such as a port probe."""
        try:
            async with asyncio.timeout(self._options.timeout):
                raw = await connection.head(head_size)
        except (TimeoutError, BadHead):
            return None
        parsed = parse_head(raw) if raw is not None else None
        return parsed[0] if parsed else None

    def _other_answer(self, head: Head) -> Response | None:
        """The answer to a request that begins no session, such as a health check."""
        sessions = self._options.sessions
        recorded = self.script.session.request
        assert recorded is not None
        wanted = is_upgrade((h[0], h[1]) for h in recorded.headers)
        if wanted and not is_upgrade((h[0], h[1]) for h in head.headers):
            return _UPGRADE_REQUIRED
        return _ALL_SERVED if sessions and self._begun >= sessions else None

    async def _session(self, connection: Connection, clock: Clock, head: Head) -> Verdict:
        options = self._options
        recording = self._records.begin(
            self.script.session, clock, "replay-server", connection.peer
        )
        schedule = Schedule(self.script, pace=options.pace, timeout_ns=int(options.timeout * 1e9))
        try:
            host, port = connection.local
            method, path, _ = head.start
            request = Request(0, method, "ws", host, port, path, headers=head.headers)
            recording.add(self._records.request(request))
            response = self._answer(head)
            if response is None:
                await self._no_answer(connection, recording, clock)
            else:
                connection.send(answer_bytes(response))
                response = replace(response, t_ns=clock.now())
                recording.response(self._records.response(response, request))
            if response is not None and response.status == 101:
                await Player(schedule, connection, recording, clock).play()
        finally:
            recording.end(clock.now(), "stopped")
        # In a thread: other sessions keep their pace meanwhile.
        return await asyncio.to_thread(judge, self.trace, recording.path, schedule)

    def _answer(self, head: Head) -> Response | None:
        """The recorded answer, made for this request; None where there was none."""
        recorded = self.script.session.response
        if recorded is None:
            return None
        headers = accept(recorded, head) if recorded.status == 101 else refuse(recorded)
        return replace(recorded, headers=headers, redacted=[])

    async def _no_answer(self, connection: Connection, recording: Recording, clock: Clock) -> None:
        """End the connection without an answer, as the recorded server did."""
        session = self.script.session
        reset = session.received.ended is not None and session.received.ended.how == "reset"
        if reset:
            await connection.reset()
        failure = session.failure
        where, message = (failure.where, failure.message) if failure else ("handshake", "no answer")
        recording.add(Failure(clock.now(), where, False, message))
        recording.add(Eof(clock.now(), False, "reset" if reset else "eof"))
