"""Makes the golden traces of the current format, each with its records as JSON.

    python tests/golden/make.py

Golden files are never made again for a version that was released: they show that
later readers still read what earlier writers wrote.
"""

from __future__ import annotations

import json
from pathlib import Path

from wsproxy.trace import (
    VERSION,
    Bytes,
    End,
    Eof,
    Failure,
    FindingRecord,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
    TraceWriter,
)
from wsproxy.trace.records import to_map

FOLDER = Path(__file__).parent / f"v{VERSION}"
SESSION = "00112233445566ff"
START = Start(
    0,
    VERSION,
    SESSION,
    1_760_000_000_123_456_789,
    client="127.0.0.1:50123",
    provider="deepgram",
    api="listen",
    attempt=2,
    wsproxy="0.1.0",
    mitmproxy="11.0.2",
    mode="regular",
)
REDACTED = {"where": "header", "name": "authorization", "fingerprint": "9f3c51ab", "length": 46}
REQUEST = Request(
    1_000_000,
    "GET",
    "wss",
    "api.deepgram.com",
    443,
    "/v1/listen?encoding=linear16&sample_rate=16000",
    headers=[["Upgrade", "websocket"], ["Authorization", "Token REDACTED"]],
    redacted=[REDACTED],
)
MASK = b"\x01\x02\x03\x04"
REASON = "NET-0001: no audio"

TRACES: dict[str, list[list[Record]]] = {
    "closed": [
        [START, REQUEST, Response(90_000_000, 101, "Switching Protocols")],
        [
            FrameRecord(100_000_000, True, 2, bytes(640), True, 0, MASK, 648),
            FrameRecord(110_000_000, False, 1, b'{"type":', False, 4, None, 12),
            FrameRecord(111_000_000, False, 9, b"ping", True, 0, None, 6),
            FrameRecord(112_000_000, False, 0, "„Results“}".encode(), True, 0, None, 20),
            FrameRecord(113_000_000, False, 1, b"\xff\xff", True, 4, None, 4, deflated=True),
            FrameRecord(114_000_000, True, 2, b"RIFF", True, 0, MASK, 100_012, cut=100_000),
            FrameRecord(
                115_000_000, False, 2, b"", True, 2, MASK, 6, broken_rule="server frame masked"
            ),
            Bytes(116_000_000, False, b"\x83\x01x", "reserved opcode 0x3 (section 5.2)"),
            Gap(117_000_000, 250_000_000, "cannot write: No space left on device", 3, 4096),
        ],
        [
            FrameRecord(10_000_000_000, False, 8, b"\x03\xf3" + REASON.encode(), True, 0, None, 22),
            Eof(10_001_000_000, False),
            Eof(10_002_000_000, True, "reset"),
            FindingRecord(
                10_002_000_000, "deepgram.listen.NET-0001", "error", "No audio", ["silent for 10 s"]
            ),
            End(
                10_002_000_000,
                "close",
                "server",
                1011,
                REASON,
                2,
                6,
                100_660,
                73,
                False,
                ["deepgram.listen.NET-0001"],
            ),
        ],
    ],
    "refused": [
        [
            START,
            REQUEST,
            Response(
                90_000_000,
                401,
                "Unauthorized",
                headers=[["dg-error", "INVALID_AUTH"]],
                body=b'{"err_code":"INVALID_AUTH"}',
                body_length=27,
            ),
            End(91_000_000, "refused", "server"),
        ]
    ],
    "failed": [
        [
            Start(0, VERSION, SESSION, 1_760_000_000_000_000_000, synthetic=True),
            Failure(5_000_000, "tls-client", True, "unknown ca"),
            End(6_000_000, "failed", "client"),
        ]
    ],
}


def as_json(record: Record) -> dict[str, object]:
    """The record's map, with bytes as {"hex": ...}."""
    return {k: {"hex": v.hex()} if isinstance(v, bytes) else v for k, v in to_map(record).items()}


def save(name: str, blocks: list[list[Record]], *, complete: bool = True) -> None:
    with (FOLDER / f"{name}.wstrace").open("wb", buffering=0) as file:
        writer = TraceWriter(file, SESSION)
        for block in blocks:
            for record in block:
                writer.write(record)
            writer.flush()
        if complete:
            writer.finish()
    lines = [
        json.dumps(as_json(record), ensure_ascii=False) for block in blocks for record in block
    ]
    (FOLDER / f"{name}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, blocks in TRACES.items():
        save(name, blocks)
    save("killed", TRACES["closed"][:2], complete=False)


if __name__ == "__main__":
    main()
