"""One TCP connection to the simulated API: handshake, frames, and exact endings."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus

import h11
from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from wsproxy.catalog.model import ClosePattern
from wsproxy.system.tcp import reset_on_close
from wsproxy.wire.deflate import Inflater
from wsproxy.wire.frames import RSV1, Frame, Garbage, Opcode
from wsproxy.wire.frames import Close as ClosePayload
from wsproxy.wire.handshake import Deflate
from wsproxy.wire.http_body import BodyReader
from wsproxy.wire.messages import MessageAssembler
from wsproxy.wire.parser import FrameParser, RuleChecker

from .api import Action, ApiAnswer, SimulatedApi, SimulatedEnding

_MAX_BODY = 64 << 20  # bytes of the body of a plain HTTP request
_MAX_HEAD = 64 << 10  # bytes of a request's head
_MAX_MESSAGE = 64 << 20  # bytes, before an API's own limits
_READ = 64 << 10  # bytes


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """The head of a request.

    Attributes:
        target: path and query.
        headers: lower-case names, the last value of each.
        upgrade: whether it asks for a WebSocket.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    upgrade: bool


@dataclass(slots=True)
class ConnectionLog:
    """What was received in one session, and how it ended.

    Attributes:
        path: of the request, without the query (which may contain a key).
        api: name of the simulated API, empty if the path has none.
        request_id: as in the response.
        status: of the response to the upgrade.
        texts, binaries: messages of each kind that were received.
        received: their size in bytes.
        sent: the number of messages that were sent.
        audio_seconds: duration of the audio that was received or synthesized.
        ending: how it ended, in a few words; empty while it is open.
    """

    path: str = ""
    api: str = ""
    request_id: str = ""
    status: int = 0
    texts: int = 0
    binaries: int = 0
    received: int = 0
    sent: int = 0
    audio_seconds: float = 0.0
    ending: str = ""


@dataclass(slots=True)
class _Deflater:
    """permessage-deflate, write side (RFC 7692)."""

    deflate: Deflate
    _stream: zlib._Compress | None = field(default=None, repr=False)

    def compress(self, payload: bytes) -> bytes:
        if self._stream is None or self.deflate.server_no_context_takeover:
            bits = self.deflate.server_max_window_bits
            self._stream = zlib.compressobj(wbits=-max(bits, 9))
        data = self._stream.compress(payload) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(b"\x00\x00\xff\xff")


