"""Replays traces as the server, for any app that can be pointed at a URL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from wsproxy.catalog import load
from wsproxy.compare import STANDARD, Tolerances
from wsproxy.errors import UsageError, WsproxyError
from wsproxy.recorder import BodySnapshot, Clock, SessionWriter
from wsproxy.session import Session
from wsproxy.session.declared_audio import declared_format
from wsproxy.system.address import authority, is_loopback
from wsproxy.trace import Eof, Failure, Request, Response
from wsproxy.wire import Deflate, header, is_upgrade

from .connection import ReplayConnection
from .endpoint import Endpoint
from .handshake import BadHead, Body, Head, accept, answer_bytes, head_size, parse_head, refuse
from .pace import RECORDED, Pace
from .player import play
from .progress import AMOUNTS, Gate
from .recording import ReplayRecording, written
from .schedule import Schedule, gated
from .script import Script, Step, unanswered_ns
from .trace_library import TraceLibrary
from .value_rewriter import ValueRewriter
from .verdict import ReplayResult, Verdict, judge_played

_MAX_AT_ONCE = 1000  # connections served at the same time; more wait, with 1 MiB each at most
_CALM_PATIENCE = 10.0  # seconds that a verdict waits while other sessions play
_SCRIPTS = 8  # of a folder's traces so many are kept in memory
_SLOW_ANSWER_NS = 50_000_000  # an answer sooner than that was no wait
_CLOSING = [["Connection", "close"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What the user asks of a replay as the server.

    Attributes:
        host, port: where to listen; port 0 takes a free one.
        pace: how fast.
        sessions: how many to serve; 0: until stopped.
        timeout: seconds that the app may take longer than in the recording.
        match: what of a request has to be as recorded: names of library.FACETS.
        gate: what the server's steps wait for of the app's audio: one of progress.AMOUNTS.
        keep_ids: send ids in messages as recorded.
        rules: how what the app did is compared with the recording.
        proxied: apps come through a proxy that leaves the API's name in the Host header.
    """

    host: str = "127.0.0.1"
    port: int = 0
    pace: Pace = RECORDED
    sessions: int = 1
    timeout: float = 10.0
    match: tuple[str, ...] = ()
    gate: str = "bytes"
    keep_ids: bool = False
    rules: Tolerances = STANDARD
    proxied: bool = False


