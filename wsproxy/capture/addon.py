"""The mitmproxy addon: which hook begins, answers, fails and ends a session.

Hooks run at the beginning and the end of a session only; its bytes pass through
`relay` without any. Loadable by itself (`addons/record.py`) and by `embed`.
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

from mitmproxy import ctx, exceptions, http, tls
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.version import VERSION as MITMPROXY_VERSION

from wsproxy import catalog
from wsproxy.address import authority
from wsproxy.diagnose import annotate
from wsproxy.errors import CatalogError
from wsproxy.recording import Clock, Recording, new_start
from wsproxy.redact import Redactor, fingerprint_key
from wsproxy.session import Session
from wsproxy.trace import Failure, Finding, Gap, Request, Response
from wsproxy.wire import Close, Opcode, is_upgrade

from . import body, descriptors, failure, http1, layer, options
from .access import ITSELF, REFUSED_HERE
from .live import LiveSession
from .recorder import Recorder

logger = logging.getLogger(__name__)

MAX_ENDPOINTS = 10_000  # whose failed attempts in a row are counted

CLOSED_AT_ONCE = 0.5  # seconds in which a recorder has written everything, nearly always

REFUSAL = (
    "wsproxy cannot write a trace of this session, and in strict mode it lets no session pass "
    "unrecorded. Make room on its disk, or turn strict mode off.\n"
)

_NOT_PASSED_ON = "wsproxy_not_passed_on"  # in a flow's metadata


class Record:
    """Records WebSocket sessions, and failed HTTP exchanges with known speech APIs.

    Args:
        on_begin, on_end: called on the recorder's thread when a trace was begun or
            completed.

    Attributes:
        stopped_in_order: False once it has stopped without having written everything.
    """

    def __init__(
        self,
        on_begin: Callable[[Recording], None] | None = None,
        on_end: Callable[[Recording], None] | None = None,
    ) -> None:
        self.stopped_in_order = True
        self._on_begin = on_begin
        self._on_end = on_end
        self._recorder: Recorder | None = None
        self._fixed: options.Fixed | None = None  # what the recorder was begun with
        self._live: dict[str, LiveSession] = {}  # by flow id
        self._busy: dict[str, set[str]] = {}  # flow ids by client connection id
        self._attempts: dict[tuple[str, str], int] = {}  # failed ones in a row, by endpoint
        self._hosts: list[re.Pattern[str]] = []
        self._catalog = catalog.load()
        self._redact = Redactor(
            self._catalog.credentials, fingerprint_key(), self._catalog.key_shapes
        )

    # -- mitmproxy's life cycle

    def load(self, loader: Loader) -> None:
        options.declare(loader)

    def configure(self, updated: set[str]) -> None:
        if "wsproxy_host" in updated:
            try:
                self._hosts = [re.compile(p, re.IGNORECASE) for p in ctx.options.wsproxy_host]
            except re.error as error:
                raise exceptions.OptionsError(
                    f"wsproxy_host is not a regular expression: {error}"
                ) from error
        if updated & options.FIXED:
            asked = options.fixed()
            if self._recorder is not None and asked != self._fixed:
                # The recorder would go on with what it was begun with.
                names = ", ".join(sorted(updated & options.FIXED))
                raise exceptions.OptionsError(f"{names}: not to be changed while it records")
            if self._recorder is None and "wsproxy_out" in updated:
                problem = options.folder_problem(asked.out)
                if problem is not None:
                    raise exceptions.OptionsError(f"{problem}; set wsproxy_out to another folder")

    def running(self) -> None:
        # They are read when they are first asked for, which takes a tenth of a second a
        # provider. When a session ends, the others have no such time.
        for provider in self._catalog.providers:
            with contextlib.suppress(CatalogError):
                self._catalog.conditions_of(provider.id)
        self._fixed = options.fixed()
        self._recorder = Recorder(
            self._fixed.out,
            asyncio.get_running_loop(),
            diagnose=self._diagnose,
            redact=self._redact,
            keeping=self._fixed.keeping,
            on_begin=self._on_begin,
            on_end=self._ended,
        )
        layer.install(self._sink_for, self._fall_back)
        descriptors.log_exhaustion(asyncio.get_running_loop())
        # What mitmproxy and the catalog are made of stays as it is: a full collection that
        # went through all of that would stop the traffic for tens of milliseconds.
        gc.collect()
        gc.freeze()

    def done(self) -> Awaitable[None] | None:
        """Close the recorder; if its disk holds that up, the event loop goes on meanwhile."""
        layer.uninstall()
        gc.unfreeze()  # the process may go on without a recorder
        if self._recorder is None:
            return None
        closing = threading.Thread(target=self._close, name="wsproxy-closing", daemon=True)
        closing.start()
        closing.join(CLOSED_AT_ONCE)  # nothing is sent meanwhile that could not be recorded
        return _ended(closing) if closing.is_alive() else None

    def hurry(self) -> None:
        """Have `done` wait no longer than a disk that works needs; called on any thread."""
        if self._recorder is not None:
            self._recorder.hurry()

    def _close(self) -> None:
        assert self._recorder is not None
        self.stopped_in_order = self._recorder.close()
        self._recorder = None

    # -- a session with an HTTP exchange

    def next_layer(self, nextlayer: NextLayer) -> None:
        http1.choose_layer(nextlayer)

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """An upgrade is asked for: the session begins before anything can go wrong.

        The hook after this one does not come for a client that leaves at once.
        """
        if flow.error is not None:
            flow.metadata[_NOT_PASSED_ON] = True  # mitmproxy refuses it before any hook
        if flow.response is not None:
            flow.metadata[REFUSED_HERE] = True  # mitmproxy itself asks for a password
        elif is_upgrade(_pairs(flow.request.headers)) and self._wanted(flow.request.pretty_host):
            if self._recorder is not None and self._recorder.refuses:
                _refuse(flow)
                return
            session = self._begin(flow, self._captured_as(flow))
            if session is not None and not await session.may_begin():
                self._forget(flow.id, flow.client_conn)
                session.refuse()
                _refuse(flow)
        elif self._wire:
            body.let_through(flow.request)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        if self._wire and flow.response.status_code != 101 and REFUSED_HERE not in flow.metadata:
            body.let_through(flow.response)

    def response(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        if REFUSED_HERE in flow.metadata:
            return
        session = self._live.get(flow.id)
        if session is None:
            if flow.response.status_code < 400 or not self._is_known_api(flow):
                return
            session = self._begin(flow)
            if session is None:
                return
        session.add(self._response(session, flow.response))
        if flow.websocket is None:
            if flow.response.status_code == 101:
                message = "the answer is 101, but switches to no WebSocket"
                session.add(Failure(session.now(), "handshake", False, message))
            self._end(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """The exchange broke: no response, or not a whole one."""
        session = self._live.get(flow.id)
        if session is not None and flow.error is not None and not session.attached:
            if _NOT_PASSED_ON in flow.metadata:
                cause = failure.of_request(flow.error.msg)
            else:
                cause = failure.of_exchange(flow, session.now())
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
        if self._wire and not _messages_are_kept():
            # Nobody has asked for messages, and the session may be a long one. Addons after
            # this one want the last of them.
            del flow.websocket.messages[:-1]

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        session = self._live.get(flow.id)
        if session is None or flow.websocket is None:
            return
        if not session.attached:
            _stock_end(session, flow)
        self._end(flow)

    # -- sessions that no flow is made for

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Most often the app does not trust mitmproxy's CA."""
        server = data.context.server
        host = data.conn.sni or (server.address[0] if server.address else None)
        if host is not None:
            port = server.address[1] if server.address else 443
            cause = failure.of_client_tls(data.context.client, server)
            self._made_up(data.context.client, host, port, cause)

    def tls_start_server(self, data: tls.TlsData) -> None:
        """A server that has sent its FIN already will not answer; mitmproxy would wait for it."""
        if not data.conn.state & ConnectionState.CAN_READ:
            layer.repeat_end(data.context.client, data.conn)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        if flow.response is not None:
            flow.metadata[REFUSED_HERE] = True

    def http_connect_error(self, flow: http.HTTPFlow) -> None:
        """The upstream of a CONNECT could not be reached, or the upstream proxy refused."""
        text = flow.response.get_text(strict=False) if flow.response else None
        text = text or (flow.error.msg if flow.error else "")
        if REFUSED_HERE in flow.metadata or ITSELF in text:
            return
        cause = failure.of_connect(text, flow.request.timestamp_start)
        if flow.client_conn.proxy_mode.type_name == "upstream":
            cause = replace(cause, where="proxy")
        self._made_up(flow.client_conn, flow.request.host, flow.request.port, cause)

    def server_connect_error(self, data: server_hooks.ServerConnectionHookData) -> None:
        """In modes without a proxy request, this is all that there is of a failed connect."""
        if data.client.proxy_mode.type_name in ("regular", "upstream"):
            return  # a flow, or http_connect_error, tells of it
        if self._busy.get(data.client.id) or data.server.address is None:
            return
        if data.server.error == ITSELF:
            return
        host, port = data.server.address[0], data.server.address[1]
        since = data.server.timestamp_start or time.time()
        self._made_up(data.client, host, port, failure.of_connect(data.server.error or "", since))

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        layer.on_crash(lambda: self._reset_at_once(data.client, data.server))

    def _reset_at_once(self, client: Client, server: Server) -> None:
        message = "the server reset the connection as soon as it was made"
        cause = failure.Cause("connect", False, message)
        waiting = [i for i in self._busy.get(client.id, ()) if not self._live[i].attached]
        for flow_id in waiting:
            session = self._forget(flow_id, client)
            session.add(cause.at(session.now()))
            session.end()
        if not waiting and server.address is not None:
            self._made_up(client, server.address[0], server.address[1], cause)
        layer.disconnect(client)

    def client_disconnected(self, client: Client) -> None:
        """No hook tells of a request that has not come whole."""
        layer.close_leftovers(client)
        unfinished = layer.unfinished_request(client)
        if unfinished is not None:
            (host, port), size = unfinished
            message = f"the client left after {size} bytes of an HTTP request"
            cause = failure.Cause("handshake", True, message)
            self._made_up(client, host, port, cause, "wss" if client.tls else "ws")

    # -- putting records together

    def _wanted(self, host: str) -> bool:
        return not self._hosts or any(pattern.search(host) for pattern in self._hosts)

    def _is_known_api(self, flow: http.HTTPFlow) -> bool:
        host = flow.request.pretty_host
        provider, _ = self._catalog.recognise(host, flow.request.path.partition("?")[0])
        return provider is not None and self._wanted(host)

    def _captured_as(self, flow: http.HTTPFlow) -> str:
        """What the frames of a session will be that is asked for: see `Start.capture`."""
        if not self._wire:
            return "messages"
        why = layer.obstacle(flow)
        if why is None:
            return "wire"
        layer.tell_fallback(flow, why)
        return "messages"

    def _begin(self, flow: http.HTTPFlow, capture: str = "wire") -> LiveSession | None:
        if self._recorder is None:
            return None
        request = flow.request
        upgrade = is_upgrade(_pairs(request.headers))
        scheme = request.scheme
        if upgrade:
            scheme = "wss" if scheme == "https" else "ws"
        path = request.path.partition("?")[0]
        said = None if upgrade else body.beginning(request)
        session = self._new_session(flow.client_conn, request.pretty_host, path, capture)
        session.add(
            Request(
                session.now(),
                request.method,
                scheme,
                request.pretty_host,
                request.port,
                request.path,
                request.http_version,
                _lists(request.headers),
                said.kept if said is not None else None,
                said.left_out if said is not None else [],
            )
        )
        self._live[flow.id] = session
        self._busy.setdefault(flow.client_conn.id, set()).add(flow.id)
        return session

    def _new_session(
        self, client: Client, host: str, path: str, capture: str = "wire", *, made_up: bool = False
    ) -> LiveSession:
        assert self._recorder is not None
        provider, api = self._catalog.recognise(host, path)
        start = new_start(
            clock := Clock.start(),
            capture=capture,
            client=authority(*client.peername[:2]) if client.peername else None,
            provider=provider.id if provider else None,
            api=api.name if api else None,
            attempt=self._attempts.get((host, path), 0) + 1,
            mitmproxy=MITMPROXY_VERSION,
            mode=client.proxy_mode.full_spec,
            made_up=made_up,
        )
        return self._recorder.begin(clock, start)

    def _made_up(
        self, client: Client, host: str, port: int, cause: failure.Cause, scheme: str = "wss"
    ) -> None:
        """A session put together from a connection event."""
        if self._recorder is None or not self._wanted(host):
            return
        session = self._new_session(client, host, "/", made_up=True)
        session.add(Request(session.now(), "GET", scheme, host, port, "/"))
        session.add(cause.at(session.now()))
        session.end()

    def _response(self, session: LiveSession, response: http.Response) -> Response:
        said = body.beginning(response) if response.status_code != 101 else None
        return Response(
            session.now(),
            response.status_code,
            response.reason,
            response.http_version,
            _lists(response.headers),
            said.kept if said is not None else None,
            said.size if said is not None else 0,
            said.left_out if said is not None else [],
        )

    def _end(self, flow: http.HTTPFlow) -> None:
        self._forget(flow.id, flow.client_conn).end()

    def _forget(self, flow_id: str, client: Client) -> LiveSession:
        self._busy[client.id].discard(flow_id)
        if not self._busy[client.id]:
            del self._busy[client.id]
        return self._live.pop(flow_id)

    # -- what the layer and the recorder ask for

    @property
    def _wire(self) -> bool:
        if ctx.options.wsproxy_capture == "auto":
            return ctx.master.addons.get("view") is None
        return bool(ctx.options.wsproxy_capture == "wire")

    def _sink_for(self, flow: http.HTTPFlow) -> layer.RelaySink | None:
        session = self._live.get(flow.id)
        if session is None:
            return layer.Unrecorded() if self._wire else None
        return session if session.start.capture == "wire" else None

    def _fall_back(self, flow: http.HTTPFlow, why: str) -> None:
        """A session cannot be relayed, which its request did not tell; its trace says "wire".

        So the trace ends, and the session goes on in another one.
        """
        layer.tell_fallback(flow, why)
        first = self._live.get(flow.id)
        if first is None or flow.response is None:
            return
        self._forget(flow.id, flow.client_conn)
        second = self._begin(flow, "messages")
        if second is not None:
            second.add(self._response(second, flow.response))
            now = first.now()
            told = f"the session goes on in the trace of {second.start.session}: {why}"
            first.add(Gap(now, now, told))
        first.end()

    def _diagnose(self, session: Session) -> list[Finding]:
        return annotate(session, self._catalog)

    def _ended(self, recording: Recording) -> None:
        """On the recorder's thread: count failed attempts at the same endpoint."""
        session = recording.session
        if session.request is not None:
            path = session.request.path.partition("?")[0]
            endpoint = (session.request.host, path)
            before = self._attempts.pop(endpoint, 0)
            if session.failed:
                self._attempts[endpoint] = before + 1
            if len(self._attempts) > MAX_ENDPOINTS:
                del self._attempts[next(iter(self._attempts))]  # the one that failed longest ago
        if self._on_end is not None:
            self._on_end(recording)