class ApiConnection:
    """Drives an API over a socket.

    Frames are built here, because libraries refuse to send some of what servers send: close
    codes 1014 and 1005, or a Close frame without a closing handshake.

    Args:
        choose: returns the API for a request.
        deflate: whether to accept an offer of permessage-deflate.
        linger: seconds to wait for the client's end after the server's.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        log: ConnectionLog,
        choose: Callable[[UpgradeRequest], SimulatedApi],
        *,
        deflate: bool,
        linger: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._log = log
        self._choose = choose
        self._offers_deflate = deflate
        self._linger = linger
        self._parser = FrameParser()
        self._checker = RuleChecker(from_client=True)
        self._inflater: Inflater | None = None
        self._deflater: _Deflater | None = None
        self._assembler = MessageAssembler()
        self._api: SimulatedApi | None = None

    async def run(self) -> None:
        """Serve the connection to its end; when cancelled, close it with 1001."""
        try:
            await self._serve()
        except OSError as error:  # a lost connection, or TLS without a closure alert
            self._log.ending = self._log.ending or f"connection lost: {error}"
        except asyncio.CancelledError:
            if self._api is not None and not self._log.ending:
                self._log.ending = "the simulator was stopped"
                self._send_close(ClosePattern(1001, "the simulator was stopped"))
        finally:
            if self._api is not None:
                self._log.audio_seconds = self._api.audio_seconds
            self._writer.close()

    async def _serve(self) -> None:
        head = await self._head()
        if head is None:
            self._log.ending = "no request was received"
            return
        upgrade_request = _read_head(head)
        if upgrade_request is None:
            await self._refuse(ApiAnswer(400, (), b"not an HTTP request\n", "text/plain"))
            return
        api = self._choose(upgrade_request)
        if not upgrade_request.upgrade:
            await self._answer(api, upgrade_request)
            return
        if not self._handshake(api, head):
            await self._end_and_drain()
            return
        self._api = api
        ended = await self._perform(api, api.opened(_now()))
        while not ended:
            ended = await self._next_event(api)

    async def _answer(self, api: SimulatedApi, upgrade_request: UpgradeRequest) -> None:
        """Read the rest of a plain HTTP request, and answer it."""
        body = await self._body(upgrade_request)
        if body is None:
            await self._refuse(ApiAnswer(400, (), b"incomplete HTTP request\n", "text/plain"))
            return
        answer = api.answer(body)
        ids = tuple((name, api.request.request_id) for name in api.answer_headers)
        await self._refuse(replace(answer, headers=(*ids, *answer.headers)))

    async def _refuse(self, answer: ApiAnswer) -> None:
        self._log.status = answer.status
        self._log.ending = f"answered with HTTP {answer.status}"
        self._writer.write(_response(answer).serialize())
        await self._end_and_drain()

    async def _body(self, upgrade_request: UpgradeRequest) -> bytes | None:
        """The body; None if it is incomplete, too large, or its framing is invalid."""
        headers = upgrade_request.headers
        chunked = "transfer-encoding" in headers  # `_read_head` accepts no other coding
        reader = BodyReader(chunked=chunked, length=int(headers.get("content-length", 0)))
        body = reader.feed(self._buffered)
        if not (reader.done or body) and headers.get("expect", "").lower() == "100-continue":
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not reader.done and len(body) <= _MAX_BODY:
            data = await self._reader.read(_READ)
            if not data:
                reader.end()
            body += reader.feed(data)
        return None if reader.invalid or len(body) > _MAX_BODY else body

    async def _head(self) -> bytes | None:
        """Read the head of the request; what follows is buffered for the frame parser."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0 and len(data) < _MAX_HEAD:
            more = await self._reader.read(_READ)
            if not more:
                return None
            data += more
        self._buffered = data[end + 4 :] if end >= 0 else b""
        return data[: end + 4] if end >= 0 else data

    def _handshake(self, api: SimulatedApi, head: bytes) -> bool:
        """Respond to the upgrade; returns whether it was accepted."""
        factories = [ServerPerMessageDeflateFactory()] if self._offers_deflate else None
        protocol = ServerProtocol(extensions=factories, select_subprotocol=_subprotocol)
        protocol.receive_data(head)
        events = protocol.events_received()
        if not events or not isinstance(request := events[0], HttpRequest):
            self._log.ending = "refused: not a request"
            self._writer.writelines(protocol.data_to_send())
            return False
        response = protocol.accept(request)
        refusal = api.refusal() if response.status_code == 101 else None
        if refusal is not None:
            response = _response(ApiAnswer.of(refusal))
        for name in api.answer_headers:
            response.headers[name] = api.request.request_id
        self._log.status = response.status_code
        self._writer.write(response.serialize())
        if response.status_code != 101 or refusal is not None:
            self._log.ending = f"refused: HTTP {response.status_code}"
            return False
        deflate = Deflate.parse(response.headers.get("Sec-WebSocket-Extensions"))
        if deflate is not None:
            self._inflater = Inflater(deflate, from_client=True)
            self._deflater = _Deflater(deflate)
            self._checker = RuleChecker(from_client=True, deflate=True)
        return True

    async def _next_event(self, api: SimulatedApi) -> bool:
        """Wait for bytes or for the deadline; returns whether the session has ended."""
        deadline = api.deadline()
        left = None if deadline is None else deadline - _now()
        if left is not None and left <= 0:
            return await self._perform(api, api.on_deadline(_now()))
        data, self._buffered = self._buffered, b""
        if not data:
            try:
                async with asyncio.timeout(left):
                    data = await self._reader.read(_READ)
            except TimeoutError:
                return await self._perform(api, api.on_deadline(_now()))
        if not data:
            self._log.ending = "end of stream from the client, without a Close frame"
            return True
        for frame in self._parser.feed(data):
            if await self._frame(api, frame):
                return True
        return False

    async def _frame(self, api: SimulatedApi, frame: Frame | Garbage) -> bool:
        """Process a frame; returns whether the session has ended."""
        broken = frame.broken_rule if isinstance(frame, Garbage) else self._checker.check(frame)
        if isinstance(frame, Garbage) or broken:
            await self._close(ClosePattern(1002, broken or ""))
            return True
        received = self._assembler.open.length if self._assembler.open is not None else 0
        if received + len(frame.payload) + frame.cut > _MAX_MESSAGE:
            await self._close(ClosePattern(1009, "message too big"))
            return True
        if frame.opcode is Opcode.CLOSE:
            self._log.ending = f"closed by the client: {ClosePayload.parse(frame.payload)}"
            self._write(Frame(Opcode.CLOSE, frame.payload))
            await self._end_and_drain()
            return True
        if frame.opcode is Opcode.PING:
            self._write(Frame(Opcode.PONG, frame.payload))
            await self._writer.drain()
            return False
        if frame.opcode is Opcode.PONG:
            return False
        return await self._data(api, frame)

    async def _data(self, api: SimulatedApi, frame: Frame) -> bool:
        """Process a frame of a message; returns whether the session has ended."""
        payload = self._inflater.inflate(frame) if self._inflater else frame.payload
        if payload is None:
            await self._close(ClosePattern(1007, "cannot be inflated"))
            return True
        message = self._assembler.add(replace(frame, payload=payload))
        if message is None or not message.finished:
            return False
        self._log.received += message.length
        if not message.is_text:
            self._log.binaries += 1
            return await self._perform(api, api.binary(message.content, _now()))
        self._log.texts += 1
        try:
            text = message.content.decode()
        except UnicodeDecodeError:
            await self._close(ClosePattern(1007, "text is not UTF-8"))
            return True
        return await self._perform(api, api.text(text, _now()))

    async def _perform(self, api: SimulatedApi, actions: Sequence[Action]) -> bool:
        """Perform the API's actions; returns whether they ended the session."""
        self._log.audio_seconds = api.audio_seconds
        for action in actions:
            match action:
                case str():
                    self._send(Opcode.TEXT, action.encode())
                case bytes():
                    self._send(Opcode.BINARY, action)
                case ClosePattern():
                    await self._close(action)
                    return True
                case SimulatedEnding(how):
                    await self._end(how)
                    return True
            await self._writer.drain()
        return False

    def _send(self, opcode: Opcode, payload: bytes) -> None:
        self._log.sent += 1
        if self._deflater is None:
            self._write(Frame(opcode, payload))
        else:
            self._write(Frame(opcode, self._deflater.compress(payload), rsv=RSV1))

    def _write(self, frame: Frame) -> None:
        self._writer.write(frame.serialize())

    def _send_close(self, close: ClosePattern) -> None:
        self._write(Frame(Opcode.CLOSE, ClosePayload(close.code, close.reason).serialize()))

    async def _close(self, close: ClosePattern) -> None:
        payload = ClosePayload(close.code, close.reason)
        self._log.ending = f"closed by the server: {payload}"
        self._send_close(close)
        await self._end_and_drain()

    async def _end(self, how: str) -> None:
        """End without a Close frame."""
        await self._writer.drain()
        self._log.ending = f"ended by the server: {how}, no Close frame"
        if how == "reset":
            reset_on_close(self._writer.get_extra_info("socket"))
            self._writer.transport.abort()
        else:
            await self._end_and_drain()

    async def _end_and_drain(self) -> None:
        """End the server's direction, and read the client's to its end.

        Closing a socket with unread bytes sends a reset, which discards what was sent last.
        """
        await self._writer.drain()
        if self._writer.can_write_eof():
            self._writer.write_eof()
        else:
            # asyncio has no half-close for TLS: wait for the client's Close frame instead.
            await self._read_until_close()
            return
        try:
            async with asyncio.timeout(self._linger):
                while await self._reader.read(_READ):
                    pass
        except TimeoutError:
            pass

    async def _read_until_close(self) -> None:
        """After the server's Close frame, read up to the client's Close frame or end of stream."""
        if not self._log.ending.startswith("closed by the server"):
            return
        try:
            async with asyncio.timeout(self._linger):
                while data := await self._reader.read(_READ):
                    frames = self._parser.feed(data)
                    if any(isinstance(f, Frame) and f.opcode is Opcode.CLOSE for f in frames):
                        return
        except TimeoutError:
            pass


def _now() -> float:
    return time.monotonic()


def _subprotocol(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The first one: browsers offer ("token", KEY), and expect the first one."""
    return offered[0] if offered else None


_PHRASES = {499: "Client Closed Request"}


def _read_head(head: bytes) -> UpgradeRequest | None:
    """The request line and headers; None where they are not HTTP."""
    parser = h11.Connection(h11.SERVER)
    try:
        parser.receive_data(head)
        event = parser.next_event()
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.Request):
        return None
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
    target = event.target.decode("latin-1")
    upgrade = "websocket" in headers.get("upgrade", "").lower()
    return UpgradeRequest(event.method.decode("latin-1"), target, headers, upgrade)


def _response(answer: ApiAnswer) -> Response:
    headers = Headers()
    headers["Date"] = formatdate(usegmt=True)
    headers["Connection"] = "close"
    headers["Content-Length"] = str(len(answer.body))
    if answer.content_type:
        headers["Content-Type"] = answer.content_type
    for name, value in answer.headers:
        headers[name] = value
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = _PHRASES.get(answer.status, "Refused")
    return Response(answer.status, phrase, headers, answer.body)
