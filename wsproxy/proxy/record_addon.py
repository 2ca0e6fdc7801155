"""The mitmproxy addon that records sessions: hooks for their begin, response, failure and end.

Hooks run only at the beginning and the end of a session; its bytes go through `relay` without
hooks. Loaded by `addons/record.py` and by `embedding`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import re
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from mitmproxy import ctx, exceptions, http, tls
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.mode_specs import ReverseMode
from mitmproxy.version import VERSION as MITMPROXY_VERSION

from wsproxy import catalog
from wsproxy.diagnose.annotation import annotate
from wsproxy.errors import CatalogError
from wsproxy.recorder import Clock, SessionWriter, file_descriptors, new_start
from wsproxy.recorder.live_session import LiveSession
from wsproxy.recorder.worker import RecorderWorker
from wsproxy.redact import HeadRedactor, fingerprint_key
from wsproxy.system.address import authority
from wsproxy.trace import Failure, Gap, Request
from wsproxy.wire import Close, Opcode

from . import connection_control, failure_cause, http1_patches, http_stream, options, relay_layer
from .access_addon import ANSWERED_HERE, SELF_CONNECTION
from .failed_attempts import FailedAttempts
from .failure_cause import FailureCause
from .http_records import is_upgrade_request, request_record, response_record
from .recorded_hosts import RecordedHosts
from .unreached_hosts import UnreachedHosts

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT = 0.5  # seconds in which a recorder nearly always has written everything

REFUSAL = (
    "wsproxy cannot write a trace of this session, and in strict mode it refuses unrecorded "
    "sessions; free disk space, or turn strict mode off\n"
)

_NOT_FORWARDED = "wsproxy_not_forwarded"  # in a flow's metadata


class RecordAddon:
    """Records WebSocket sessions, and failed HTTP exchanges with known speech APIs.

    Args:
        on_begin, on_end: called on the recorder's thread when a trace was created or
            completed.

    Attributes:
        hosts: which hosts are recorded.
        unreached: the hosts of connections that failed, and that are not recorded.
        stopped_in_order: False if it has stopped before everything was written.
    """

    name = "record"  # mitmproxy's other addons look it up by this name

    def __init__(
        self,
        on_begin: Callable[[SessionWriter], None] | None = None,
        on_end: Callable[[SessionWriter], None] | None = None,
    ) -> None:
        self.stopped_in_order = True
        self.unreached = UnreachedHosts()
        self._on_begin = on_begin
        self._on_end = on_end
        self._recorder: RecorderWorker | None = None
        self._froze = False  # what existed at the start, for the garbage collector
        self._options: options.RecorderOptions | None = None  # those of the running recorder
        self._live: dict[str, LiveSession] = {}  # by flow id
        self._flows: dict[str, set[str]] = {}  # flow ids by client connection id
        self._failed_attempts = FailedAttempts()
        self._catalog = catalog.load()
        self.hosts = RecordedHosts(self._catalog)
        self._redact = HeadRedactor(
            self._catalog.credentials, fingerprint_key(), self._catalog.key_shapes
        )

    # -- mitmproxy's life cycle

    def load(self, loader: Loader) -> None:
        options.declare(loader)

    def configure(self, updated: set[str]) -> None:
        if "wsproxy_host" in updated:
            try:
                self.hosts.set_named(ctx.options.wsproxy_host)
            except re.error as error:
                raise exceptions.OptionsError(
                    f"wsproxy_host: invalid regular expression: {error}"
                ) from error
        if updated & options.FIXED_OPTIONS:
            new = options.RecorderOptions.read()
            if self._recorder is not None and new != self._options:
                # The recorder would continue with its old options.
                names = ", ".join(sorted(updated & options.FIXED_OPTIONS))
                raise exceptions.OptionsError(f"{names}: cannot be changed while recording")
            if self._recorder is None and "wsproxy_out" in updated:
                problem = options.folder_problem(new.out)
                if problem is not None:
                    raise exceptions.OptionsError(f"{problem}; set wsproxy_out to another folder")

    def running(self) -> None:
        # Conditions are loaded on first use, which takes 0.1 s per provider. At the end of a
        # session this would delay the others.
        for provider in self._catalog.providers:
            with contextlib.suppress(CatalogError):
                self._catalog.conditions_of(provider.id)
        self._options = options.RecorderOptions.read()
        self._recorder = RecorderWorker(
            self._options.out,
            asyncio.get_running_loop(),
            annotate=partial(annotate, catalog=self._catalog),
            redact=self._redact,
            limits=self._options.limits,
            on_begin=self._on_begin,
            on_end=self._on_trace_complete,
        )
        relay_layer.install(self._sink_for, self._fall_back)
        file_descriptors.log_exhaustion(asyncio.get_running_loop())
        # The objects of mitmproxy and the catalog are permanent: a full garbage collection that
        # visits them would stop the traffic for tens of milliseconds. A program that has frozen
        # its objects itself manages the collector itself.
        self._froze = gc.get_freeze_count() == 0
        if self._froze:
            gc.collect()
            gc.freeze()

    def done(self) -> Awaitable[None] | None:
        """Close the recorder; if the disk delays that, the event loop continues meanwhile."""
        relay_layer.uninstall()
        if self._froze:
            gc.unfreeze()  # the process may continue without a recorder
            self._froze = False
        if self._recorder is None:
            return None
        closing = threading.Thread(target=self._close, name="wsproxy-closing", daemon=True)
        closing.start()
        closing.join(CLOSE_TIMEOUT)  # the loop is blocked: nothing unrecorded is sent
        return _wait_closed(closing) if closing.is_alive() else None

    def hurry(self) -> None:
        """Shorten the wait of `done` for a disk that hangs; called on any thread."""
        if self._recorder is not None:
            self._recorder.hurry()

    def _close(self) -> None:
        assert self._recorder is not None
        self.stopped_in_order = self._recorder.close()
        self._recorder = None

    # -- sessions with a flow

    def next_layer(self, nextlayer: NextLayer) -> None:
        http1_patches.choose_layer(nextlayer)

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Begin the session of an upgrade request, before anything can fail.

        The next hook does not run for a client that leaves at once.
        """
        if flow.error is not None:
            flow.metadata[_NOT_FORWARDED] = True  # mitmproxy refuses it before any hook
        if flow.response is not None:
            flow.metadata[ANSWERED_HERE] = True  # mitmproxy itself requests a password
        elif is_upgrade_request(flow.request) and self.hosts.includes(flow.request.pretty_host):
            if self._recorder is not None and self._recorder.refuses_sessions:
                _refuse(flow)
                return
            session = self._begin(flow, self._capture_level(flow))
            if session is not None and not await session.wait_opened():
                self._forget(flow.id, flow.client_conn)
                session.refuse()
                _refuse(flow)
        elif self._captures_wire:
            http_stream.stream_body(flow.request)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        if (
            self._captures_wire
            and flow.response.status_code != 101
            and ANSWERED_HERE not in flow.metadata
        ):
            http_stream.stream_body(flow.response)

    def response(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        if ANSWERED_HERE in flow.metadata:
            return
        session = self._live.get(flow.id)
        if session is None:
            if flow.response.status_code < 400 or not self._is_known_api(flow):
                return
            session = self._begin(flow)
            if session is None:
                return
        session.add(response_record(flow.response, session.now()))
        if flow.websocket is None:
            if flow.response.status_code == 101:
                message = "the answer is 101, but does not switch to WebSocket"
                session.add(Failure(session.now(), "handshake", False, message))
            self._end(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """The exchange failed: no response, or an incomplete one."""
        session = self._live.get(flow.id)
        if session is not None and flow.error is not None and not session.attached:
            if _NOT_FORWARDED in flow.metadata:
                cause = failure_cause.from_request(flow.error.msg)
            else:
                cause = failure_cause.from_exchange(flow, session.now())
            session.add(cause.at(session.now()))
            self._end(flow)

    # -- relayed by mitmproxy's own layer (capture level "messages")

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        assert flow.websocket is not None
        message = flow.websocket.messages[-1]
        session = self._live.get(flow.id)
        if session is None:
            return
        session.message(message.from_client, Opcode(message.type), message.content)
        if self._captures_wire and not _messages_are_kept():
            # No option requests messages, and the session may be long. Addons after this one
            # read the last message.
            del flow.websocket.messages[:-1]

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        session = self._live.get(flow.id)
        if session is None or flow.websocket is None:
            return
        if not session.attached:
            _stock_end(session, flow)
        self._end(flow)

    # -- sessions without a flow

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Usually the app does not trust mitmproxy's CA."""
        server = data.context.server
        host = data.conn.sni or (server.address[0] if server.address else None)
        if host is not None:
            port = server.address[1] if server.address else 443
            cause = failure_cause.from_client_tls(data.context.client, server)
            self._record_synthetic(data.context.client, host, port, cause)

    def tls_start_server(self, data: tls.TlsData) -> None:
        """Repeat an early FIN of the server: mitmproxy would wait for an answer."""
        if not data.conn.state & ConnectionState.CAN_READ:
            connection_control.repeat_eof(data.context.client, data.conn)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        if flow.response is not None:
            flow.metadata[ANSWERED_HERE] = True

    def http_connect_error(self, flow: http.HTTPFlow) -> None:
        """The upstream of a CONNECT could not be reached, or the upstream proxy refused."""
        text = flow.response.get_text(strict=False) if flow.response else None
        text = text or (flow.error.msg if flow.error else "")
        if ANSWERED_HERE in flow.metadata or SELF_CONNECTION in text:
            return
        cause = failure_cause.from_connect(text, flow.request.timestamp_start)
        if flow.client_conn.proxy_mode.type_name == "upstream":
            cause = replace(cause, where="proxy")
        self._record_synthetic(flow.client_conn, flow.request.host, flow.request.port, cause)

    def server_connect_error(self, data: server_hooks.ServerConnectionHookData) -> None:
        """In modes without a proxy request, only this hook reports a failed connect."""
        if data.client.proxy_mode.type_name in ("regular", "upstream"):
            return  # reported by a flow, or by http_connect_error
        if self._flows.get(data.client.id) or data.server.address is None:
            return
        if data.server.error == SELF_CONNECTION:
            return
        host, port = data.server.address[0], data.server.address[1]
        since = data.server.timestamp_start or time.time()
        self._record_synthetic(
            data.client, host, port, failure_cause.from_connect(data.server.error or "", since)
        )

    def record_unreachable(
        self, client: Client, host: str, port: int, error: str, since: float
    ) -> None:
        """Record that the server of a caught connection could not be connected to.

        Args:
            since: Unix time of the attempt, seconds.
        """
        self._record_synthetic(client, host, port, failure_cause.from_connect(error, since))

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        connection_control.on_task_failure(
            lambda: self._on_immediate_reset(data.client, data.server)
        )

    def _on_immediate_reset(self, client: Client, server: Server) -> None:
        message = "the server reset the connection as soon as it was made"
        cause = FailureCause("connect", False, message)
        waiting = [i for i in self._flows.get(client.id, ()) if not self._live[i].attached]
        for flow_id in waiting:
            session = self._forget(flow_id, client)
            session.add(cause.at(session.now()))
            session.end()
        if not waiting and server.address is not None:
            self._record_synthetic(client, server.address[0], server.address[1], cause)
        connection_control.disconnect(client)

    def client_disconnected(self, client: Client) -> None:
        """No other hook reports an incomplete request."""
        connection_control.close_leftovers(client)
        unfinished = connection_control.unfinished_request(client)
        if unfinished is not None:
            (host, port), size = unfinished
            message = f"the client left after {size} bytes of an HTTP request"
            cause = FailureCause("handshake", True, message)
            self._record_synthetic(client, host, port, cause, "wss" if client.tls else "ws")

    # -- records

    def records_failure(self, client: Client, host: str) -> bool:
        """Whether to record a connection that has failed before any request.

        An app has other connections, which fail without harm: the user or the catalog has to
        name the host.
        """
        if isinstance(client.proxy_mode, ReverseMode):
            return self.hosts.includes(host)
        return self.hosts.is_wanted(host)

    def _is_known_api(self, flow: http.HTTPFlow) -> bool:
        host = flow.request.pretty_host
        provider, _ = self._catalog.recognize(host, flow.request.path.partition("?")[0])
        return provider is not None and self.hosts.includes(host)

    def _capture_level(self, flow: http.HTTPFlow) -> str:
        """How the frames of a requested session will be recorded: see `Start.capture`."""
        if not self._captures_wire:
            return "messages"
        why = relay_layer.obstacle(flow)
        if why is None:
            return "wire"
        relay_layer.log_fallback(flow, why)
        return "messages"

    def _begin(self, flow: http.HTTPFlow, capture: str = "wire") -> LiveSession | None:
        if self._recorder is None:
            return None
        request = flow.request
        path = request.path.partition("?")[0]
        session = self._new_session(flow.client_conn, request.pretty_host, path, capture)
        session.add(request_record(request, session.now()))
        self._live[flow.id] = session
        self._flows.setdefault(flow.client_conn.id, set()).add(flow.id)
        return session

    def _new_session(
        self,
        client: Client,
        host: str,
        path: str,
        capture: str = "wire",
        *,
        synthetic: bool = False,
    ) -> LiveSession:
        assert self._recorder is not None
        provider, api = self._catalog.recognize(host, path)
        start = new_start(
            clock := Clock.start(),
            capture=capture,
            client=authority(*client.peername[:2]) if client.peername else None,
            provider=provider.id if provider else None,
            api=api.name if api else None,
            attempt=self._failed_attempts.next_attempt(host, path),
            mitmproxy=MITMPROXY_VERSION,
            mode=client.proxy_mode.full_spec,
            synthetic=synthetic,
        )
        return self._recorder.begin(clock, start)

    def _record_synthetic(
        self,
        client: Client,
        host: str,
        port: int,
        cause: FailureCause,
        scheme: str = "wss",
    ) -> None:
        """Record a session that has no flow, from a connection event."""
        if self._recorder is None:
            return
        if not self.records_failure(client, host):
            self.unreached.add(host, port, cause)
            return
        session = self._new_session(client, host, "/", synthetic=True)
        session.add(Request(session.now(), "GET", scheme, host, port, "/"))
        session.add(cause.at(session.now()))
        session.end()

    def _end(self, flow: http.HTTPFlow) -> None:
        self._forget(flow.id, flow.client_conn).end()

    def _forget(self, flow_id: str, client: Client) -> LiveSession:
        self._flows[client.id].discard(flow_id)
        if not self._flows[client.id]:
            del self._flows[client.id]
        return self._live.pop(flow_id)

    # -- callbacks of the layer and the recorder

    @property
    def _captures_wire(self) -> bool:
        if ctx.options.wsproxy_capture == "auto":
            return ctx.master.addons.get("view") is None
        return bool(ctx.options.wsproxy_capture == "wire")

    def _sink_for(self, flow: http.HTTPFlow) -> relay_layer.RelaySink | None:
        session = self._live.get(flow.id)
        if session is None:
            return relay_layer.UnrecordedSink() if self._captures_wire else None
        return session if session.start.capture == "wire" else None

    def _fall_back(self, flow: http.HTTPFlow, why: str) -> None:
        """A session turns out not to be relayable after its trace has begun as "wire".

        The trace ends, and the session continues in another one.
        """
        relay_layer.log_fallback(flow, why)
        first = self._live.get(flow.id)
        if first is None or flow.response is None:
            return
        self._forget(flow.id, flow.client_conn)
        second = self._begin(flow, "messages")
        if second is not None:
            second.add(response_record(flow.response, second.now()))
            now = first.now()
            reason = f"the session continues in the trace of {second.start.session}: {why}"
            first.add(Gap(now, now, reason))
        first.end()

    def _on_trace_complete(self, recording: SessionWriter) -> None:
        """Called on the recorder's thread."""
        self._failed_attempts.add(recording.session)
        if self._on_end is not None:
            self._on_end(recording)


async def _wait_closed(thread: threading.Thread) -> None:
    while thread.is_alive():  # noqa: ASYNC110  # threads have no asyncio event
        await asyncio.sleep(0.02)


def _refuse(flow: http.HTTPFlow) -> None:
    """Answer an upgrade request with 503 in place of the API."""
    flow.metadata[ANSWERED_HERE] = True
    flow.response = http.Response.make(
        503, REFUSAL, {"Content-Type": "text/plain", "Connection": "close"}
    )


def _messages_are_kept() -> bool:
    """Whether mitmproxy needs the messages of a session after its end."""
    return (
        ctx.master.addons.get("view") is not None  # a UI
        or getattr(ctx.options, "save_stream_file", None) is not None
        or bool(getattr(ctx.options, "hardump", ""))
    )


def _stock_end(session: LiveSession, flow: http.HTTPFlow) -> None:
    """Record the end that mitmproxy's own layer saw; 1005 and 1006 are never on the wire."""
    data = flow.websocket
    assert data is not None
    if data.close_code == 1006 or data.close_code is None:
        session.eof(bool(data.closed_by_client), "eof")
        return
    close = Close(None if data.close_code == 1005 else data.close_code, data.close_reason or "")
    session.message(bool(data.closed_by_client), Opcode.CLOSE, close.serialize())
