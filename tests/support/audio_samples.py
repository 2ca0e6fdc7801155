"""Audio of each kind, made by hand."""

from __future__ import annotations

import base64
import json
import random
import struct
import zlib
from array import array
from collections.abc import Callable, Sequence

import numpy as np

from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import load
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Request, Response, Start

CATALOG = load()
Api = tuple[str, str, str]
SentMessage = bytes | str


def listen(query: str) -> Api:
    return ("deepgram", "listen", f"/v1/listen?{query}")


def facts_of(
    api: Api, messages: Sequence[SentMessage], answers: Sequence[str] = (), **frame: object
) -> SessionFacts:
    """A session in which the app says this, a message every 0.1 s, and is answered that."""
    session = Session.analyzing(CATALOG)
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=api[0], api=api[1]))
    session.add(Request(1, "GET", "wss", "h", 443, api[2]))
    session.add(Response(2, 101))
    for number, message in enumerate(messages, 1):
        session.add(_frame(number * 100_000_000, True, message, **frame))
    for message in answers:
        session.add(_frame(len(messages) * 100_000_000, False, message))
    return SessionFacts(session, CATALOG)


def _frame(t_ns: int, from_client: bool, message: SentMessage, **values: object) -> FrameRecord:
    payload = message.encode() if isinstance(message, str) else message
    opcode = 1 if isinstance(message, str) else 2
    values = {"wire_length": len(payload) + 6, **values}
    return FrameRecord(t_ns, from_client, opcode, payload, **values)  # type: ignore[arg-type]


# -- audio of each kind


def coder(values: Sequence[int]) -> Callable[[bytes], bytes]:
    """To the code that stands for the nearest value; the tables are those of ITU-T G.711."""
    order = np.argsort(values)
    ordered = np.array(values)[order]
    limits = (ordered[:-1] + ordered[1:]) // 2

    def code(data: bytes) -> bytes:
        nearest = np.searchsorted(limits, np.frombuffer(data, "<i2"), side="right")
        return order[nearest].astype(np.uint8).tobytes()

    return code


def _mulaw_value(code: int) -> int:
    code = ~code & 0xFF
    size = (((code & 15) << 3) + 132 << (code >> 4 & 7)) - 132
    return -size if code & 0x80 else size


def _alaw_value(code: int) -> int:
    code ^= 0x55
    size, segment = (code & 15) << 4, code >> 4 & 7
    size = size + 8 if not segment else size + 264 << segment - 1
    return size if code & 0x80 else -size


mulaw = coder([_mulaw_value(code) for code in range(256)])
alaw = coder([_alaw_value(code) for code in range(256)])

PCM = speech(3, 16_000)
PCM8K = speech(3, 8000)


def scaled(data: bytes, factor: float, noise: float = 0.0) -> bytes:
    samples = np.frombuffer(data, "<i2") * float(factor)
    samples += np.random.default_rng(1).normal(0, noise, samples.size)
    return samples.clip(-32768, 32767).astype("<i2").tobytes()


def swapped(data: bytes) -> bytes:
    return np.frombuffer(data, "<i2").byteswap().tobytes()


def stereo(left: bytes, right: bytes) -> bytes:
    pairs = zip(array("h", left), array("h", right), strict=False)
    return array("h", (sample for pair in pairs for sample in pair)).tobytes()


def floats(data: bytes) -> bytes:
    return array("f", (sample / 32768 for sample in array("h", data))).tobytes()


def wav(
    data: bytes,
    rate: int = 16_000,
    channels: int = 1,
    bits: int = 16,
    tag: int = 1,
    extra: bytes = b"",
) -> bytes:
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + extra
    form = b"fmt " + struct.pack("<I", len(form)) + form
    chunk = b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(form) + len(chunk)) + b"WAVE" + form + chunk


def page(packet: bytes, flags: int = 0, number: int = 0) -> bytes:
    """An Ogg page (RFC 3533, section 6) with one packet shorter than 255 bytes."""
    head = struct.pack("<4sBBQIIIB", b"OggS", 0, flags, 0, 7, number, 0, 1)
    return head + bytes([len(packet)]) + packet


