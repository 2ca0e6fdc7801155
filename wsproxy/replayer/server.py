"""Serve traces to any client that can be pointed at a URL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from wsproxy.errors import UsageError, WsproxyError
from wsproxy.recorder import Clock
from wsproxy.system.address import authority
from wsproxy.trace import Response

from .connection import ReplayConnection
from .handshake import BadHead, Body, head_size, parse_head, response_bytes
from .progress import GATE_UNITS
from .replay_trace import ReplayRecording
from .schedule import gated_steps
from .script import Script
from .server_session import (
    HttpRequest,
    ServedScript,
    ServerOptions,
    ServerSession,
    bytes_per_second,
)
from .trace_library import TraceLibrary
from .verdict import ReplayResult, Verdict, judge_result

_MAX_CONNECTIONS = 1000  # served at the same time; others wait, each with at most 1 MiB received
_IDLE_TIMEOUT = 10.0  # seconds that a verdict waits while other sessions play
_CACHED_SCRIPTS = 8  # traces of a folder that stay in memory
_CONNECTION_CLOSE = [["Connection", "close"]]


class ReplayServer:
    """Serves a trace, or a folder of traces.

    Use it as an async context manager; `verdict` returns the verdict of each session.

    Args:
        traces: the trace or the folder.
        recordings: how the replayed sessions are recorded.
        on_refused: called with one line for each request that no trace matches.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: there is nothing to serve; on entering: the port is in use.
    """

    def __init__(
        self,
        traces: Path,
        options: ServerOptions,
        recordings: ReplayRecording,
        *,
        on_refused: Callable[[str], None] = lambda line: None,
    ) -> None:
        if options.gate not in GATE_UNITS:
            raise UsageError(f"gate {options.gate!r}: give {', '.join(GATE_UNITS)}")
        self.library = TraceLibrary.open(traces, options.match)
        self.options = options
        self._recordings = recordings
        self._on_refused = on_refused
        self._tasks: set[asyncio.Task[None]] = set()
        self._judging_tasks: set[asyncio.Task[None]] = set()  # those of `_tasks` that have played
        self._verdicts: asyncio.Queue[Verdict | Exception] = asyncio.Queue()
        self._sessions_started = 0
        self._session_limit = options.sessions
        self._slots = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._judging = asyncio.Lock()
        self._active_sessions = 0
        self._idle = asyncio.Event()  # no session is being played
        self._idle.set()
        self._served_script = lru_cache(_CACHED_SCRIPTS)(self._read)
        self._server: asyncio.Server
        if len(self.library.traces) == 1:
            self._served_script(self.library.traces[0].path)  # report its errors now

    def _read(self, trace: Path) -> ServedScript:
        audio = "frames" if self.options.gate == "frames" else "bytes"
        script = Script.read(trace, "server", self.options.pace, audio=audio)
        if self.options.gate == "seconds" and not bytes_per_second(script.session, script):
            raise UsageError(
                f"{trace.name}: the audio has no known duration in seconds; count bytes or frames"
            )
        self._recordings.warm_up(script.session)
        return ServedScript(trace, script, gated_steps(script))

    async def __aenter__(self) -> ReplayServer:
        self._recordings.check()
        options = self.options
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: ReplayConnection(self._start_task), options.host, options.port
            )
        except OSError as error:
            where = authority(options.host, options.port)
            raise UsageError(f"cannot listen on {where}: {error.strerror or error}") from None
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    def address_for(self, host: str, target: str) -> tuple[str, int] | None:
        """Where it answers a request; None if it has no trace for it."""
        return self.address if self.library.answers_for(host, target) else None

    @property
    def url(self) -> str:
        """The ws:// URL that it listens on, without a path."""
        return f"ws://{authority(*self.address)}"

    async def verdict(self) -> Verdict:
        """Wait for the next session to end, and judge it.

        Raises:
            UsageError: the trace of the session cannot be written.
        """
        verdict = await self._verdicts.get()
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def set_limit(self, sessions: int) -> None:
        """Set the number of sessions to serve in total; 0: until stopped."""
        self._session_limit = sessions

    async def wait_idle(self, seconds: float) -> bool:
        """Wait at most `seconds` until no session is open, then until all ended ones are judged.

        Returns whether no session was open in the end.
        """
        if self._open_tasks:
            await asyncio.wait(self._open_tasks, timeout=seconds)
        self._idle.set()  # do not wait for the others before judging
        while judging_tasks := self._tasks & self._judging_tasks:
            await asyncio.wait(judging_tasks)
        return not self._open_tasks

    @property
    def _open_tasks(self) -> set[asyncio.Task[None]]:
        return self._tasks - self._judging_tasks

    @property
    def pending_verdicts(self) -> int:
        """Number of verdicts that `verdict` returns without waiting."""
        return self._verdicts.qsize()

    def _start_task(self, connection: ReplayConnection) -> None:
        task = asyncio.create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._judging_tasks.discard)

    async def _serve(self, connection: ReplayConnection) -> None:
        try:
            async with self._slots:
                await self._run_session(connection)
        except WsproxyError as error:  # an exception of the task itself would be lost
            self._verdicts.put_nowait(error)
        except Exception as error:  # a bug ends this session, not the others
            self._on_refused(f"a session failed: {type(error).__name__}: {error}")
        finally:
            await connection.close()

    async def _run_session(self, connection: ReplayConnection) -> None:
        clock = Clock.start()
        incoming = await self._read_request(connection)
        if incoming is None:
            return
        chosen = await self._choose(incoming)
        if isinstance(chosen, Response):
            connection.send(response_bytes(chosen))
            return
        session = ServerSession(self.options, self._recordings, chosen, connection, clock)
        result = await self._play(session, incoming)
        task = asyncio.current_task()
        assert task is not None
        self._judging_tasks.add(task)
        self._verdicts.put_nowait(await self._judge(result))

    async def _play(self, session: ServerSession, incoming: HttpRequest) -> ReplayResult:
        self._active_sessions += 1
        self._idle.clear()
        try:
            return await session.play(incoming)
        finally:
            self._active_sessions -= 1
            if not self._active_sessions:
                self._idle.set()

    async def _judge(self, result: ReplayResult) -> Verdict:
        """Judge in a thread, one session at a time, and preferably while none is being played.

        The thread could hold the interpreter's lock when a step of another session is due.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), _IDLE_TIMEOUT)
        async with self._judging:
            return await asyncio.to_thread(judge_result, result, self.options.rules)

    async def _read_request(self, connection: ReplayConnection) -> HttpRequest | None:
        """The request; None for a connection without one, such as a port probe."""
        try:
            async with asyncio.timeout(self.options.timeout):
                head = await connection.read_head(head_size)
                parsed = parse_head(head) if head is not None else None
                if parsed is None:
                    return None
                body = Body.of_request(parsed[0])
                while not body.done:
                    data = await connection.read_head(lambda received: len(received) or None)
                    if data is None:
                        break
                    body.feed(data)
                return HttpRequest(parsed[0], body.snapshot())
        except TimeoutError:
            return None
        except BadHead as error:
            self._on_refused(f"a connection from {connection.peer} sent no valid request: {error}")
            return None

    async def _choose(self, incoming: HttpRequest) -> ServedScript | Response:
        """The trace that matches a request, or the response if none does."""
        if self._session_limit and self._sessions_started >= self._session_limit:
            return _plain_response(503, "All Sessions Served")
        chosen = self.library.pick(incoming.path, incoming.head.headers, incoming.host)
        if isinstance(chosen, str):
            if self.library.only_upgrades and not incoming.upgrade:
                return _UPGRADE_REQUIRED  # such as a health check
            self._on_refused(f"no trace matches {incoming.head.start[0]} {incoming.path}: {chosen}")
            return _plain_response(
                404, "Not Recorded", f"no recorded session matches this request: {chosen}\n"
            )
        self._sessions_started += 1
        return await asyncio.to_thread(self._served_script, chosen.path)


def _plain_response(status: int, reason: str, body: str = "") -> Response:
    data = body.encode()
    headers = [*_CONNECTION_CLOSE, ["Content-Length", str(len(data))]]
    return Response(0, status, reason, headers=headers, body=data)


_UPGRADE_REQUIRED = replace(
    _plain_response(426, "Upgrade Required"),
    headers=[["Upgrade", "websocket"], *_CONNECTION_CLOSE, ["Content-Length", "0"]],
)