class ReplayServer:
    """Serves a trace, or a folder of them.

    Use it as an async context manager; wait for `verdict()`s.

    Args:
        traces: what to serve.
        records: how the new sessions are recorded.
        on_refused: called with one line for each request that no trace answers.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: it holds nothing to serve; on entering: the port is in use.
    """

    def __init__(
        self,
        traces: Path,
        options: ServerOptions,
        records: ReplayRecording,
        *,
        on_refused: Callable[[str], None] = lambda line: None,
    ) -> None:
        if options.gate not in AMOUNTS:
            raise UsageError(f"gate {options.gate!r}: give {', '.join(AMOUNTS)}")
        self.library = TraceLibrary.open(traces, options.match)
        self.options = options
        self._records = records
        self._on_refused = on_refused
        self._tasks: set[asyncio.Task[None]] = set()
        self._played: set[asyncio.Task[None]] = set()  # those of them that only judge
        self._verdicts: asyncio.Queue[Verdict | Exception] = asyncio.Queue()
        self._begun = 0
        self._limit = options.sessions
        self._room = asyncio.Semaphore(_MAX_AT_ONCE)
        self._judging = asyncio.Lock()
        self._playing = 0
        self._calm = asyncio.Event()  # nobody plays
        self._calm.set()
        self._part = lru_cache(_SCRIPTS)(self._read)
        self._server: asyncio.Server
        if len(self.library.volumes) == 1:
            self._part(self.library.volumes[0].trace)  # what is wrong with it is said now

    def _read(self, trace: Path) -> _Part:
        audio = "frames" if self.options.gate == "frames" else "bytes"
        script = Script.read(trace, "server", self.options.pace, audio=audio)
        if self.options.gate == "seconds" and not _bytes_per_second(script.session, script):
            raise UsageError(
                f"{trace.name}: its encoding does not tell how many seconds its audio lasts; "
                "count bytes or frames"
            )
        if self._records.diagnose is not None:
            self._records.diagnose(script.session)  # the first time takes a while
        return _Part(trace, script, gated(script))

    async def __aenter__(self) -> ReplayServer:
        self._records.check()
        options = self.options
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: ReplayConnection(self._begin), options.host, options.port
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
        """Where it listens."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    @property
    def url(self) -> str:
        """Where it listens, as a URL without a path."""
        return f"ws://{authority(*self.address)}"

    async def verdict(self) -> Verdict:
        """Wait for the next session to end.

        Raises:
            UsageError: its trace cannot be written.
        """
        verdict = await self._verdicts.get()
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def limit(self, sessions: int) -> None:
        """Serve so many sessions in all; 0: until stopped."""
        self._limit = sessions

    async def idle(self, seconds: float) -> None:
        """Wait until no session is open, for so long at most, and until what ended is judged."""
        if playing := self._tasks - self._played:
            await asyncio.wait(playing, timeout=seconds)
        self._calm.set()  # what still plays is waited for no more
        while judged := self._tasks & self._played:
            await asyncio.wait(judged)

    @property
    def waiting(self) -> int:
        """How many verdicts are there to be fetched."""
        return self._verdicts.qsize()

    def _begin(self, connection: ReplayConnection) -> None:
        task = asyncio.create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._played.discard)

    async def _serve(self, connection: ReplayConnection) -> None:
        try:
            async with self._room:
                await self._session(connection)
        except WsproxyError as error:  # a task's own would reach nobody
            self._verdicts.put_nowait(error)
        except Exception as error:  # a fault of ours ends this session, and not the others
            self._on_refused(f"a session broke off: {type(error).__name__}: {error}")
        finally:
            await connection.close()

    async def _session(self, connection: ReplayConnection) -> None:
        clock = Clock.start()
        asked = await self._asked(connection)
        if asked is None:
            return
        chosen = await self._choose(asked)
        if isinstance(chosen, Response):
            connection.send(answer_bytes(chosen))
            return
        session = _Session(self.options, self._records, chosen, connection, clock)
        played = await self._play(session, asked)
        task = asyncio.current_task()
        assert task is not None
        self._played.add(task)
        self._verdicts.put_nowait(await self._judge(played))

    async def _play(self, session: _Session, asked: _Asked) -> ReplayResult:
        self._playing += 1
        self._calm.clear()
        try:
            return await session.play(asked)
        finally:
            self._playing -= 1
            if not self._playing:
                self._calm.set()

    async def _judge(self, played: ReplayResult) -> Verdict:
        """Judge in a thread, one session at a time, and while nobody plays if that comes.

        The thread would have the interpreter's lock when a step of another session is due.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._calm.wait(), _CALM_PATIENCE)
        async with self._judging:
            return await asyncio.to_thread(judge_played, played, self.options.rules)

    async def _asked(self, connection: ReplayConnection) -> _Asked | None:
        """The request; None for a connection that asks for nothing, such as a port probe."""
        try:
            async with asyncio.timeout(self.options.timeout):
                raw = await connection.head(head_size)
                parsed = parse_head(raw) if raw is not None else None
                if parsed is None:
                    return None
                body = Body.of_request(parsed[0])
                while not body.done:
                    data = await connection.head(lambda waiting: len(waiting) or None)
                    if data is None:
                        break
                    body.feed(data)
                return _Asked(parsed[0], body.snapshot())
        except TimeoutError:
            return None
        except BadHead as error:
            self._on_refused(f"a connection from {connection.peer} asks for no session: {error}")
            return None

    async def _choose(self, asked: _Asked) -> _Part | Response:
        """The trace that answers a request, or the answer if none does."""
        if self._limit and self._begun >= self._limit:
            return _plain(503, "All Sessions Served")
        volume = self.library.pick(asked.path, asked.head.headers, asked.host)
        if isinstance(volume, str):
            if self.library.wants_upgrades and not asked.upgrade:
                return _UPGRADE_REQUIRED  # such as a health check
            self._on_refused(f"no trace answers {asked.head.start[0]} {asked.path}: {volume}")
            return _plain(404, "Not Recorded", f"no recorded session answers this: {volume}\n")
        self._begun += 1
        return await asyncio.to_thread(self._part, volume.trace)


