"""Sessions with personal data at every place, for tests of what `scrub` leaves."""

from __future__ import annotations

import json
import math
import random
import uuid
from array import array
from pathlib import Path
from typing import Any

from sessions import APP, MS, SERVER, audio, closed, opened, result, text_message
from traces import read_trace
from wsproxy.trace import Bytes, FrameRecord, Request, Response
from wsproxy.wire import Opcode

CHANCE = random.Random(7)
WORDS = ["Zanzibar", "Quokkaberg", "Übermorgenmann", "пельменями", "ドラゴンフルーツ"]
# Long enough that no synthetic id contains it by chance, as one of four digits does.
SPOKEN_NUMBER = "4711081523"
SENTENCE = (
    f"please call {WORDS[0]} about the {WORDS[1]}, {WORDS[2]}! {WORDS[3]} {WORDS[4]} "
    + SPOKEN_NUMBER
)
MAIL = "ada.lovelace@analytical-engines.example"
PHONE = "+49 170 5551234"
ACCOUNT = str(uuid.UUID(int=0x1234567890ABCDEF1234567890ABCDEF))
REQUEST_ID = "9f8dd6ea-b1dc-4e23-a10d-0e8d26a16528"
CUSTOMER = "AcmeHospital"


def header_dict(request: Request) -> dict[str, str]:
    return {each[0]: each[1] for each in request.headers}


def tone(seconds: float, loud: int = 6000) -> bytes:
    """Voice-like audio: a swept sine of 16-bit samples."""
    count = int(seconds * 16_000)
    wave = (loud * math.sin(n * (0.05 + n / count / 9)) * (n % 4000) / 4000 for n in range(count))
    return array("h", map(int, wave)).tobytes()


VOICE = tone(2.0)
CHUNKS = [VOICE[at : at + 3200] for at in range(0, len(VOICE), 3200)]


def session() -> list[Any]:
    """A session with personal data at every place."""
    query = f"model=nova-3&encoding=linear16&sample_rate=16000&keyterm={WORDS[1]}&tag={CUSTOMER}"
    query += f"&extra=account:{ACCOUNT}&callback=https%3A%2F%2Fada.example%2Fhook"
    query += f"%3Ftoken%3DREDACTED&webhook=https://{CUSTOMER}.example/p%3Ftoken=REDACTED"
    start = opened(
        f"/v1/listen?{query}",
        **{
            "Origin": f"https://{CUSTOMER.lower()}.example",
            "User-Agent": f"Python/3.13 websockets/17.4 {CUSTOMER}App/2.1",
            "X-Customer": CUSTOMER,
            "Sec-WebSocket-Key": "IVn7+EDhsJ/RcYLCRvSCDA==",
        },
    )
    request, response = start
    answer = Response(
        response.t_ns, 101, "Switching Protocols", headers=[["dg-request-id", REQUEST_ID]]
    )
    frames: list[Any] = [request, answer]
    frames += [audio(30 + 100 * n, APP, chunk) for n, chunk in enumerate(CHUNKS)]
    frames += [
        result(500, f"please call {WORDS[0]}", final=False),
        result(900, SENTENCE, final=True),
        text_message(1000, APP, {"type": "Configure", "keyterms": WORDS, "note": f"for {MAIL}"}),
        text_message(1100, SERVER, {"type": "Metadata", "request_id": REQUEST_ID, "owner": MAIL}),
        text_message(1200, SERVER, {"type": "Sth", "metadata": {CUSTOMER: PHONE}, "channels": 1}),
        text_message(
            1300, SERVER, {"type": "Error", "description": f"no such user {MAIL}", "n": 49170555}
        ),
        FrameRecord(1400 * MS, APP, int(Opcode.PING), b"from Zanzibar"),
        closed(1500, SERVER, 1011, f"NET-0001 for {ACCOUNT}"),
    ]
    return frames


PLANTED = [*WORDS, MAIL, "lovelace", PHONE, "5551234", ACCOUNT, REQUEST_ID, CUSTOMER, SPOKEN_NUMBER]


def unescaped(payload: bytes) -> bytes:
    """A JSON message without escapes."""
    try:
        return json.dumps(json.loads(payload), ensure_ascii=False).encode()
    except ValueError:
        return b""


def unpacked(path: Path) -> bytes:
    """All content of a trace, unpacked."""
    records, _ = read_trace(path)
    return b"\n".join(
        [json.dumps(str(record), ensure_ascii=False).encode() for record in records]
        + [r.payload for r in records if isinstance(r, FrameRecord)]
        + [unescaped(r.payload) for r in records if isinstance(r, FrameRecord)]
        + [r.data for r in records if isinstance(r, Bytes)]
    )


def frames(path: Path) -> list[FrameRecord]:
    return [record for record in read_trace(path)[0] if isinstance(record, FrameRecord)]


def found(planted: str, content: bytes) -> bool:
    return planted.casefold().encode() in content.decode("utf-8", "replace").casefold().encode()