async def _ended(thread: threading.Thread) -> None:
    while thread.is_alive():  # noqa: ASYNC110  # a thread has no event for it
        await asyncio.sleep(0.02)


def _pairs(headers: http.Headers) -> list[tuple[str, str]]:
    return list(headers.items(multi=True))


def _lists(headers: http.Headers) -> list[list[str]]:
    return [[name, value] for name, value in headers.items(multi=True)]


def _refuse(flow: http.HTTPFlow) -> None:
    """Answer an upgrade in the place of the API."""
    flow.metadata[REFUSED_HERE] = True
    flow.response = http.Response.make(
        503, REFUSAL, {"Content-Type": "text/plain", "Connection": "close"}
    )


def _messages_are_kept() -> bool:
    """Whether anything of mitmproxy wants the messages of a session once it is over."""
    return (
        ctx.master.addons.get("view") is not None  # a UI
        or getattr(ctx.options, "save_stream_file", None) is not None
        or bool(getattr(ctx.options, "hardump", ""))
    )


def _stock_end(session: LiveSession, flow: http.HTTPFlow) -> None:
    """The Close that mitmproxy's own layer saw; 1005 and 1006 stand for what is not on the wire."""
    data = flow.websocket
    assert data is not None
    if data.close_code == 1006 or data.close_code is None:
        session.eof(bool(data.closed_by_client), "eof")
        return
    close = Close(None if data.close_code == 1005 else data.close_code, data.close_reason or "")
    session.message(bool(data.closed_by_client), Opcode.CLOSE, close.serialize())