def opus_head(rate: int = 16_000, channels: int = 1) -> bytes:
    return b"OpusHead" + struct.pack("<BBHIhB", 1, channels, 312, rate, 0, 0)


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def opus_pages(count: int = 100) -> bytes:
    return b"".join(page(noise(200, n), number=n + 2) for n in range(count))


OPUS = page(opus_head(), 2) + page(b"OpusTags" + bytes(8), number=1) + opus_pages()
VORBIS = page(b"\x01vorbis" + struct.pack("<IBIIIIBB", 0, 2, 44_100, 0, 0, 0, 0xB8, 1), 2)
SPEEX = page(b"Speex   " + struct.pack("<20sIIIIII", b"1.2", 1, 80, 16_000, 1, 4, 1) + bytes(28), 2)
STREAMINFO = struct.pack(">HH", 4096, 4096) + bytes(6)
STREAMINFO += (44_100 << 44 | 1 << 41 | 15 << 36).to_bytes(8, "big") + bytes(16)
FLAC = b"fLaC" + b"\x80\0\0\x22" + STREAMINFO
OGG_FLAC = page(b"\x7fFLAC\x01\0\0\x01" + FLAC, 2)
WEBM = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webmB\x87"
CLUSTER = b"\x1fC\xb6u\x01\xff\xff\xff\xff\xff\xff\xff\xe7\x81\0"


def block(size: int, seed: int = 0) -> bytes:
    """A Matroska SimpleBlock of the first track."""
    return b"\xa3" + struct.pack(">H", 0x4000 | size + 4) + b"\x81\0\0\x80" + noise(size, seed)


BLOCKS = block(300) + block(280, 1) + block(310, 2) + block(290, 3)
MP3_FRAME = b"\xff\xfb\x90\x64" + noise(413)  # 128 kbit/s at 44.1 kHz: 417 bytes
MP3_PADDED = b"\xff\xfb\x92\x64" + noise(414, 1)
MP3_16K = b"\xff\xf3\x48\xc4" + noise(140)  # MPEG-2, 32 kbit/s at 16 kHz: 144 bytes


def adts(size: int, seed: int = 0) -> bytes:
    head = 0xFFF1 << 40 | 0x60 << 32 | 1 << 30 | size + 7 << 13 | 0x7FF << 2
    return head.to_bytes(7, "big") + noise(size, seed)


MP4 = b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42"
MOOF = b"\0\0\0\x64moof" + bytes(92)
HTML = b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
BASE64 = base64.b64encode(PCM[:9000])
# A frame of 4,096 samples at 44.1 kHz in two channels, with the CRC of its first five bytes.
FLAC_FRAME = b"\xff\xf8\xc9\x18\x00\xc2" + noise(3000)

