"""Traces of made sessions, written by the code that records live ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.trace import Eof, Record, Request, Response
from wsproxy.wire import Close, Frame, Opcode, accept_key

MS = 1_000_000
BEGAN_NS = 1_700_000_000_000_000_000
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
REQUEST_ID = "9a8b7c6d-0000-4000-8000-000000000001"

# A text, a binary message, a JSON message, or a frame of any kind.
Content = str | bytes | dict[str, Any] | Frame


def upgrade_request(
    target: str, *headers: list[str], host: str = "api.deepgram.com", scheme: str = "wss"
) -> Request:
    """An opening handshake with a key of Deepgram's, and with more headers."""
    usual = [["Host", host], *UPGRADE, ["Sec-WebSocket-Key", KEY], ["Sec-WebSocket-Version", "13"]]
    usual += [["Authorization", "Token REDACTED"]]
    redacted: list[dict[str, object]] = [{"where": "header", "name": "Authorization"}]
    port = 443 if scheme in ("wss", "https") else 80
    return Request(
        0, "GET", scheme, host, port, target, headers=[*usual, *headers], redacted=redacted
    )


class TraceBuilder:
    """Builds one session, and the trace of it.

    Times (`at`) are in ms since the beginning; without one, a thing happens 1 ms after the last.

    Args:
        path: of the trace to create.
        request: the first record after the start; None: there is none yet.
        began_ns: when the session began.
        start: fields of the start record, such as `provider`.
    """

    def __init__(
        self, path: Path, request: Request | None = None, *, began_ns: int = BEGAN_NS, **start: Any
    ) -> None:
        self.path = path
        self.recording = SessionWriter(path, new_start(Clock(began_ns, 0), **start))
        self.ms = 0.0
        if request is not None:
            self.recording.add(request)

    def accept(self, *headers: list[str], at: float | None = None) -> TraceBuilder:
        """The server accepts the upgrade."""
        accepted = [*UPGRADE, ["Sec-WebSocket-Accept", accept_key(KEY)], *headers]
        answer = Response(self._at(at), 101, "Switching Protocols", headers=accepted)
        self.recording.response(answer)
        return self

    def refuse(
        self,
        status: int,
        body: bytes = b"",
        *headers: list[str],
        reason: str = "No",
        at: float | None = None,
    ) -> TraceBuilder:
        """The server answers with something else than 101."""
        self.recording.response(
            Response(
                self._at(at),
                status,
                reason,
                headers=list(headers),
                body=body,
                body_length=len(body),
            )
        )
        return self

    def client(self, *messages: Content, at: float | None = None) -> TraceBuilder:
        """Messages of the client, masked."""
        for message in messages:
            frame = _frame(message)
            masked = Frame(frame.opcode, frame.payload, frame.fin, frame.rsv, mask=b"abcd")
            self.data(True, masked.serialize(), at=at)
        return self

    def server(self, *messages: Content, at: float | None = None) -> TraceBuilder:
        """Messages of the server; a frame stays as it is."""
        for message in messages:
            self.data(False, _frame(message).serialize(), at=at)
        return self

    def data(self, from_client: bool, data: bytes, *, at: float | None = None) -> TraceBuilder:
        """Bytes of one side, which need not be frames."""
        self.recording.data(self._at(at), from_client, data)
        return self

    def close(
        self, code: int, reason: str = "", *, by_client: bool = False, at: float | None = None
    ) -> TraceBuilder:
        """The closing handshake, and the end of both streams."""
        first, second = (self.client, self.server) if by_client else (self.server, self.client)
        first(close(code, reason), at=at)
        second(close(code), at=self.ms)
        return self.eof(False).eof(True, at=self.ms)

    def closed(
        self, code: int, reason: str = "", *, by_client: bool = False, at: float | None = None
    ) -> Path:
        """The trace of a session that ends with the closing handshake."""
        return self.close(code, reason, by_client=by_client, at=at).done()

    def eof(self, from_client: bool, how: str = "eof", *, at: float | None = None) -> TraceBuilder:
        """The end of one side's stream."""
        self.recording.eof(Eof(self._at(at), from_client, how))
        return self

    def add(self, *records: Record) -> TraceBuilder:
        """Records with times of their own."""
        for record in records:
            self.ms = record.t_ns / MS
            if isinstance(record, Response):
                self.recording.response(record)
            else:
                self.recording.add(record)
        return self

    def wait(self, ms: float) -> TraceBuilder:
        self.ms += ms
        return self

    def done(self, ending: str | None = None, *, at: float | None = None) -> Path:
        """End the recording; `ending` is how, where the records do not say it."""
        self.recording.end(self._at(at), ending)
        return self.path

    def _at(self, at: float | None) -> int:
        self.ms = self.ms + 1 if at is None else at
        return round(self.ms * MS)


def text(content: str) -> Frame:
    return Frame(Opcode.TEXT, content.encode())


def audio(size: int = 640, fill: int = 1) -> Frame:
    return Frame(Opcode.BINARY, bytes([fill]) * size)


def close(code: int | None = 1000, reason: str = "") -> Frame:
    return Frame(Opcode.CLOSE, Close(code, reason).serialize())


def _frame(message: Content) -> Frame:
    match message:
        case Frame():
            return message
        case bytes():
            return Frame(Opcode.BINARY, message)
        case str():
            return text(message)
    return text(json.dumps(message))
