"""One replayed session as the server: the response to the request, then the recorded steps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from wsproxy.catalog import load
from wsproxy.compare import STANDARD, Tolerances
from wsproxy.recorder import BodySnapshot, Clock, SessionWriter
from wsproxy.session import Session
from wsproxy.session.declared_audio import declared_format
from wsproxy.system.address import is_loopback
from wsproxy.trace import Eof, Failure, Request, Response
from wsproxy.wire import is_upgrade

from .connection import ReplayConnection
from .endpoint import Endpoint
from .handshake import Head, accept_headers, negotiated_deflate, refusal_headers, response_bytes
from .pace import RECORDED_PACE, Pace
from .player import Player, follow
from .progress import Gate
from .replay_trace import ReplayRecording, completed_trace
from .schedule import Schedule
from .script import Script, Step, unanswered_duration_ns
from .value_rewriter import ValueRewriter
from .verdict import ReplayResult

_MIN_RESPONSE_DELAY_NS = 50_000_000  # a shorter recorded delay is not reproduced


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """The settings of a replay as the server.

    Attributes:
        host, port: where to listen; port 0 selects a free one.
        pace: speed and timing.
        sessions: number of sessions to serve; 0: until stopped.
        timeout: seconds that the client may take longer than in the recording.
        match: facets of a request that must equal the recording: names of
            `trace_library.FACETS`.
        gate: unit in which the server's steps wait for the client's audio: one of
            `progress.GATE_UNITS`.
        keep_ids: send the recorded ids in messages.
        rules: how the session is compared with the recording.
        proxied: clients come through a proxy that keeps the API's name in the Host header.
    """

    host: str = "127.0.0.1"
    port: int = 0
    pace: Pace = RECORDED_PACE
    sessions: int = 1
    timeout: float = 10.0
    match: tuple[str, ...] = ()
    gate: str = "bytes"
    keep_ids: bool = False
    rules: Tolerances = STANDARD
    proxied: bool = False


@dataclass(frozen=True, slots=True)
class ServedScript:
    """The server's side of a trace; all sessions that serve it share it."""

    trace: Path
    script: Script
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request of a client, with the beginning of its body."""

    head: Head
    body: BodySnapshot

    @property
    def path(self) -> str:
        return self.head.start[1]

    @property
    def host(self) -> str:
        """The host in the Host header, without the port."""
        host = (self.head.get("host") or "").strip()
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        return name.strip("[]").lower()

    @property
    def upgrade(self) -> bool:
        """Whether it requests an upgrade to WebSocket."""
        return is_upgrade((h[0], h[1]) for h in self.head.headers)


@dataclass(slots=True)
class ServerSession:
    """One replayed session with a client."""

    options: ServerOptions
    recordings: ReplayRecording
    served: ServedScript
    connection: ReplayConnection
    clock: Clock

    @property
    def script(self) -> Script:
        return self.served.script

    async def play(self, incoming: HttpRequest) -> ReplayResult:
        """Respond to the request, and play the session.

        Raises:
            UsageError: the trace of the replay cannot be written.
        """
        connection, clock, script = self.connection, self.clock, self.script
        recording = self.recordings.begin(script.session, clock, "replay-server", connection.peer)
        try:
            request = self._request(incoming)
            recording.add(request)
            schedule = Schedule(
                script,
                timeout_ns=int(self.options.timeout * 1e9),
                gate=self._gate(recording.session),
                steps=self.served.steps,
            )
            response = self._response(incoming.head)
            if response is None:
                await self._play_no_response(recording)
            else:
                await self._wait_recorded_delay()
                connection.send(response_bytes(response))
                response = replace(response, t_ns=clock.now())
                recording.response(response)
            if response is not None and response.status == 101:
                endpoint = self._endpoint(response, recording, schedule)
                await follow(Player(endpoint, connection, clock).steps(), connection)
                await connection.close()
        finally:
            recording.end(clock.now(), "stopped")
        trace = completed_trace(recording)
        keep = self.recordings.keep
        return ReplayResult.of(self.served.trace, trace, schedule, keep_trace=keep)

    def _request(self, incoming: HttpRequest) -> Request:
        method, path, _ = incoming.head.start
        host, port = self.connection.local
        scheme = "ws" if incoming.upgrade else "http"
        recorded = self.script.session.request
        if self.options.proxied and recorded is not None and not is_loopback(incoming.host):
            host, port, scheme = incoming.host or host, recorded.port, recorded.scheme
        body = incoming.body
        return Request(
            0,
            method,
            scheme,
            host,
            port,
            path,
            headers=incoming.head.headers,
            body=None if incoming.upgrade else body.data,
            redacted=[] if incoming.upgrade else body.redacted,
        )

    def _gate(self, session: Session) -> Gate:
        """The script's gate, scaled to the client's audio format if it counts seconds."""
        gate = self.script.gate
        if self.options.gate != "seconds":
            return gate
        recorded = bytes_per_second(self.script.session, self.script)
        live = bytes_per_second(session, self.script)
        return replace(gate, scale=recorded / live) if live else gate

    async def _wait_recorded_delay(self) -> None:
        """Wait as long as the recorded server took to respond, if it was slow."""
        session = self.script.session
        if self.options.pace.fast or session.request is None or session.response is None:
            return
        took = max(0, session.response.t_ns - session.request.t_ns)
        delay_ns = self.options.pace.scaled(took)
        if delay_ns > _MIN_RESPONSE_DELAY_NS:
            await asyncio.sleep(delay_ns / 1e9)

    def _response(self, head: Head) -> Response | None:
        """The recorded response, adapted to this request; None if there was none."""
        recorded = self.script.session.response
        if recorded is None:
            return None
        headers = (
            accept_headers(recorded, head) if recorded.status == 101 else refusal_headers(recorded)
        )
        return replace(recorded, headers=headers, redacted=[])

    def _endpoint(
        self, response: Response, recording: SessionWriter, schedule: Schedule
    ) -> Endpoint:
        rewriter = ValueRewriter(
            False, self.script.observed_ids, rewrite_ids=not self.options.keep_ids
        )
        return Endpoint(
            schedule, recording, rewriter=rewriter, deflate=negotiated_deflate(response)
        )

    async def _play_no_response(self, recording: SessionWriter) -> None:
        """Stay silent as long as the recorded server did, then end as it did."""
        session, connection, pace = self.script.session, self.connection, self.options.pace
        failure = session.failure
        client_gave_up = failure is not None and failure.from_client
        seconds = pace.scaled(unanswered_duration_ns(session)) / 1e9
        if client_gave_up:
            seconds += self.options.timeout
        elif pace.fast:
            seconds = 0.0
        await connection.wait_peer_end(seconds)
        if connection.peer_end is not None:
            recording.add(Failure(self.clock.now(), "handshake", True, "the app left unanswered"))
            return
        if failure is None or client_gave_up:
            return  # neither side ended it
        reset = session.received.ended is not None and session.received.ended.how == "reset"
        if reset:
            await connection.reset()
        recording.add(Failure(self.clock.now(), failure.where, False, failure.message))
        recording.add(Eof(self.clock.now(), False, "reset" if reset else "eof"))


def bytes_per_second(session: Session, script: Script) -> int:
    """Data rate of a session's audio, 0 if unknown."""
    recorded = script.session
    form = declared_format(session, load().api(recorded.provider, recorded.api))
    return form.bytes_per_second if form else 0
