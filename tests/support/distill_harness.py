"""Sessions to be distilled, and servers to distill them against."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from wsproxy.catalog import load
from wsproxy.distill import Attempt, Distillation, DistillReport, SearchLimits, distilled_name
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.redact import HeadRedactor
from wsproxy.replayer import ClientOptions
from wsproxy.trace import Eof, FrameRecord, Request, Response, TraceReader
from wsproxy.wire import Close, Frame, Opcode, accept_key

CATALOG = load()
REDACT = HeadRedactor(CATALOG.credentials, b"key", CATALOG.key_shapes)
MS = 1_000_000
S = 1000 * MS
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
TEXT, BINARY = Opcode.TEXT, Opcode.BINARY
Handler = Callable[[ServerConnection], Awaitable[None]]


class TraceBuilder:
    """Writes a trace as if it had been recorded; times in ms since the upgrade."""

    def __init__(
        self,
        path: Path,
        provider: str | None = None,
        api: str | None = None,
        *,
        host: str = "api.example.com",
        target: str = "/v1/talk",
    ) -> None:
        clock = Clock(1_700_000_000 * S, 0)
        self.recording = SessionWriter(path, new_start(clock, provider=provider, api=api))
        headers = [["Host", host], *UPGRADE, ["Sec-WebSocket-Key", KEY]]
        headers += [["Sec-WebSocket-Version", "13"], ["Authorization", "Token REDACTED"]]
        self.recording.add(Request(0, "GET", "wss", host, 443, target, headers=headers))
        self.path = path
        self.last = 0.0

    def accept(self) -> TraceBuilder:
        headers = [*UPGRADE, ["Sec-WebSocket-Accept", accept_key(KEY)]]
        self.recording.response(Response(0, 101, "Switching Protocols", headers=headers))
        return self

    def at(self, ms: float) -> int:
        self.last = ms
        return round(ms * MS)

    def client(self, ms: float, content: str | bytes, **more: Any) -> TraceBuilder:
        return self.frame(ms, True, content, **more)

    def server(self, ms: float, content: str | bytes | dict[str, Any]) -> TraceBuilder:
        return self.frame(ms, False, json.dumps(content) if isinstance(content, dict) else content)

    def frame(
        self,
        ms: float,
        from_client: bool,
        content: str | bytes,
        *,
        opcode: Opcode | None = None,
        fin: bool = True,
    ) -> TraceBuilder:
        data = content.encode() if isinstance(content, str) else content
        kind = opcode if opcode is not None else TEXT if isinstance(content, str) else BINARY
        frame = Frame(kind, data, fin, mask=b"abcd" if from_client else None)
        self.recording.data(self.at(ms), from_client, frame.serialize())
        return self

    def closed(self, ms: float, code: int, reason: str = "", *, by_client: bool = False) -> Path:
        for from_client in (by_client, not by_client):
            own = reason if from_client is by_client else ""
            content = Close(code, own).serialize()
            self.frame(ms, from_client, content, opcode=Opcode.CLOSE)
        self.recording.eof(Eof(self.at(ms + 1), False))
        self.recording.eof(Eof(self.at(ms + 1), True))
        return self.done(ms + 2)

    def refused(self, status: int, body: str, headers: list[list[str]]) -> Path:
        data = body.encode()
        self.recording.response(
            Response(1, status, "No", headers=headers, body=data, body_length=len(data))
        )
        return self.done(5)

    def done(self, ms: float) -> Path:
        self.recording.end(self.at(ms), "stopped")
        return self.path


def streaming(path: Path, messages: Sequence[tuple[float, str | bytes]], reason: str) -> Path:
    """An AssemblyAI session that ends with 3006 after messages of the app."""
    target = "/v3/ws?sample_rate=16000&encoding=pcm_s16le"
    builder = TraceBuilder(
        path, "assemblyai", "streaming", host="streaming.assemblyai.com", target=target
    )
    builder.accept().server(20, {"type": "Begin", "id": "b", "expires_at": 1})
    for ms, content in messages:
        builder.client(ms, content)
    builder.server(builder.last + 5, {"type": "Error", "error_code": 3006, "error": reason})
    return builder.closed(builder.last, 3006, reason)


def a_minute(path: Path, bad: int) -> Path:
    """60 s of audio, 640 bytes every 20 ms, and one text message among it that is no JSON."""
    messages: list[tuple[float, str | bytes]] = [(30 + 20 * n, b"\0\1" * 320) for n in range(3000)]
    messages[bad] = (messages[bad][0], "{oops")
    return streaming(path, messages, "Invalid JSON: {oops")


async def distill(
    trace: Path, url: str, *, limits: SearchLimits | None = None, **more: Any
) -> tuple[DistillReport, list[Attempt]]:
    attempts: list[Attempt] = []
    more = {"timeout": 0.4} | more
    work = Distillation(
        trace,
        distilled_name(trace),
        ClientOptions(url, **more),
        limits=limits,
        on_attempt=attempts.append,
        redact=REDACT,
    )
    return await work.run(), [attempt for attempt in attempts if attempt.reproduced is not None]


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    async def until_it_ends(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await handler(connection)

    async with serve(
        until_it_ends, "127.0.0.1", 0, ping_interval=None, close_timeout=0.2
    ) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


def against(handler: Handler, trace: Path, **more: Any) -> tuple[DistillReport, list[Attempt]]:
    async def run() -> tuple[DistillReport, list[Attempt]]:
        async with serving(handler) as url:
            return await distill(trace, url, **more)

    return asyncio.run(run())


def sent(path: Path | None) -> list[bytes]:
    """What the client of a trace sent, but for Close."""
    assert path is not None
    with TraceReader(path) as reader:
        return [
            record.payload
            for record in reader
            if isinstance(record, FrameRecord) and record.from_client and record.opcode != 8
        ]


async def needs_both(connection: ServerConnection) -> None:
    """Closes with 1008 at an "end" that comes after an "a" and a "b"."""
    seen = set()
    async for message in connection:
        seen.add(message)
        if message == "end":
            bad = {"a", "b"} <= seen
            await connection.close(1008 if bad else 1000, "both" if bad else "")
