"""Sessions in short, as lists of records, for tests that compare or change them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trace_builder import MS as MS
from trace_builder import TraceBuilder
from wsproxy.trace import Eof, Failure, FrameRecord, Record, Request, Response
from wsproxy.wire import Close, Frame, Opcode

APP, SERVER = True, False

Records = list[Record]


def frame_record(t_ms: float, from_client: bool, opcode: Opcode, payload: bytes) -> FrameRecord:
    """A frame, masked if it is the client's."""
    mask = b"abcd" if from_client else None
    wire_length = len(Frame(opcode, payload, mask=mask).serialize())
    return FrameRecord(
        round(t_ms * MS), from_client, int(opcode), payload, mask=mask, wire_length=wire_length
    )


def text_message(t_ms: float, from_client: bool, content: Any) -> FrameRecord:
    """A text message; what is no text is made JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    return frame_record(t_ms, from_client, Opcode.TEXT, text.encode())


def audio(t_ms: float, from_client: bool, data: bytes) -> FrameRecord:
    """A binary message."""
    return frame_record(t_ms, from_client, Opcode.BINARY, data)


def closed(t_ms: float, from_client: bool, code: int, reason: str = "") -> FrameRecord:
    """A Close frame."""
    payload = Close(code, reason).serialize()
    return frame_record(t_ms, from_client, Opcode.CLOSE, payload)


def opened(path: str, t_ms: float = 20, /, **headers: str) -> Records:
    """The handshake of an accepted session."""
    given = [["Upgrade", "websocket"], *([name, value] for name, value in headers.items())]
    return [
        Request(0, "GET", "wss", "api.example.com", 443, path, headers=given),
        Response(int(t_ms * MS), 101),
    ]


def result(t_ms: float, text: str, *, final: bool) -> FrameRecord:
    """A result of Deepgram's listen API."""
    channel = {"alternatives": [{"transcript": text, "confidence": 0.9}]}
    content = {"type": "Results", "channel_index": [0, 1], "is_final": final, "channel": channel}
    return text_message(t_ms, SERVER, content)


def write(
    path: Path,
    records: Iterable[Record],
    *,
    provider: str | None = "deepgram",
    api: str | None = "listen",
    end: str | None = "stopped",
) -> Path:
    """A trace of these records, which are sorted by their times.

    Args:
        end: how the recorder says that it ended, where the records do not.
    """
    builder = TraceBuilder(path, began_ns=0, provider=provider, api=api)
    return builder.add(*sorted(records, key=lambda record: record.t_ns)).done(end)


# -- the sessions that tests change

LISTEN: Records = [
    *opened("/v1/listen?model=nova-3&keyterm=one&keyterm=two&token=REDACTED"),
    text_message(21, APP, {"type": "Configure", "features": {"numerals": True}}),
    *(audio(100 + 100 * n, APP, bytes([n]) * 320) for n in range(20)),
    *(result(150 + 200 * n, "the quick brown", final=False) for n in range(4)),
    result(1050, "The quick brown fox jumps.", final=True),
    text_message(1060, APP, {"type": "KeepAlive"}),
    text_message(1070, SERVER, {"type": "Warning", "code": "SLOW", "description": "audio is late"}),
    *(result(1150 + 200 * n, "over the", final=False) for n in range(4)),
    text_message(2050, APP, {"type": "CloseStream"}),
    result(2100, "Over the lazy dog, it was.", final=True),
    text_message(2110, SERVER, {"type": "Metadata", "request_id": "r1", "duration": 2.0}),
    closed(2111, SERVER, 1000),
    closed(2112, APP, 1000),
    Eof(2113 * MS, SERVER, "eof"),
]

SPEAK: Records = [
    *opened("/v1/speak?model=aura-2-thalia-en&encoding=linear16&sample_rate=24000"),
    text_message(21, SERVER, {"type": "Metadata", "request_id": "r1"}),
    text_message(30, APP, {"type": "Speak", "text": "Wait 5 seconds."}),
    text_message(31, APP, {"type": "Flush"}),
    *(audio(100 + 10 * n, SERVER, bytes(960)) for n in range(20)),
    text_message(400, SERVER, {"type": "Flushed", "sequence_id": 0}),
    text_message(430, APP, {"type": "Speak", "text": "Go."}),
    text_message(431, APP, {"type": "Flush"}),
    *(audio(500 + 10 * n, SERVER, bytes(960)) for n in range(10)),
    text_message(800, SERVER, {"type": "Flushed", "sequence_id": 1}),
    text_message(900, APP, {"type": "Close"}),
    closed(950, SERVER, 1000),
    closed(951, APP, 1000),
]

# The server ends it, without being asked to, while nothing comes from the app.
STALLED: Records = [
    *opened("/v1/listen?model=nova-3"),
    *(audio(100 + 100 * n, APP, bytes([n]) * 320) for n in range(5)),
    result(400, "the quick", final=True),
    closed(10_500, SERVER, 1011, "NET-0001"),
    closed(10_501, APP, 1011, "NET-0001"),
]

REFUSED: Records = [
    Request(0, "GET", "wss", "h", 443, "/v1/listen", headers=[["Upgrade", "websocket"]]),
    Response(
        30 * MS,
        400,
        headers=[["dg-error", "Bad Request"], ["date", "today"], ["dg-request-id", "r1"]],
        body=b'{"err_code": "Bad Request", "err_msg": "no model", "request_id": "r1"}',
    ),
]

RESET: Records = [
    *opened("/v1/listen?model=nova-3"),
    audio(100, APP, b"a" * 320),
    Eof(300 * MS, SERVER, "reset"),
]

FAILED: Records = [
    Request(0, "GET", "wss", "h", 443, "/v1/listen", headers=[["Upgrade", "websocket"]]),
    Failure(30 * MS, "connect", SERVER, "refused"),
]