KINDS = [
    ("nothing", b""),
    ("WAV", wav(PCM[:3200])),
    ("WAV", b"RIFF\0\0"),
    ("WAV", b"RF64" + wav(PCM[:3200])[4:]),
    ("RIFF, not WAV", b"RIFF\x10\0\0\0AVI LIST"),
    ("WAV without its beginning", wav(PCM[:3200])[12:]),
    ("WAV without its beginning", wav(PCM[:3200])[8:]),
    ("Ogg/Opus", OPUS),
    ("Ogg/Vorbis", VORBIS),
    ("Ogg/FLAC", OGG_FLAC),
    ("Ogg/Speex", SPEEX),
    ("Ogg", page(b"\x80theora", 2)),
    ("Ogg without its beginning", opus_pages()),
    ("Ogg without its beginning", opus_pages()[100:]),
    ("WebM", WEBM),
    ("Matroska", WEBM.replace(b"\x84webm", b"\x88matroska")),
    ("WebM or Matroska", WEBM[:10]),
    ("WebM without its beginning", CLUSTER + BLOCKS),
    ("WebM without its beginning", noise(500) + CLUSTER + BLOCKS),
    ("WebM without its beginning", BLOCKS),
    ("MP3", b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)),
    ("MP3", MP3_FRAME + MP3_FRAME),
    ("MP3", MP3_PADDED + MP3_FRAME),
    ("MP3", MP3_16K * 2),
    ("FLAC", FLAC),
    ("FLAC without its beginning", FLAC_FRAME),
    ("AAC (ADTS)", adts(300) + adts(280, 1)),
    ("MP4", MP4),
    ("MP4 without its beginning", MOOF),
    ("AMR", b"#!AMR\n" + noise(320)),
    ("AMR-WB", b"#!AMR-WB\n" + noise(320)),
    ("AIFF", b"FORM\0\0\0\x10AIFFCOMM"),
    ("AU", b".snd" + bytes(20)),
    ("CAF", b"caff\0\x01\0\0desc"),
    ("16-bit PCM", PCM),
    ("16-bit PCM", PCM8K[:4000]),
    ("16-bit PCM", bytes(40_000) + PCM),  # sound after a second of nothing
    ("16-bit PCM", scaled(PCM, 0.01)),  # very quiet
    ("16-bit PCM", scaled(PCM, 8)),  # amplified, so that the low bits are always 0
    ("16-bit PCM", scaled(PCM, 0.5, 500)),  # noisy
    ("16-bit PCM", scaled(PCM, 0, 2000)),  # noise alone
    ("16-bit PCM", scaled(PCM8K, 100)),  # clipped, most of it
    ("16-bit PCM", stereo(PCM, bytes(len(PCM)))),
    ("16-bit PCM", stereo(PCM, PCM[20_000:])),
    ("16-bit PCM, big-endian", swapped(PCM)),
    ("16-bit PCM, big-endian", swapped(scaled(PCM, 8))),
    ("16-bit PCM, big-endian", swapped(scaled(PCM, 0.01))),
    ("32-bit float PCM", floats(PCM)),
    ("32-bit float PCM", floats(scaled(PCM, 0.05))),
    ("mu-law", mulaw(PCM8K)),
    ("mu-law", mulaw(PCM8K)[:4000]),
    ("mu-law", mulaw(scaled(PCM8K, 0.3, 50))),
    ("A-law", alaw(PCM8K)),
    ("A-law", alaw(scaled(PCM8K, 0.3, 50))),
    ("silence", bytes(70_000)),
    ("silence", b"\xff" * 3200),
    ("silence", b"\xff\x7f" * 1600),
    ("silence", b"\xd5" * 3200),
    ("silence", b"\x80" * 3200),
    ("JSON", b'{"type": "KeepAlive"}'),
    ("JSON", b'{"type": "KeepAlive"}{"type": "KeepAlive"}'),
    ("JSON", json.dumps({"audio": "A" * 60_000}).encode()),
    ("JSON", '\ufeff\n{"text": "Grüße, 世界"}'.encode()),
    ("HTML", HTML),
    ("HTML", b"\r\n <HTML lang=en>"),
    ("XML", b"<?xml version='1.0'?><Error/>"),
    ("base64 text", BASE64),
    ("text", b"The quick brown fox jumps over the lazy dog."),
    ("text", b"{ is no JSON, though it begins like that }"),
    ("text", b"[" * 40_000),
    ("too few to identify", b"\x01"),
    ("too few to identify", b"text"),
    ("too few to identify", PCM[:3998]),
    ("too few to identify", MP3_FRAME),  # one frame alone may be chance
    ("too few to identify", MP3_FRAME + MP3_16K + MP3_16K),  # the second is of another kind
    ("too few to identify", b"\xff\xf1\x60\x40" + noise(500)),
    ("too few to identify", WEBM[4:20] + noise(200)),
    ("unidentified data", noise(32_000)),
    ("unidentified data", noise(100) + OPUS),  # what follows is whole
    ("unidentified data", b"\0\0\1\1\xff\x7f\xff\x7f" * 1000),
    ("unidentified data", b"\xff\x7f\xff\x7f\0\0\0\0" * 1000),
    ("unidentified data", zlib.compress(PCM)),
    ("unidentified data", b"\xff\xfb\x90\x64" + noise(32_000)),
    ("unidentified data", "Grüße aus der Küche. ".encode("utf-16") * 200),
]


def wide(size: int) -> bytes:
    """Samples of more bytes, the low ones not empty."""
    dice = random.Random(2)
    shift = 8 * (size - 2)
    samples = (s << shift | dice.getrandbits(shift) for s in array("h", PCM[:40_000]))
    return b"".join(s.to_bytes(size, "little", signed=True) for s in samples)
