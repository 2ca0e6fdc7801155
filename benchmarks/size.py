"""Sizes of traces beside other ways to keep a session: `python -m benchmarks.size`.

A live transcription of 10 minutes, written block by block as a recorder does, and the sample
traces that come with the project. Each against one run of `zstd -3` over the same records, the
flow file that `mitmdump -w` would write, and mitmproxy's HAR.
"""

from __future__ import annotations

import argparse
import array
import io
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgpack
import zstandard
from mitmproxy import connection, http
from mitmproxy.addons.savehar import SaveHar
from mitmproxy.io import FlowWriter
from mitmproxy.websocket import WebSocketData, WebSocketMessage
from wsproto.frame_protocol import Opcode

from wsproxy.audio.synthetic_speech import speech
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.trace import FrameRecord, Record, Request, Response, TraceReader
from wsproxy.trace.compaction import compact
from wsproxy.trace.records import to_map

MINUTES = 10
RATE = 16_000
CHUNK = 3200  # bytes of 100 ms
SAMPLES = Path(__file__).resolve().parent.parent / "recordings" / "samples"
_MS = 10**6
_WORDS = ("the", "quick", "brown", "fox", "jumped", "over", "a", "lazy", "dog", "in", "rain")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of one session: its records as they are, the trace live and packed, and others."""

    records: int
    live: int
    packed: int
    zstd: int
    flow: int
    har: int
    seconds: float

    def __add__(self, other: Sizes) -> Sizes:
        return Sizes(*(getattr(self, n) + getattr(other, n) for n in self.__slots__))


def transcription(minutes: float = MINUTES) -> Iterator[Record]:
    """Records of a session with speech in noise, which does not compress, and results in JSON."""
    chance = random.Random(1)
    voice = array.array("h", speech(30.0, RATE))
    noise = array.array("h", (int(chance.gauss(0, 40)) for _ in range(1 << 18)))
    headers = [["Host", "api.deepgram.com"], ["Upgrade", "websocket"], ["Connection", "Upgrade"]]
    target = f"/v1/listen?encoding=linear16&sample_rate={RATE}&interim_results=true"
    yield Request(_MS, "GET", "wss", "api.deepgram.com", 443, target, headers=headers)
    yield Response(80 * _MS, 101, "Switching Protocols", headers=headers[1:])
    for number in range(int(minutes * 600)):
        t_ns = (100 + 100 * number) * _MS + chance.randrange(_MS)
        start, shift = (
            number * CHUNK // 2 % (len(voice) - CHUNK),
            chance.randrange(len(noise) - CHUNK),
        )
        samples = (
            max(-32768, min(32767, voice[start + n] + noise[shift + n])) for n in range(CHUNK // 2)
        )
        audio = array.array("h", samples).tobytes()
        yield FrameRecord(t_ns, True, 2, audio, mask=chance.randbytes(4), wire_length=CHUNK + 8)
        if number % 3 == 2:
            text = json.dumps(_result(chance, number)).encode()
            yield FrameRecord(t_ns + 50 * _MS, False, 1, text, wire_length=len(text) + 4)
    yield FrameRecord(int(minutes * 60_000 + 500) * _MS, False, 8, b"\x03\xe8", wire_length=4)


def _result(chance: random.Random, number: int) -> dict[str, object]:
    at = number / 10
    words = [
        {
            "word": word,
            "start": round(at + n * 0.31, 2),
            "end": round(at + n * 0.31 + 0.25, 2),
            "confidence": round(chance.uniform(0.8, 1), 7),
            "punctuated_word": word,
        }
        for n, word in enumerate(chance.choices(_WORDS, k=chance.randrange(1, 9)))
    ]
    said = {
        "transcript": " ".join(str(each["word"]) for each in words),
        "confidence": round(chance.uniform(0.8, 1), 7),
        "words": words,
    }
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "duration": 1.0,
        "start": at,
        "is_final": number % 9 == 8,
        "speech_final": False,
        "channel": {"alternatives": [said]},
        "metadata": {
            "request_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "model_info": {"name": "general-nova-3", "version": "2025-01-09.0", "arch": "nova-3"},
            "model_uuid": "40bd3654-e622-47c4-a111-63a61b23bfe8",
        },
        "from_finalize": False,
    }


def record(path: Path, records: Iterator[Record]) -> None:
    """Write a trace as a recorder does: what is 90 ms old is written, heads at once."""
    recording = SessionWriter(path, new_start(Clock.start(), provider="deepgram", api="listen"))
    last = 0
    for each in records:
        if recording.is_flush_due(each.t_ns):
            recording.flush()
        if isinstance(each, Response):
            recording.response(each)
        else:
            recording.add(each)
        if not isinstance(each, FrameRecord):
            recording.flush()
        last = each.t_ns
    recording.end(last)


def measure(path: Path) -> Sizes:
    """Sizes of a trace; it is packed by that."""
    with TraceReader(path) as reader:
        records = list(reader)
    bare = b"".join(msgpack.packb(to_map(each)) for each in records)
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    live, began = path.stat().st_size, time.perf_counter()
    compact(path)
    seconds = time.perf_counter() - began
    flow = flow_of(records)
    packed = path.stat().st_size
    zstd = len(compressor.compress(bare))
    return Sizes(len(bare), live, packed, zstd, _flow_size(flow), _har_size(flow), seconds)


def flow_of(records: list[Record]) -> http.HTTPFlow:
    """The flow that mitmproxy would have kept of the session: whole messages."""
    client = connection.Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2))
    server = connection.Server(address=("api.deepgram.com", 443))
    flow = http.HTTPFlow(client, server)
    flow.websocket = WebSocketData()
    for each in records:
        match each:
            case Request():
                url = f"https://{each.host}{each.path}"
                fields = [(n.encode(), v.encode()) for n, v in each.headers]
                flow.request = http.Request.make(each.method, url, b"", http.Headers(fields))
            case Response():
                fields = [(n.encode(), v.encode()) for n, v in each.headers]
                flow.response = http.Response.make(
                    each.status, each.body or b"", http.Headers(fields)
                )
            case FrameRecord(opcode=1 | 2):
                message = WebSocketMessage(
                    Opcode(each.opcode), each.from_client, each.payload, each.t_ns / 1e9
                )
                flow.websocket.messages.append(message)
    return flow


def _flow_size(flow: http.HTTPFlow) -> int:
    file = io.BytesIO()
    FlowWriter(file).add(flow)
    return len(file.getvalue())


def _har_size(flow: http.HTTPFlow) -> int:
    return len(json.dumps(SaveHar().make_har([flow]), indent=4))


def table(rows: dict[str, Sizes]) -> str:
    columns = (
        "session, records, live, packed, `zstd -3`, packed / zstd, live / zstd, flow, HAR, packing"
    )
    lines = [f"| {columns.replace(', ', ' | ')} |", "|---" * 10 + "|"]
    for name, size in rows.items():
        cells = [f"{n / 1000:,.1f} kB" for n in (size.records, size.live, size.packed, size.zstd)]
        cells += [f"{size.packed / size.zstd:.3f}", f"{size.live / size.zstd:.3f}"]
        cells += [f"{n / 1000:,.1f} kB" for n in (size.flow, size.har)]
        lines.append(f"| {name} | {' | '.join(cells)} | {size.seconds:.2f} s |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="wsproxy-size-") as name:
        long = Path(name, "long.wstrace")
        record(long, transcription(minutes))
        rows = {f"transcription of {minutes:g} minutes": measure(long)}
        samples = []
        for sample in sorted(SAMPLES.rglob("*.wstrace")):
            copy = Path(name, sample.name)
            with TraceReader(sample) as reader:
                kept = [r for r in reader if isinstance(r, FrameRecord | Request | Response)]
            record(copy, iter(kept))
            try:
                samples.append(measure(copy))
            except UnicodeDecodeError:
                continue  # HAR has no place for text that is not UTF-8
        rows[f"{len(samples)} samples, together"] = sum(samples[1:], samples[0])
    sys.stdout.write(table(rows) + "\n")


if __name__ == "__main__":
    main()
