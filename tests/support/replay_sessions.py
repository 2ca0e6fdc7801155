"""Sessions of each kind as if they had been recorded, and both ends of a replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trace_builder import REQUEST_ID, TraceBuilder, audio, close, text, upgrade_request
from wsproxy.catalog import load
from wsproxy.redact import HeadRedactor
from wsproxy.replayer import (
    ClientOptions,
    Pace,
    ReplayServer,
    ServerOptions,
    Verdict,
    replay_client,
)
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.trace import Eof, FrameRecord, TraceReader
from wsproxy.wire import Frame, Opcode, accept_key


def recorded(path: Path, **start: Any) -> TraceBuilder:
    """A session with Deepgram listen that is about to begin; a millisecond passes at each step."""
    extensions = ["Sec-WebSocket-Extensions", "permessage-deflate"]
    target = "/v1/listen?encoding=linear16&sample_rate=16000"
    return TraceBuilder(path, upgrade_request(target, extensions), **start)


def accepted(path: Path, **start: Any) -> TraceBuilder:
    """The same, once the server has accepted it."""
    return recorded(path, **start).accept(["dg-request-id", REQUEST_ID])


RESULTS = '{"type":"Results","is_final":true}'
METADATA = f'{{"type":"Metadata","request_id":"{REQUEST_ID}"}}'


def both_eof(builder: TraceBuilder) -> Path:
    return builder.eof(False).eof(True).done()


def good(m: TraceBuilder) -> Path:
    m.client(audio(), audio(), audio()).server(text(RESULTS))
    m.client(text('{"type":"CloseStream"}')).server(text(METADATA), close(1000)).client(close(1000))
    return both_eof(m)


def close_1011(m: TraceBuilder) -> Path:
    m.client(audio(), audio()).wait(100).server(close(1011, "NET-0001")).client(close(1011))
    return both_eof(m)


def close_4999(m: TraceBuilder) -> Path:
    """No matter of time: it is reproduced however late the steps are on a busy machine."""
    m.client(audio(), audio()).wait(100).server(close(4999, "another")).client(close(4999))
    return both_eof(m)


def close_utf8(m: TraceBuilder) -> Path:
    return both_eof(m.client(audio()).server(close(4000, "é" * 61)).client(close(4000)))


def refused(m: TraceBuilder) -> Path:
    headers = [["Content-Type", "application/json"], ["dg-error", "Invalid credentials."]]
    body = b'{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"1"}'
    return m.refuse(401, body, *headers).done()


def build(kind: Callable[[TraceBuilder], Path], folder: Path) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    begin = recorded if kind is refused else accepted
    path = folder / f"{kind.__name__}.wstrace"
    return kind(begin(path, provider="deepgram", api="listen"))


def records(folder: Path) -> ReplayRecording:
    return ReplayRecording(folder, HeadRedactor(load().credentials, b"key"))


async def both_ends(
    client_trace: Path, server_trace: Path, folder: Path, *, pace: str = "recorded"
) -> tuple[Verdict, Verdict]:
    """Replay one trace as the client against another as the server."""
    out = records(folder / "out")
    options = ServerOptions(pace=Pace.parse(pace), timeout=2)
    async with ReplayServer(server_trace, options, out) as server:
        to = ClientOptions(server.url, pace=Pace.parse(pace), timeout=2)
        client = await replay_client(client_trace, to, out)
        return client, await server.verdict()


def content_sent(path: Path, from_client: bool) -> list[tuple[object, ...]]:
    """What a direction carried, without times and keys, Pongs last: a Pong answers a Ping
    that comes when it comes.
    """
    out: list[tuple[object, ...]] = []
    with TraceReader(path) as reader:
        for record in reader:
            if getattr(record, "from_client", None) is not from_client:
                continue
            if isinstance(record, FrameRecord):
                masked = record.mask is not None
                out.append((record.opcode, record.fin, record.rsv, masked, record.payload))
            elif isinstance(record, Eof):
                out.append(("eof", record.how))
            else:
                out.append(("bytes", getattr(record, "data", b"")))
    return sorted(out, key=lambda item: item[0] == Opcode.PONG)


def close_bare(m: TraceBuilder) -> Path:
    return both_eof(m.client(audio()).server(close(None)).client(close(None)))


def close_by_client(m: TraceBuilder) -> Path:
    return both_eof(m.client(audio(), close(3000, "bye")).server(close(3000)))


def server_reset(m: TraceBuilder) -> Path:
    return m.client(audio()).server(text(RESULTS)).eof(False, "reset").done()


def server_eof(m: TraceBuilder) -> Path:
    return both_eof(m.client(audio()).server(text(RESULTS)))


def client_reset(m: TraceBuilder) -> Path:
    return m.client(audio()).server(text(RESULTS)).client(audio()).eof(True, "reset").done()


def client_vanishes(m: TraceBuilder) -> Path:
    m.client(audio()).server(text(RESULTS)).data(True, b"\x82\xfe\x02\x80abcdhalf")
    return m.eof(True).eof(False).done()


def fragments(m: TraceBuilder) -> Path:
    m.client(
        Frame(Opcode.BINARY, b"a" * 100, fin=False),
        Frame(Opcode.PING, b"between"),
        Frame(Opcode.CONTINUATION, b"b" * 200, fin=False),
    )
    m.server(Frame(Opcode.PONG, b"between"), Frame(Opcode.PING, b"you?"))
    m.client(Frame(Opcode.PONG, b"you?"), Frame(Opcode.CONTINUATION, b"c" * 5))
    m.server(
        Frame(Opcode.TEXT, b'{"type":', fin=False),
        Frame(Opcode.PING, b"two"),
        Frame(Opcode.CONTINUATION, b'"Results"}'),
    )
    m.client(Frame(Opcode.PONG, b"two"), close(1000))
    return both_eof(m.server(close(1000)))


def invalid_opcode(m: TraceBuilder) -> Path:
    m.client(audio()).data(True, b"\x8b\x80abcd").server(close(1002, "invalid opcode"))
    return both_eof(m.client(close(1002)))


def bad_bits(m: TraceBuilder) -> Path:
    m.client(audio(), Frame(Opcode.BINARY, b"x", rsv=2)).server(close(1002))
    return m.eof(False, "reset").done()


def after_the_close(m: TraceBuilder) -> Path:
    m.client(audio()).server(close(1011, "first"), text(RESULTS), close(1000, "second"))
    return both_eof(m.client(close(1011)))


def masked_by_server(m: TraceBuilder) -> Path:
    m.client(audio()).server(Frame(Opcode.TEXT, RESULTS.encode(), mask=b"abcd"))
    return both_eof(m.client(close(1002)).server(close(1002)))


def left_open(m: TraceBuilder) -> Path:
    return m.client(audio()).server(text(RESULTS)).wait(50).done("stopped")


ACCEPTED: list[Callable[[TraceBuilder], Path]] = [
    good,
    close_1011,
    close_bare,
    close_utf8,
    close_by_client,
    server_reset,
    server_eof,
    client_reset,
    client_vanishes,
    fragments,
    invalid_opcode,
    bad_bits,
    after_the_close,
    masked_by_server,
    left_open,
]


# (recorded, replayed against, verdict, a field that differs)
DIFFERENT_TRACES = [
    (close_1011, close_utf8, "different", "close_code"),
    (close_1011, server_reset, "different", "ending"),
    (close_1011, good, "not-reproduced", "close_code"),
    (close_1011, refused, "different", "status"),
    (server_reset, server_eof, "different", "ending"),
    (refused, left_open, "not-reproduced", "status"),
]


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key.split(": ")[1]).encode() + b"\r\n\r\n"
    )
    return head


async def drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass
