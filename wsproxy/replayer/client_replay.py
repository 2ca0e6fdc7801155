"""A trace made ready to be replayed as the client, any number of times; without sockets.

What is needed for it is asked for here, before anything is sent.
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
from wsproxy.wire import Deflate, Frame, accept_key, header, is_upgrade

from .credentials import CredentialFiller
from .endpoint import Endpoint
from .handshake import content_length, fresh_request_headers, origin_form, printable, request_bytes
from .pace import RECORDED, Pace
from .recording import ReplayRecording
from .schedule import Schedule, gated
from .script import Script, unanswered_ns
from .target import Target, proxy_for, trust
from .value_rewriter import DATA, ValueRewriter, lacking, moved_since


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """What the user asks of a replay as the client.

    Attributes:
        to: ws or wss URL; its path and query, if it has any, replace the recorded ones.
        pace: how fast.
        headers, query, subprotocol: replace or add; credentials that were taken out, first.
        fields: JSON fields of messages whose credentials were taken out: (name, value).
        proxy: URL of an HTTP or SOCKS proxy; "" for none, None for the environment's.
        insecure: do not check the server's certificate.
        ca: file with certificates to trust.
        timeout: seconds that the server may take longer than in the recording.
        keep_ids: send ids and times in messages as recorded.
        rules: how what came is compared with the recording.
    """

    to: str
    _: KW_ONLY
    pace: Pace = RECORDED
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


_CONNECT_PATIENCE = 5.0  # seconds that a server may take to be reached, at the least
_LONGEST_BODY = 64 << 20  # bytes of a plain request's body that are sent


class ClientReplay:
    """A trace to be replayed as the client.

    Args:
        trace: what to replay.
        script: its client's side, if it is at hand.

    Attributes:
        patience: how long the server may take to be reached, seconds.
        waits: how long the answer to the request may take, seconds.

    Raises:
        TraceError: the trace cannot be read.
        UsageError: it holds nothing to replay, a credential is missing, a bad URL.
    """

    def __init__(self, trace: Path, options: ClientOptions, script: Script | None = None) -> None:
        self.trace = trace
        self.options = options
        self.script = script or Script.read(trace, "client", options.pace)
        self.target = Target.parse(options.to)
        self.proxy = proxy_for(self.target, options.proxy)
        self.context: ssl.SSLContext | None = None
        if self.target.tls:
            self.context = trust(options.ca, insecure=options.insecure)
        self._provider = load().provider(self.script.session.provider or "")
        self._recorded = self._recorded_request()
        self._credentials = self._made_credentials()
        self.wire(self.request())  # what is missing or damaged is said now
        self._secrets = self._message_secrets()
        used = self._credentials.used(self._recorded.headers, self._recorded.path)
        self._hidden = (
            *used,
            *(each for each in self._secrets.values() if len(each) >= MIN_SECRET),
        )
        self.patience = max(options.timeout, _CONNECT_PATIENCE)
        answered = options.timeout + self._answered_after()
        session = self.script.session
        unanswered = session.failure if session.response is None else None
        # A client that gave up does so again, at no pace sooner: that nothing came is the point.
        self._gives_up = unanswered is not None and unanswered.from_client
        self.waits = self._answered_after() if self._gives_up else answered
        self._steps = gated(self.script)

    def request(self) -> Request:
        """The request to send, with a fresh key and the user's credentials in it."""
        recorded = self._recorded
        headers = fresh_request_headers(recorded.headers, self.target.authority)
        body = self._body()
        if body:
            headers.append(["Content-Length", str(len(body))])
        path = self.target.path_of(recorded.path)
        headers, path = self._credentials.fill(headers, path)
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

    def wire(self, request: Request) -> bytes:
        """The request's bytes, its body included."""
        return request_bytes(request) + (request.body or b"")

    @property
    def upgrade(self) -> bool:
        """Whether an upgrade is asked for; else it is a plain HTTP exchange."""
        return is_upgrade((h[0], h[1]) for h in self._recorded.headers)

    @property
    def timeout_ns(self) -> int:
        return int(self.options.timeout * 1e9)

    def schedule(self) -> Schedule:
        """The schedule of one replay."""
        return Schedule(self.script, timeout_ns=self.timeout_ns, steps=self._steps)

    def begin(self, records: ReplayRecording, clock: Clock, request: Request) -> SessionWriter:
        """The recording of one replay, its request in it.

        Raises:
            UsageError: the file cannot be created.
        """
        recording = records.begin(self.script.session, clock, "replay-client", None, self._hidden)
        if request.body is not None:
            request = replace(request, body=request.body[:MAX_BODY])
        recording.add(request)
        return recording

    def endpoint(
        self, response: Response, recording: SessionWriter, schedule: Schedule
    ) -> Endpoint:
        """The client's end of an accepted session."""
        extensions = header(((h[0], h[1]) for h in response.headers), "sec-websocket-extensions")
        return Endpoint(schedule, recording, fresh=self._fresh(), deflate=Deflate.parse(extensions))

    def accepted(self, response: Response | None) -> bool:
        """Whether the session goes on as the recorded one did."""
        return response is not None and response.status == 101 and self.script.session.accepted

    def unfit(self, response: Response, request: Request) -> str | None:
        """Why a client fails the handshake for an answer (RFC 6455, section 4.1), None if not.

        A server that answered so in the recording may do so again.
        """
        recorded = self.script.session.response
        if response.status != 101 or recorded is None:
            return None
        return None if _fault(recorded, self._recorded) else _fault(response, request)

    def no_answer(
        self, recording: SessionWriter, now_ns: int, message: str, end: str | None
    ) -> None:
        """Record that the request was not answered.

        Args:
            end: how the server ended the connection, None if it did not.
        """
        failure = self.script.session.failure
        # Recorders behind mitmproxy say "http" of the same.
        where = "http" if failure is not None and failure.where == "http" else "handshake"
        recording.add(Failure(now_ns, where, self._gives_up and end is None, message))
        if end is not None:
            recording.add(Eof(now_ns, False, end))

    # -- what is needed

    def _recorded_request(self) -> Request:
        session = self.script.session
        recorded = session.request
        if recorded is None or not recorded.headers or (session.start and session.start.synthetic):
            how = session.failure
            why = f": it failed before ({printable(how.where)})" if how else ""
            raise UsageError(f"there is no handshake in this trace to replay as the client{why}")
        return replace(recorded, path=origin_form(recorded.path))

    def _body(self) -> bytes:
        """The body of a plain request, as long as it was; one that was coded as what it meant.

        Recorders keep the beginning; the rest is filled up with its last byte, which does
        where it is the size that fails.
        """
        recorded = self._recorded
        body = recorded.body or b""
        length = content_length(recorded.headers)
        coded = header(((h[0], h[1]) for h in recorded.headers), "content-encoding")
        if self.upgrade or not body or length is None or coded:
            return b"" if self.upgrade else body
        missing = min(length, _LONGEST_BODY) - len(body)
        return body + body[-1:] * missing

    def _made_credentials(self) -> CredentialFiller:
        options, provider = self.options, self._provider
        return CredentialFiller(
            options.headers,
            options.query,
            options.subprotocol,
            provider.credentials.environment if provider else (),
            os.environ,
            made_up=is_loopback(self.target.host),
        )

    def _message_secrets(self) -> dict[str, str]:
        """Credentials of messages by their JSON fields."""
        own = message_fields(self._provider)
        names = dict.fromkeys((*own, *self.script.taken))
        given = dict(self.options.fields)
        payloads = (
            step.item.payload
            for step in self.script.steps
            if isinstance(step.item, Frame) and step.item.opcode in DATA
        )
        needed = dict.fromkeys(
            name for payload in payloads for name in lacking(payload, (*names, *given))
        )
        return self._credentials.for_fields(needed, given, own)

    def _fresh(self) -> ValueRewriter:
        start = self.script.session.start
        api = load().api(self.script.session.provider, self.script.session.api)
        return ValueRewriter(
            True,
            self.script.given,
            moved_since(start.started_at_ns if start else 0, time.time_ns()),
            self._secrets,
            ids=not self.options.keep_ids,
            azure=api is not None and api.envelope == "azure",
        )

    def _answered_after(self) -> float:
        """How long the recorded server took to answer the request, or did not, seconds."""
        session = self.script.session
        if session.request is None:
            return 0.0
        if session.response is None:
            return unanswered_ns(session) / 1e9
        return max(0, session.response.t_ns - session.request.t_ns) / 1e9


def _fault(response: Response, request: Request) -> str | None:
    asked, said = ([(h[0], h[1]) for h in each.headers] for each in (request, response))
    if not is_upgrade(said):
        return "the answer has status 101 and no Upgrade: websocket"
    expected = accept_key(header(asked, "sec-websocket-key") or "")
    if header(said, "sec-websocket-accept") != expected:
        return "the answer's Sec-WebSocket-Accept is not that of the key"
    return None


def message_fields(provider: Provider | None) -> tuple[str, ...]:
    """The JSON fields that carry a provider's credentials."""
    return provider.credentials.message_fields if provider else ()
