"""A session as both peers put it on the wire, written to a trace by the recorder's own code."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wsproxy.catalog import load
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.redact import HeadRedactor, SessionRedactor
from wsproxy.trace import Eof, Failure, Request, Response
from wsproxy.wire import Close, Frame, Opcode, accept_key
from wsproxy.wire.parser import MAX_PAYLOAD

Message = bytes | str | Mapping[str, Any]
Headers = Mapping[str, str]
Happening = Frame | Response | Failure | Eof
"""What happens in a session. A frame with a mask is the client's; times are those of the event."""

PYTHON = "Python/3.11 websockets/15.0.1"
NODE = "node"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0"
STARTED_NS = 1_790_000_000_000_000_000
DATE = "Mon, 21 Sep 2026 14:13:20 GMT"

_NONCE = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x37\xfa\x21\x3d"
_LATENCY = 0.002  # seconds between two things that follow each other at once


@dataclass(frozen=True, slots=True)
class Event:
    """What happens, and when: seconds since the request."""

    at: float
    what: Happening


class WireSession:
    """Collects what happened in a session, each thing at its time, and writes it as a trace.

    Credentials are given as they are on the wire: the recorder's code redacts them.

    Args:
        url: of the request, with its query.
        headers: of the request, besides those of every opening handshake.
        agent: its User-Agent.

    Attributes:
        events: what happened so far.
        max_payload: bytes of a frame that are recorded.
        now: seconds since the request; the next message comes after it.
    """

    def __init__(self, url: str, headers: Headers | None = None, *, agent: str = PYTHON) -> None:
        self.url = url
        self.headers = dict(headers or {})
        self.agent = agent
        self.events: list[Event] = []
        self.max_payload = MAX_PAYLOAD
        self.now = 0.0

    # -- the opening handshake

    def accept(self, headers: Headers | None = None, *, after: float = 0.08) -> WireSession:
        """The server answers 101."""
        fields = {
            "Date": DATE,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accept_key(_NONCE),
            **(headers or {}),
        }
        return self._answer(101, "Switching Protocols", fields, None, after)

    def refuse(
        self,
        status: int,
        reason: str,
        body: Message = b"",
        headers: Headers | None = None,
        *,
        after: float = 0.08,
    ) -> WireSession:
        """The server, or who answers in its place, answers with another status."""
        content = _payload(body)[1]
        kind = {} if isinstance(body, bytes | str) else {"Content-Type": "application/json"}
        fields = {"Date": DATE, **kind, "Content-Length": str(len(content)), **(headers or {})}
        return self._answer(status, reason, fields, content, after)

    def fail(
        self, where: str, message: str, *, from_client: bool = False, after: float = 0.05
    ) -> WireSession:
        """There is no answer: see `trace.Failure`."""
        return self._add(Failure(0, where, from_client, message), after)

    # -- messages

    def wait(self, seconds: float) -> WireSession:
        """Nothing happens for this time."""
        self.now += seconds
        return self

    def app(self, *messages: Message, after: float = _LATENCY) -> WireSession:
        """The app sends messages: bytes in a binary one, text and JSON objects in a text one."""
        for message in messages:
            self._send(True, *_payload(message), after)
        return self

    def server(self, *messages: Message, after: float = _LATENCY) -> WireSession:
        """The server sends messages."""
        for message in messages:
            self._send(False, *_payload(message), after)
        return self

    def app_deflates(self, message: Message, *, after: float = _LATENCY) -> WireSession:
        """The app sends a message compressed (RFC 7692)."""
        opcode, payload = _payload(message)
        deflate = zlib.compressobj(wbits=-15)
        data = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
        self._send(True, opcode, data.removesuffix(b"\0\0\xff\xff"), after, rsv=4)
        return self

    def stream(
        self,
        chunks: Iterable[bytes],
        every: float,
        wrap: Callable[[bytes], Message] = bytes,
        *,
        from_client: bool = True,
    ) -> WireSession:
        """Audio, a chunk each `every` seconds.

        Args:
            wrap: makes the message of a chunk.
        """
        send = self.app if from_client else self.server
        for chunk in chunks:
            send(wrap(chunk), after=every)
        return self

    def ping(self, *, from_client: bool, answered: bool = True) -> WireSession:
        """A Ping, and the Pong after 20 ms."""
        self._send(from_client, Opcode.PING, b"ka", _LATENCY)
        if answered:
            self._send(not from_client, Opcode.PONG, b"ka", 0.02)
        return self

    # -- the end

    def server_closes(
        self, code: int | None = 1000, reason: str = "", *, after: float = _LATENCY
    ) -> WireSession:
        """The server closes; the app answers the Close."""
        return self._closing(False, code, reason, after)

    def app_closes(
        self, code: int | None = 1000, reason: str = "", *, after: float = _LATENCY
    ) -> WireSession:
        """The app closes; the server answers the Close."""
        return self._closing(True, code, reason, after)

    def app_goes(self, code: int, reason: str, *, after: float = _LATENCY) -> WireSession:
        """The app closes, and is gone before the server answers."""
        self._send(True, Opcode.CLOSE, Close(code, reason).serialize(), after)
        return self.drop(by_client=True, after=10.0)

    def drop(self, *, by_client: bool, how: str = "eof", after: float = _LATENCY) -> WireSession:
        """A peer's connection ends without a Close."""
        return self._add(Eof(0, by_client, how), after)

    # -- writing

    def write(self, path: Path) -> Path:
        """Write the trace."""
        catalog = load()
        url = urlsplit(self.url)
        provider, api = catalog.recognize(url.netloc, url.path)
        head = HeadRedactor(catalog.credentials, b"reported-session", catalog.key_shapes)
        start = new_start(
            Clock(STARTED_NS, 0),
            client="127.0.0.1:50000",
            provider=provider.id if provider else None,
            api=api.name if api else None,
            attempt=1,
            mitmproxy="11.0.2",
        )
        redactor = SessionRedactor(head)
        trace = SessionWriter(path, start, redactor=redactor, max_payload=self.max_payload)
        trace.add(self._request())
        for event in sorted(self.events, key=lambda event: event.at):
            _write(trace, event.what, round(event.at * 1e9))
        trace.end(round((self.now + _LATENCY) * 1e9))
        return path

    def _request(self) -> Request:
        url = urlsplit(self.url)
        fields = {
            "Host": url.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": _NONCE,
            "Sec-WebSocket-Version": "13",
            **self.headers,
            "User-Agent": self.agent,
        }
        port = url.port or (443 if url.scheme == "wss" else 80)
        path = url.path + (f"?{url.query}" if url.query else "")
        headers = [[name, value] for name, value in fields.items()]
        return Request(0, "GET", url.scheme, url.hostname or "", port, path, headers=headers)

    def _answer(
        self, status: int, reason: str, fields: Headers, body: bytes | None, after: float
    ) -> WireSession:
        headers = [[name, value] for name, value in fields.items()]
        length = len(body or b"")
        answer = Response(0, status, reason, headers=headers, body=body, body_length=length)
        return self._add(answer, after)

    def _send(
        self, from_client: bool, opcode: Opcode, payload: bytes, after: float, *, rsv: int = 0
    ) -> None:
        self._add(Frame(opcode, payload, rsv=rsv, mask=MASK if from_client else None), after)

    def _closing(
        self, from_client: bool, code: int | None, reason: str, after: float
    ) -> WireSession:
        payload = Close(code, reason).serialize()
        self._send(from_client, Opcode.CLOSE, payload, after)
        echo = payload if from_client or code is None else Close(code, "").serialize()
        self._send(not from_client, Opcode.CLOSE, echo, 0.02)
        return self.drop(by_client=False).drop(by_client=True)

    def _add(self, what: Happening, after: float) -> WireSession:
        self.now += after
        self.events.append(Event(self.now, what))
        return self


def _write(trace: SessionWriter, what: Happening, t_ns: int) -> None:
    match what:
        case Frame():
            trace.data(t_ns, what.mask is not None, what.serialize())
        case Response():
            trace.response(replace(what, t_ns=t_ns))
        case Failure():
            trace.add(replace(what, t_ns=t_ns))
        case Eof():
            trace.eof(replace(what, t_ns=t_ns))


def _payload(message: Message) -> tuple[Opcode, bytes]:
    if isinstance(message, bytes):
        return Opcode.BINARY, message
    text = message if isinstance(message, str) else json.dumps(message)
    return Opcode.TEXT, text.encode()
