"""What redaction costs a message, by its kind and size: `python -m benchmarks.redaction`.

A session that has sent three credentials in its request. Each figure is the median of the
processor's time over messages of one kind, each of them new, as the recorder's thread spends it;
*most* is the longest of them. Nothing may be redacted in these messages: the program reports it
if something is.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import random
import struct
import sys
import time
from collections.abc import Callable
from statistics import median

from wsproxy.catalog import load
from wsproxy.redact import HeadRedactor, SessionRedactor
from wsproxy.trace import FrameRecord, Request

SIZES = (20, 640, 8192, 1 << 16, 1 << 20, 16 << 20)  # bytes of audio, or of a text
_TOTAL = 8 << 20  # bytes of one kind and size, at most
_MAX_MESSAGES, _MIN_MESSAGES = 400, 3
_BATCH = 20  # short messages whose time is taken together
_WORDS = ("and", "so", "my", "fellow", "americans", "ask", "not", "what", "your", "country", "can")
_TEXT, _BINARY = 1, 2
_chance = random.Random(1)


def _sound(size: int) -> list[float]:
    begin, loud = _chance.random() * 6, 0.05 + 0.6 * _chance.random()
    return [
        loud * math.sin(begin + n / 9) * math.sin(n / 900) + _chance.gauss(0, 0.01)
        for n in range(size)
    ]


def linear16(size: int) -> bytes:
    """PCM of 16 bits; from a second on it repeats."""
    made = _sound(min(size, 32_000) // 2)
    data = struct.pack(f"<{len(made)}h", *(int(32000 * each) for each in made))
    return (data * (size // len(data) + 1))[:size]


def mulaw(size: int) -> bytes:
    """G.711 µ-law; from two seconds on it repeats."""
    data = bytes(
        ~(int(math.log1p(255 * abs(s)) / math.log1p(255) * 127) | (0x80 if s < 0 else 0)) & 0xFF
        for s in _sound(min(size, 16_000))
    )
    return (data * (size // len(data) + 1))[:size]


def packed(size: int) -> bytes:
    """What Opus, MP3 and AAC look like."""
    return _chance.randbytes(size)


def ramp(size: int) -> bytes:
    """All bytes up to 250 again and again, ASCII among them."""
    begin = _chance.randrange(251)
    return (bytes(range(251)) * (size // 251 + 2))[begin : begin + size]


def in_json(size: int) -> bytes:
    """Audio in base64, as OpenAI has it."""
    audio = base64.b64encode(_chance.randbytes(size)).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio}).encode()


def result(size: int) -> bytes:
    """A transcript of about this size."""
    words = [_chance.choice(_WORDS) for _ in range(max(1, size // 60))]
    each = [
        {"word": word, "start": 0.08 * n, "confidence": _chance.random()}
        for n, word in enumerate(words)
    ]
    return json.dumps({"type": "Results", "transcript": " ".join(words), "words": each}).encode()


def urls(size: int) -> bytes:
    """Links without a credential."""
    return json.dumps({"links": ["https://example.com/a?b=1&c=2"] * (size // 33)}).encode()


KINDS: dict[str, tuple[int, Callable[[int], bytes], int]] = {
    "random bytes": (_BINARY, packed, SIZES[-1]),
    "linear16": (_BINARY, linear16, SIZES[-1]),
    "µ-law": (_BINARY, mulaw, SIZES[-1]),
    "ramp": (_BINARY, ramp, SIZES[-1]),
    "base64 in JSON": (_TEXT, in_json, SIZES[-1]),
    "transcript": (_TEXT, result, 1 << 16),
    "URLs": (_TEXT, urls, 1 << 16),
}


def guard() -> SessionRedactor:
    """Of a session that has sent credentials."""
    catalog = load()
    made = SessionRedactor(HeadRedactor(catalog.credentials, b"key" * 11, catalog.key_shapes))
    headers = [
        ["Authorization", "Token 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"],
        ["Cookie", "a=abcdefgh12345678; sid=Zz9$kq81mmA0"],
    ]
    path = "/v1/listen?token=Zk3vQ9xT7mB2nR8sW4yH6jL1pD5f"
    made(Request(0, "GET", "wss", "api.deepgram.com", 443, path, headers=headers))
    return made


def measure(opcode: int, make: Callable[[int], bytes], size: int) -> tuple[float, float, int]:
    """Of one kind and size: the median and the most (seconds a message), and how many changed."""
    clean = guard()
    count = min(_MAX_MESSAGES, max(_MIN_MESSAGES, _TOTAL // size // 4))
    batch = _BATCH if count == _MAX_MESSAGES else 1
    took, changed = [], 0
    for _ in range(count // batch):
        frames = [FrameRecord(0, True, opcode, make(size)) for _ in range(batch)]
        begun = time.process_time()
        kept = [clean(frame) for frame in frames]
        took.append((time.process_time() - begun) / batch)
        changed += sum(a is not b for a, b in zip(frames, kept, strict=True))
    return median(took), max(took), changed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="nothing over 64 KiB")
    quick = parser.parse_args().quick
    print("kind              bytes     median (µs)   most (µs)   ns a byte")
    failed = 0
    for name, (opcode, make, most) in KINDS.items():
        for size in SIZES:
            if size > (1 << 16 if quick else most):
                continue
            middle, longest, changed = measure(opcode, make, size)
            line = f"{name:<15}{size:>10,}{middle * 1e6:>14,.1f}{longest * 1e6:>13,.1f}"
            print(f"{line}{middle / size * 1e9:>11,.1f}", f"CHANGED: {changed}" * bool(changed))
            failed += changed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