@dataclass(frozen=True, slots=True)
class _Part:
    """The server's part of a trace, as all sessions of it share it."""

    trace: Path
    script: Script
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that came, with the beginning of its body."""

    head: Head
    body: BodySnapshot

    @property
    def path(self) -> str:
        return self.head.start[1]

    @property
    def host(self) -> str:
        """Of the Host header, without the port."""
        host = (self.head.get("host") or "").strip()
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        return name.strip("[]").lower()

    @property
    def upgrade(self) -> bool:
        return is_upgrade((h[0], h[1]) for h in self.head.headers)


@dataclass(slots=True)
class _Session:
    """One session with an app."""

    options: ServerOptions
    records: ReplayRecording
    part: _Part
    connection: ReplayConnection
    clock: Clock

    @property
    def script(self) -> Script:
        return self.part.script

    async def play(self, asked: _Asked) -> ReplayResult:
        """Answer, and play."""
        connection, clock, script = self.connection, self.clock, self.script
        recording = self.records.begin(script.session, clock, "replay-server", connection.peer)
        try:
            request = self._request(asked)
            recording.add(request)
            schedule = Schedule(
                script,
                timeout_ns=int(self.options.timeout * 1e9),
                gate=self._gate(recording.session),
                steps=self.part.steps,
            )
            response = self._answer(asked.head)
            if response is None:
                await self._no_answer(recording)
            else:
                await self._answered_later()
                connection.send(answer_bytes(response))
                response = replace(response, t_ns=clock.now())
                recording.response(response)
            if response is not None and response.status == 101:
                endpoint = self._endpoint(response, recording, schedule)
                await play(endpoint, connection, clock)
        finally:
            recording.end(clock.now(), "stopped")
        kept = self.records.kept
        return ReplayResult.of(self.part.trace, written(recording), schedule, kept=kept)

    def _request(self, asked: _Asked) -> Request:
        method, path, _ = asked.head.start
        host, port = self.connection.local
        scheme = "ws" if asked.upgrade else "http"
        recorded = self.script.session.request
        if self.options.proxied and recorded is not None and not is_loopback(asked.host):
            host, port, scheme = asked.host or host, recorded.port, recorded.scheme
        body = asked.body
        return Request(
            0,
            method,
            scheme,
            host,
            port,
            path,
            headers=asked.head.headers,
            body=None if asked.upgrade else body.data,
            redacted=[] if asked.upgrade else body.redacted,
        )

    def _gate(self, session: Session) -> Gate:
        """What counts of the app's messages, where its audio is another than the recorded."""
        gate = self.script.gate
        if self.options.gate != "seconds":
            return gate
        recorded = _bytes_per_second(self.script.session, self.script)
        now = _bytes_per_second(session, self.script)
        return replace(gate, scale=recorded / now) if now else gate

    async def _answered_later(self) -> None:
        """Wait as long as the recorded server did, if it was slow."""
        session = self.script.session
        if self.options.pace.fast or session.request is None or session.response is None:
            return
        took = max(0, session.response.t_ns - session.request.t_ns)
        due = self.options.pace.scaled(took)
        if due > _SLOW_ANSWER_NS:
            await asyncio.sleep(due / 1e9)

    def _answer(self, head: Head) -> Response | None:
        """The recorded answer, made for this request; None where there was none."""
        recorded = self.script.session.response
        if recorded is None:
            return None
        headers = accept(recorded, head) if recorded.status == 101 else refuse(recorded)
        return replace(recorded, headers=headers, redacted=[])

    def _endpoint(
        self, response: Response, recording: SessionWriter, schedule: Schedule
    ) -> Endpoint:
        extensions = header(((h[0], h[1]) for h in response.headers), "sec-websocket-extensions")
        fresh = ValueRewriter(False, self.script.given, ids=not self.options.keep_ids)
        return Endpoint(schedule, recording, fresh=fresh, deflate=Deflate.parse(extensions))

    async def _no_answer(self, recording: SessionWriter) -> None:
        """Be silent for as long as the recorded server was, and end as it did."""
        session, connection, pace = self.script.session, self.connection, self.options.pace
        failure = session.failure
        given_up = failure is not None and failure.from_client  # the app had not waited longer
        seconds = 0.0 if pace.fast and not given_up else pace.scaled(unanswered_ns(session)) / 1e9
        await connection.until_end(seconds + self.options.timeout * given_up)
        if connection.end is not None:
            recording.add(Failure(self.clock.now(), "handshake", True, "the app left unanswered"))
            return
        if failure is None or given_up:
            return  # nothing ended it
        reset = session.received.ended is not None and session.received.ended.how == "reset"
        if reset:
            await connection.reset()
        recording.add(Failure(self.clock.now(), failure.where, False, failure.message))
        recording.add(Eof(self.clock.now(), False, "reset" if reset else "eof"))


def _bytes_per_second(session: Session, script: Script) -> int:
    """Of a session's audio, 0 where that is not known."""
    recorded = script.session
    form = declared_format(session, load().api(recorded.provider, recorded.api))
    return form.bytes_per_second if form else 0


def _plain(status: int, reason: str, body: str = "") -> Response:
    data = body.encode()
    headers = [*_CLOSING, ["Content-Length", str(len(data))]]
    return Response(0, status, reason, headers=headers, body=data)


_UPGRADE_REQUIRED = replace(
    _plain(426, "Upgrade Required"),
    headers=[["Upgrade", "websocket"], *_CLOSING, ["Content-Length", "0"]],
)
