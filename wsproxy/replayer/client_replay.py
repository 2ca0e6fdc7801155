"""A trace prepared for any number of replays as the client; without sockets.

Missing credentials and invalid options are reported here, before anything is sent.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path

from wsproxy.catalog import Provider, load
from wsproxy.compare import STANDARD, Tolerances
from wsproxy.errors import UsageError
from wsproxy.recorder import MAX_BODY, Clock, SessionWriter
from wsproxy.redact import MIN_SECRET
from wsproxy.system.address import is_loopback
from wsproxy.trace import Eof, Failure, Request, Response
from wsproxy.wire import Frame, accept_key, header, is_upgrade

from .credentials import CredentialFiller
from .endpoint import Endpoint
from .handshake import (
    content_length,
    negotiated_deflate,
    origin_form,
    printable,
    request_bytes,
    rewritten_request_headers,
)
from .pace import RECORDED_PACE, Pace
from .replay_trace import ReplayRecording
from .schedule import Schedule, gated_steps
from .script import Script, unanswered_duration_ns
from .target import Target, proxy_for, ssl_context
from .value_rewriter import DATA_OPCODES, ValueRewriter, fields_to_fill, time_shift_since


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """The settings of a replay as the client.

    Attributes:
        to: ws or wss URL; its path and query, if any, replace the recorded ones.
        pace: speed and timing.
        headers, query, subprotocol: replace recorded ones or add to them; mostly credentials that
            were redacted.
        fields: (name, value) of JSON fields in messages whose credentials were redacted.
        proxy: URL of an HTTP or SOCKS proxy; "" for none, None for the environment's.
        insecure: do not verify the server's certificate.
        ca: PEM file with certificates to trust.
        timeout: seconds that the server may take longer than in the recording.
        keep_ids: send the recorded ids and times in messages.
        rules: how the session is compared with the recording.
    """

    to: str
    _: KW_ONLY
    pace: Pace = RECORDED_PACE
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    query: Sequence[tuple[str, str]] = field(default=(), repr=False)
    subprotocol: str | None = field(default=None, repr=False)
    fields: Sequence[tuple[str, str]] = field(default=(), repr=False)
    proxy: str | None = None
    insecure: bool = False
    ca: Path | None = None
    timeout: float = 10.0
    keep_ids: bool = False
    rules: Tolerances = STANDARD


_MIN_CONNECT_TIMEOUT = 5.0  # seconds
_MAX_BODY_SENT = 64 << 20  # bytes of a plain request's body


class ClientReplay:
    """A trace that is ready to be replayed as the client.

    Args:
        trace: the trace.
        script: its client's side, if it was read before.

    Attributes:
        connect_timeout: seconds to connect.
        response_timeout: seconds from the request to the response.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: the trace holds nothing to replay, a credential is missing, or a URL is
            invalid.
    """

    def __init__(self, trace: Path, options: ClientOptions, script: Script | None = None) -> None:
        self.trace = trace
        self.options = options
        self.script = script or Script.read(trace, "client", options.pace)
        self.target = Target.parse(options.to)
        self.proxy = proxy_for(self.target, options.proxy)
        self.context: ssl.SSLContext | None = None
        if self.target.tls:
            self.context = ssl_context(options.ca, insecure=options.insecure)
        self._provider = load().provider(self.script.session.provider or "")
        self._recorded_request = self._check_recorded_request()
        self._filler = self._credential_filler()
        self.encode(self.request())  # reports missing credentials and a damaged request now
        self._message_credentials = self._find_message_credentials()
        filled = self._filler.filled_values(
            self._recorded_request.headers, self._recorded_request.path
        )
        self._credentials_to_redact = (
            *filled,
            *(each for each in self._message_credentials.values() if len(each) >= MIN_SECRET),
        )
        self.connect_timeout = max(options.timeout, _MIN_CONNECT_TIMEOUT)
        session = self.script.session
        failure = session.failure if session.response is None else None
        # A client that gave up does so again, at any pace at the same time: it waited in vain.
        self._client_gave_up = failure is not None and failure.from_client
        self.response_timeout = self._recorded_response_delay()
        if not self._client_gave_up:
            self.response_timeout += options.timeout
        self._steps = gated_steps(self.script)

    def request(self) -> Request:
        """The request to send, with a new key and the user's credentials."""
        recorded = self._recorded_request
        headers = rewritten_request_headers(recorded.headers, self.target.authority)
        body = self._body()
        if body:
            headers.append(["Content-Length", str(len(body))])
        path = self.target.request_path(recorded.path)
        headers, path = self._filler.fill(headers, path)
        to = self.target
        return Request(
            0,
            recorded.method,
            to.scheme,
            to.host,
            to.port,
            path,
            headers=headers,
            body=body or None,
        )

    def encode(self, request: Request) -> bytes:
        """The request as bytes, with its body."""
        return request_bytes(request) + (request.body or b"")

    @property
    def upgrade(self) -> bool:
        """Whether it requests an upgrade to WebSocket; else it is a plain HTTP exchange."""
        return is_upgrade((h[0], h[1]) for h in self._recorded_request.headers)

    @property
    def timeout_ns(self) -> int:
        """The timeout in ns."""
        return int(self.options.timeout * 1e9)

    def schedule(self) -> Schedule:
        """A new schedule for one replay."""
        return Schedule(self.script, timeout_ns=self.timeout_ns, steps=self._steps)

    def start_recording(
        self, recordings: ReplayRecording, clock: Clock, request: Request
    ) -> SessionWriter:
        """Begin the recording of one replay, with its request.

        Raises:
            UsageError: the file cannot be created.
        """
        recording = recordings.begin(
            self.script.session, clock, "replay-client", None, self._credentials_to_redact
        )
        if request.body is not None:
            request = replace(request, body=request.body[:MAX_BODY])
        recording.add(request)
        return recording

    def endpoint(
        self, response: Response, recording: SessionWriter, schedule: Schedule
    ) -> Endpoint:
        """The client's end of an accepted session."""
        deflate = negotiated_deflate(response)
        return Endpoint(schedule, recording, rewriter=self._value_rewriter(), deflate=deflate)

    def continues_as_recorded(self, response: Response | None) -> bool:
        """Whether the upgrade succeeds as in the recording, so that the session continues."""
        return response is not None and response.status == 101 and self.script.session.accepted

    def handshake_error(self, response: Response, request: Request) -> str | None:
        """Why a client must fail the handshake (RFC 6455, section 4.1); None if it must not.

        A violation that the recorded server committed as well is accepted.
        """
        recorded = self.script.session.response
        if response.status != 101 or recorded is None:
            return None
        if _handshake_violation(recorded, self._recorded_request):
            return None
        return _handshake_violation(response, request)

    def record_no_response(
        self, recording: SessionWriter, now_ns: int, message: str, end: str | None
    ) -> None:
        """Record that there was no valid response to the request.

        Args:
            end: how the server ended the connection, "eof" or "reset"; None if it did not.
        """
        failure = self.script.session.failure
        # Recordings made with mitmproxy's own layer have "http" here.
        where = "http" if failure is not None and failure.where == "http" else "handshake"
        recording.add(Failure(now_ns, where, self._client_gave_up and end is None, message))
        if end is not None:
            recording.add(Eof(now_ns, False, end))

    # -- preparation

    def _check_recorded_request(self) -> Request:
        session = self.script.session
        recorded = session.request
        if recorded is None or not recorded.headers or (session.start and session.start.synthetic):
            how = session.failure
            why = f": it failed before ({printable(how.where)})" if how else ""
            raise UsageError(f"there is no handshake in this trace to replay as the client{why}")
        return replace(recorded, path=origin_form(recorded.path))

    def _body(self) -> bytes:
        """The body of a plain request, in its recorded length; empty for an upgrade.

        Recordings hold the beginning of a body. It is padded with its last byte, which suffices
        to reproduce a failure that depends on the size. A body with a content coding is recorded
        decoded, and sent so.
        """
        recorded = self._recorded_request
        body = recorded.body or b""
        length = content_length(recorded.headers)
        coded = header(((h[0], h[1]) for h in recorded.headers), "content-encoding")
        if self.upgrade or not body or length is None or coded:
            return b"" if self.upgrade else body
        missing = min(length, _MAX_BODY_SENT) - len(body)
        return body + body[-1:] * missing

    def _credential_filler(self) -> CredentialFiller:
        options, provider = self.options, self._provider
        return CredentialFiller(
            options.headers,
            options.query,
            options.subprotocol,
            provider.credentials.environment if provider else (),
            os.environ,
            synthetic=is_loopback(self.target.host),
        )

    def _find_message_credentials(self) -> dict[str, str]:
        """Credentials for redacted JSON fields in messages, by field name."""
        provider_fields = credential_fields(self._provider)
        names = dict.fromkeys((*provider_fields, *self.script.redacted_fields))
        given = dict(self.options.fields)
        payloads = (
            step.item.payload
            for step in self.script.steps
            if isinstance(step.item, Frame) and step.item.opcode in DATA_OPCODES
        )
        needed = dict.fromkeys(
            name for payload in payloads for name in fields_to_fill(payload, (*names, *given))
        )
        return self._filler.fill_fields(needed, given, provider_fields)

    def _value_rewriter(self) -> ValueRewriter:
        start = self.script.session.start
        api = load().api(self.script.session.provider, self.script.session.api)
        return ValueRewriter(
            True,
            self.script.observed_ids,
            time_shift_since(start.started_at_ns if start else 0, time.time_ns()),
            self._message_credentials,
            rewrite_ids=not self.options.keep_ids,
            azure=api is not None and api.envelope == "azure",
        )

    def _recorded_response_delay(self) -> float:
        """Seconds until the recorded server responded, or until the session ended without it."""
        session = self.script.session
        if session.request is None:
            return 0.0
        if session.response is None:
            return unanswered_duration_ns(session) / 1e9
        return max(0, session.response.t_ns - session.request.t_ns) / 1e9


def _handshake_violation(response: Response, request: Request) -> str | None:
    sent, received = ([(h[0], h[1]) for h in each.headers] for each in (request, response))
    if not is_upgrade(received):
        return "the answer has status 101 and no Upgrade: websocket"
    expected = accept_key(header(sent, "sec-websocket-key") or "")
    if header(received, "sec-websocket-accept") != expected:
        return "the answer's Sec-WebSocket-Accept is not that of the key"
    return None


def credential_fields(provider: Provider | None) -> tuple[str, ...]:
    """The JSON fields in messages that hold a provider's credentials."""
    return provider.credentials.message_fields if provider else ()
