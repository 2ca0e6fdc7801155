"""Replays a trace as the client, against a server."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from wsproxy.catalog import load
from wsproxy.errors import ConnectFailed, UsageError
from wsproxy.recording import Clock, Recording
from wsproxy.trace import Eof, Failure, Request, Response
from wsproxy.wire import is_upgrade

from .connection import Connection
from .credentials import Credentials, is_loopback
from .handshake import (
    BadHead,
    Body,
    fresh_request_headers,
    head_size,
    parse_head,
    printable,
    request_bytes,
)
from .player import Player
from .recorded import Records
from .schedule import Schedule, Script
from .verdict import Verdict, judge

_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_BODY_TIMEOUT = 5.0  # seconds for the body of a refusal


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """What the user asks of a replay as the client.

    Attributes:
        to: ws or wss URL; its path and query, if it has any, replace the recorded ones.
        pace: one of PACES.
        headers, query, subprotocol: replace or add; credentials that were taken out, first.
        insecure: do not check the server's certificate.
        ca: file with certificates to trust.
        timeout: seconds that the server may take longer than in the recording.
    """

    to: str
    pace: str = "recorded"
    headers: Sequence[tuple[str, str]] = ()
    query: Sequence[tuple[str, str]] = ()
    subprotocol: str | None = None
    insecure: bool = False
    ca: Path | None = None
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    host: str
    port: int
    path: str  # with query; empty: the recorded one

    @classmethod
    def parse(cls, url: str) -> _Target:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"{url!r} is not a URL: {error}") from None
        if parts.scheme not in _PORTS or not parts.hostname or any(map(str.isspace, url)):
            raise UsageError(f"{url!r} is not a ws:// or wss:// URL")
        path = parts.path if parts.path not in ("", "/") else ""
        query = f"?{parts.query}" if parts.query else ""
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], path + query)

    @property
    def tls(self) -> bool:
        return self.scheme in ("wss", "https")

    @property
    def authority(self) -> str:
        """For the Host header (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def path_of(self, recorded: str) -> str:
        """Path and query to ask for."""
        path, mark, query = recorded.partition("?")
        own_path, own_mark, own_query = self.path.partition("?")
        return (own_path or path) + (own_mark + own_query if own_mark else mark + query)


async def replay_client(trace: Path, options: ClientOptions, records: Records) -> Verdict:
    """Replay a session against a server and judge what happened.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: it holds nothing to replay, a credential is missing, a bad URL.
        ConnectFailed: the server cannot be reached.
    """
    script = Script.read(trace, "client")
    target = _Target.parse(options.to)
    request = _request(script, target, options)
    wire_request = request_bytes(request)
    context = _tls(options) if target.tls else None
    records.check()
    clock = Clock.start()
    connection = await _connect(target, context, options.timeout)
    recording = records.begin(script.session, clock, "replay-client", None)
    schedule = Schedule(script, pace=options.pace, timeout_ns=int(options.timeout * 1e9))
    try:
        recording.add(records.request(request))
        connection.send(wire_request)
        patience = options.timeout + _answered_after(script)
        response = await _Answer(connection, recording, clock).read(patience)
        if response is not None:
            recording.response(records.response(response, request))
        if response is not None and response.status == 101 and script.session.accepted:
            await Player(schedule, connection, recording, clock).play()
        await connection.close()
    finally:
        recording.end(clock.now(), "stopped")
    return await asyncio.to_thread(judge, trace, recording.path, schedule)


def _answered_after(script: Script) -> float:
    """How long the recorded server took to answer the upgrade, seconds."""
    session = script.session
    if session.request is None or session.response is None:
        return 0.0
    return max(0, session.response.t_ns - session.request.t_ns) / 1e9


def _request(script: Script, target: _Target, options: ClientOptions) -> Request:
    """The request to send, with the user's credentials in it."""
    session = script.session
    recorded = session.request
    if recorded is None or not recorded.headers or (session.start and session.start.made_up):
        how = session.failure
        why = f": it failed before ({printable(how.where)})" if how else ""
        raise UsageError(f"there is no handshake in this trace to replay as the client{why}")
    if not is_upgrade((h[0], h[1]) for h in recorded.headers) and recorded.body:
        raise UsageError(
            "a plain HTTP request with a body is not kept whole: it cannot be replayed"
        )
    provider = load().provider(session.provider or "")
    credentials = Credentials(
        options.headers,
        options.query,
        options.subprotocol,
        provider.credentials.environment if provider else (),
        os.environ,
        made_up=is_loopback(target.host),
    )
    headers = fresh_request_headers(recorded.headers, target.authority)
    headers, path = credentials.fill(headers, target.path_of(recorded.path))
    return Request(
        0, recorded.method, target.scheme, target.host, target.port, path, headers=headers
    )


def _tls(options: ClientOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"cannot read the certificates in {options.ca}: {error}") from None
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _connect(target: _Target, context: ssl.SSLContext | None, patience: float) -> Connection:
    loop = asyncio.get_running_loop()
    where = f"{target.host}:{target.port}"
    try:
        async with asyncio.timeout(patience):
            _, connection = await loop.create_connection(
                Connection, target.host, target.port, ssl=context
            )
    except TimeoutError:
        raise ConnectFailed(f"cannot reach {where}: no answer in {patience:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise ConnectFailed(
            f"{where} has a certificate that is not trusted ({error.verify_message}); "
            "--ca FILE trusts another one"
        ) from None
    except (OSError, ssl.SSLError) as error:
        raise ConnectFailed(f"cannot reach {where}: {error.strerror or error}") from None
    return connection


@dataclass(frozen=True, slots=True)
class _Answer:
    """Reads the answer to the upgrade; what is none is recorded as a failure."""

    connection: Connection
    recording: Recording
    clock: Clock

    async def read(self, patience: float) -> Response | None:
        """The answer, with its body where it is a refusal; None without one.

        Args:
            patience: how long to wait, seconds.
        """
        try:
            async with asyncio.timeout(patience):
                raw = await self.connection.head(head_size)
            parsed = parse_head(raw) if raw is not None else None
            if parsed is None:
                return self._fail("the connection ended before an answer")
            head = parsed[0]
            status = head.status
        except TimeoutError:
            return self._fail(f"no answer to the upgrade in {patience:g} s")
        except BadHead as error:
            return self._fail(str(error))
        now = self.clock.now()
        response = Response(now, status, head.start[2], head.start[0], head.headers)
        if status == 101:
            return response
        body = Body(head)
        await _read_body(self.connection, body)
        return replace(response, body=bytes(body.data), body_length=body.length)

    def _fail(self, message: str) -> Response | None:
        now = self.clock.now()
        self.recording.add(Failure(now, "handshake", False, message))
        if self.connection.end is not None:
            self.recording.add(Eof(now, False, self.connection.end))
        return None


async def _read_body(connection: Connection, body: Body) -> None:
    """Read the body of a refusal as far as it comes in time."""
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            while not body.done:
                data = await connection.head(lambda waiting: len(waiting) or None)
                if data is None:
                    return
                body.feed(data)
    except TimeoutError:
        return  # what came of it is compared
