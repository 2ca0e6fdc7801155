"""Sessions to be distilled, and servers to distill them against."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from trace_builder import TraceBuilder, upgrade_request
from wsproxy.catalog import load
from wsproxy.distill import Attempt, Distillation, DistillReport, SearchLimits, distilled_name
from wsproxy.redact import HeadRedactor
from wsproxy.replayer import ClientOptions
from wsproxy.trace import FrameRecord, TraceReader
from wsproxy.wire import Opcode

CATALOG = load()
REDACT = HeadRedactor(CATALOG.credentials, b"key", CATALOG.key_shapes)
MS = 1_000_000
S = 1000 * MS
TEXT, BINARY = Opcode.TEXT, Opcode.BINARY
Handler = Callable[[ServerConnection], Awaitable[None]]


def recorded(
    path: Path,
    provider: str | None = None,
    api: str | None = None,
    *,
    host: str = "api.example.com",
    target: str = "/v1/talk",
) -> TraceBuilder:
    """A session whose upgrade was accepted at once."""
    request = upgrade_request(target, host=host)
    return TraceBuilder(path, request, provider=provider, api=api).accept(at=0)


def streaming(path: Path, messages: Sequence[tuple[float, str | bytes]], reason: str) -> Path:
    """An AssemblyAI session that ends with 3006 after messages of the app."""
    target = "/v3/ws?sample_rate=16000&encoding=pcm_s16le"
    builder = recorded(
        path, "assemblyai", "streaming", host="streaming.assemblyai.com", target=target
    )
    builder.server({"type": "Begin", "id": "b", "expires_at": 1}, at=20)
    for ms, content in messages:
        builder.client(content, at=ms)
    builder.server({"type": "Error", "error_code": 3006, "error": reason}, at=builder.ms + 5)
    return builder.closed(3006, reason, at=builder.ms)


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
