"""What the app's audio is, against what the session declares: sniffing, and the rules on it."""

from __future__ import annotations

import base64
import json
import math
import random
import struct
import zlib
from array import array
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.audio import Format, declared, query_of, sniff
from wsproxy.diagnose.case import Case, Measure
from wsproxy.diagnose.containers import Header, container, read_header
from wsproxy.diagnose.evidence import Evidence
from wsproxy.diagnose.rules.audio import (
    RULES,
    all_zero_audio,
    clipping,
    container_header_missing,
    empty_audio_message,
    format_mismatch,
    odd_bytes,
    rate_mismatch,
    wrong_endianness,
)
from wsproxy.session import Session
from wsproxy.simulate.speech import speech
from wsproxy.trace import FrameRecord, Gap, Request, Response, Start

CATALOG = load()
LISTEN = ("deepgram", "listen", "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000")
NO_ENCODING = ("deepgram", "listen", "/v1/listen?model=nova-3")
STREAMING = ("assemblyai", "streaming", "/v3/ws?sample_rate=16000&encoding=pcm_s16le")
Api = tuple[str, str, str]
Said = bytes | str


def listen(query: str) -> Api:
    return ("deepgram", "listen", f"/v1/listen?{query}")


def case(api: Api, said: Sequence[Said], answers: Sequence[str] = (), **frame: object) -> Case:
    """A session in which the app says this, a message every 0.1 s, and is answered that."""
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=api[0], api=api[1]))
    session.add(Request(1, "GET", "wss", "h", 443, api[2]))
    session.add(Response(2, 101))
    for number, message in enumerate(said, 1):
        session.add(_frame(number * 100_000_000, True, message, **frame))
    for message in answers:
        session.add(_frame(len(said) * 100_000_000, False, message))
    return Case(session, CATALOG)


def _frame(t_ns: int, from_client: bool, message: Said, **values: object) -> FrameRecord:
    payload = message.encode() if isinstance(message, str) else message
    opcode = 1 if isinstance(message, str) else 2
    values = {"wire_length": len(payload) + 6, **values}
    return FrameRecord(t_ns, from_client, opcode, payload, **values)  # type: ignore[arg-type]


def cut(data: bytes, size: int = 3200) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def found(rule: Measure, case: Case) -> tuple[str, tuple[int, ...], float | None, str | None]:
    [evidence] = rule(case)
    return evidence.text, tuple(evidence.frames), evidence.value, evidence.unit


def findings(case: Case) -> dict[str, list[Evidence]]:
    return {rule.__name__: found for rule in RULES if (found := rule(case))}


# -- audio of each kind


def coder(values: Sequence[int]) -> Callable[[bytes], bytes]:
    """To the code that stands for the nearest value; the tables are those of ITU-T G.711."""
    order = sorted(range(256), key=values.__getitem__)
    limits = [(values[a] + values[b]) // 2 for a, b in pairwise(order)]

    def code(data: bytes) -> bytes:
        return bytes(order[bisect(limits, sample)] for sample in array("h", data))

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
    dice = random.Random(1)
    samples = (s * factor + dice.gauss(0, noise) for s in array("h", data))
    return array("h", (max(-32768, min(32767, int(s))) for s in samples)).tobytes()


def swapped(data: bytes) -> bytes:
    samples = array("h", data)
    samples.byteswap()
    return samples.tobytes()


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
    ("too little to tell", b"\x01"),
    ("too little to tell", b"text"),
    ("too little to tell", PCM[:3998]),
    ("too little to tell", MP3_FRAME),  # one frame alone may be chance
    ("too little to tell", MP3_FRAME + MP3_16K + MP3_16K),  # the second is of another kind
    ("too little to tell", b"\xff\xf1\x60\x40" + noise(500)),
    ("too little to tell", WEBM[4:20] + noise(200)),
    ("data of no known kind", noise(32_000)),
    ("data of no known kind", noise(100) + OPUS),  # what follows is whole
    ("data of no known kind", b"\0\0\1\1\xff\x7f\xff\x7f" * 1000),
    ("data of no known kind", b"\xff\x7f\xff\x7f\0\0\0\0" * 1000),
    ("data of no known kind", zlib.compress(PCM)),
    ("data of no known kind", b"\xff\xfb\x90\x64" + noise(32_000)),
    ("data of no known kind", "Grüße aus der Küche. ".encode("utf-16") * 200),
]


@pytest.mark.parametrize(
    ("kind", "head"), KINDS, ids=[f"{n}-{k}" for n, (k, _) in enumerate(KINDS)]
)
def test_sniff(kind: str, head: bytes) -> None:
    assert sniff(head) == kind


def wide(size: int) -> bytes:
    """Samples of more bytes, the low ones not empty."""
    dice = random.Random(2)
    shift = 8 * (size - 2)
    samples = (s << shift | dice.getrandbits(shift) for s in array("h", PCM[:40_000]))
    return b"".join(s.to_bytes(size, "little", signed=True) for s in samples)


@pytest.mark.parametrize(
    "head",
    [
        wide(3),
        wide(4),
        bytes((s >> 8) + 128 for s in array("h", PCM)),  # 8-bit samples without a sign
        scaled(PCM, 0, 20_000),  # noise, half of it clipped
        bytes(b for code in mulaw(PCM8K) for b in (code, 0xFF)),  # a silent channel beside mu-law
        bytes(b for code in mulaw(PCM8K) for b in (0xFF, code)),
    ],
)
def test_what_is_not_known_is_not_guessed(head: bytes) -> None:
    assert sniff(head) == "data of no known kind"


def test_sniff_looks_at_the_beginning_only() -> None:
    assert sniff(PCM[: 32 << 10] + swapped(PCM)) == "16-bit PCM"
    assert sniff(noise(32 << 10) + opus_pages()) == "data of no known kind"


@given(
    st.binary(max_size=300), st.sampled_from([k[1][:200] for k in KINDS]), st.binary(max_size=80)
)
def test_sniff_and_the_headers_never_raise(before: bytes, middle: bytes, after: bytes) -> None:
    for data in (before, middle + after, before + middle, middle[: len(before)]):
        assert sniff(data)
        read_header(data)


@given(st.binary(min_size=4, max_size=4), st.integers(1000, 20_000))
def test_sniff_never_raises_on_repeated_bytes(unit: bytes, count: int) -> None:
    assert sniff(unit * count)


def test_a_flac_frame_needs_its_crc() -> None:
    assert container(FLAC_FRAME) == "FLAC without its beginning"
    for bit in range(8):
        assert (
            container(FLAC_FRAME[:5] + bytes([FLAC_FRAME[5] ^ 1 << bit]) + FLAC_FRAME[6:]) is None
        )


EXTENSIBLE = struct.pack("<HHIH14s", 22, 24, 3, 1, b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71")
HEADERS = [
    (wav(b""), Header("WAV", "linear16", 16_000, 1, 16)),
    (wav(b"", 8000, 2, 8, tag=7), Header("WAV", "mulaw", 8000, 2, 8)),
    (wav(b"", 8000, 1, 8, tag=6), Header("WAV", "alaw", 8000, 1, 8)),
    (wav(b"", 48_000, 2, 32, tag=3), Header("WAV", "float32", 48_000, 2, 32)),
    (wav(b"", 8000, 1, 8), Header("WAV", "8-bit PCM", 8000, 1, 8)),
    (wav(b"", 8000, 1, 4, tag=2), Header("WAV", "", 8000, 1, 4)),
    (wav(b"", 44_100, 2, 24, 0xFFFE, EXTENSIBLE), Header("WAV", "24-bit PCM", 44_100, 2, 24)),
    (OPUS, Header("Ogg/Opus", "", 16_000, 1)),
    (VORBIS, Header("Ogg/Vorbis", "", 44_100, 2)),
    (SPEEX, Header("Ogg/Speex", "", 16_000, 1)),
    (OGG_FLAC, Header("Ogg/FLAC", "", 44_100, 2)),
    (FLAC, Header("FLAC", "", 44_100, 2)),
    (wav(b"")[:30], None),
    (page(b"OpusHead", 2), None),
    (FLAC[:20], None),
    (WEBM, None),
    (PCM, None),
]


@pytest.mark.parametrize(("head", "header"), HEADERS)
def test_headers(head: bytes, header: Header | None) -> None:
    assert read_header(head) == header


# -- good sessions


FINALIZE = '{"type": "Finalize"}'
CLOSE = '{"type": "CloseStream"}'
MULAW8K = listen("encoding=mulaw&sample_rate=8000")
SONIOX = ("soniox", "stt", "/transcribe-websocket")
SPEECHMATICS = ("speechmatics", "rt", "/v2/en")
REVAI = "/speechtotext/v1/stream?content_type=audio/x-raw;layout=interleaved;rate=16000;format={}"
GOOD: list[tuple[str, Api, Sequence[Said]]] = [
    ("linear16", LISTEN, [*cut(PCM), CLOSE]),
    ("pcm_s16le", STREAMING, [*cut(PCM), '{"type": "Terminate"}']),
    ("the default encoding", ("assemblyai", "streaming", "/v3/ws"), cut(PCM)),
    ("8 kHz", listen("encoding=linear16&sample_rate=8000"), cut(PCM8K, 320)),
    ("an odd rest", LISTEN, cut(PCM[:-1])),
    ("mulaw", MULAW8K, cut(mulaw(PCM8K), 160)),
    ("mulaw, odd", MULAW8K, cut(mulaw(PCM8K), 161)),
    ("pcm_mulaw", ("assemblyai", "streaming", "/v3/ws?encoding=pcm_mulaw"), cut(mulaw(PCM8K))),
    ("alaw", listen("encoding=alaw&sample_rate=8000"), cut(alaw(PCM8K), 160)),
    ("linear32", listen("encoding=linear32&sample_rate=16000"), cut(floats(PCM))),
    ("Ogg/Opus", NO_ENCODING, cut(OPUS, 1000)),
    ("Ogg/Opus, declared", listen("encoding=ogg-opus&sample_rate=48000"), cut(OPUS, 1000)),
    ("Ogg/Opus, as opus", listen("encoding=opus&sample_rate=16000"), cut(OPUS, 1000)),
    ("Opus packets", listen("encoding=opus&sample_rate=48000"), cut(noise(20_000), 160)),
    ("WebM", NO_ENCODING, [WEBM + CLUSTER + BLOCKS, BLOCKS]),
    ("WAV", NO_ENCODING, cut(wav(PCM, 16_000))),
    ("WAV, stereo", listen("channels=2"), cut(wav(stereo(PCM, PCM), channels=2))),
    ("MP3", NO_ENCODING, [MP3_FRAME] * 30),
    ("FLAC", listen("encoding=flac&sample_rate=44100"), [FLAC, FLAC_FRAME, FLAC_FRAME]),
    ("stereo", listen("encoding=linear16&sample_rate=16000&channels=2"), cut(stereo(PCM, PCM))),
    ("text to speech", ("deepgram", "speak", "/v1/speak"), ['{"type": "Speak", "text": "Hi"}']),
    ("JSON and base64", ("openai", "realtime", "/v1/realtime"), ['{"audio": "AAAA"}']),
    ("an API that is not known", ("acme", "listen", "/"), cut(wav(PCM))),
    ("the format is asked for elsewhere", ("gladia", "live", "/v2/live"), cut(PCM)),
    (
        "raw, in a message",
        SONIOX,
        ['{"audio_format": "pcm_s16le", "sample_rate": 16000}', *cut(PCM)],
    ),
    ("auto", SONIOX, ['{"audio_format": "auto"}', *cut(wav(PCM)), b""]),
    ("the message with the format is lost", SONIOX, cut(PCM)),
    (
        "file",
        SPEECHMATICS,
        ['{"message": "StartRecognition", "audio_format": {"type": "file"}}', *cut(wav(PCM))],
    ),
    ("x-raw", ("revai", "stream", REVAI.format("S16LE;channels=1")), [*cut(PCM), "EOS"]),
    (
        "x-wav",
        ("revai", "stream", "/speechtotext/v1/stream?content_type=audio/x-wav"),
        cut(wav(PCM)),
    ),
    ("a pause, bridged with silence", LISTEN, cut(bytes(90_000))),
    ("a control message in a binary frame", NO_ENCODING, [b'{"type": "KeepAlive"}', *cut(OPUS)]),
    ("control messages in binary frames", LISTEN, [b'{"type": "KeepAlive"}'] * 3),
    ("packets that look like mu-law", listen("encoding=g729"), cut(mulaw(PCM8K), 160)),
    ("packets of Opus that do", listen("encoding=opus"), cut(mulaw(PCM8K), 160)),
    ("nothing", LISTEN, []),
]


@pytest.mark.parametrize(("api", "said"), [g[1:] for g in GOOD], ids=[g[0] for g in GOOD])
def test_a_good_session_has_no_finding(api: Api, said: Sequence[Said]) -> None:
    assert findings(case(api, said)) == {}


# -- each rule, where it finds something and where it does not


MISMATCHES: list[tuple[str, Api, Sequence[Said], str, int]] = [
    (
        "WAV as linear16",
        LISTEN,
        ['{"type": "KeepAlive"}', b"", *cut(wav(PCM))],
        "the audio's first bytes are WAV; declared: linear16 at 16000 Hz (frame 3)",
        32_768,
    ),
    (
        "WAV for the default encoding",
        ("assemblyai", "streaming", "/v3/ws"),
        cut(wav(PCM[:6400])),
        "the audio's first bytes are WAV; declared: pcm_s16le at 16000 Hz (frame 1)",
        6444,
    ),
    (
        "the middle of WebM as linear16",
        LISTEN,
        [BLOCKS],
        "the audio's first bytes are WebM without its beginning; declared: linear16 at 16000 Hz "
        "(frame 1)",
        len(BLOCKS),
    ),
    (
        "Ogg/Opus as FLAC",
        listen("encoding=flac&sample_rate=16000"),
        cut(OPUS[:5000]),
        "the audio's first bytes are Ogg/Opus; declared: flac at 16000 Hz (frame 1)",
        5000,
    ),
    (
        "raw samples, nothing declared",
        NO_ENCODING,
        cut(PCM),
        "the audio is, by its statistics, 16-bit PCM; declared: a container "
        "(no encoding declared) (frame 1)",
        32_768,
    ),
    (
        "raw samples, a file declared",
        SPEECHMATICS,
        ['{"message": "StartRecognition", "audio_format": {"type": "file"}}', *cut(PCM)],
        "the audio is, by its statistics, 16-bit PCM; declared: a container "
        "(no encoding declared) (frame 2)",
        32_768,
    ),
    (
        "raw samples, Opus declared",
        listen("encoding=opus&sample_rate=16000"),
        cut(PCM[:4800]),
        "the audio is, by its statistics, 16-bit PCM; declared: opus at 16000 Hz (frame 1)",
        4800,
    ),
    (
        "mu-law as linear16",
        listen("encoding=linear16&sample_rate=8000"),
        cut(mulaw(PCM8K), 160),
        "the audio is, by its statistics, mu-law; declared: linear16 at 8000 Hz (frame 1)",
        24_000,
    ),
    (
        "16 bits as mu-law",
        MULAW8K,
        cut(PCM8K, 320),
        "the audio is, by its statistics, 16-bit PCM; declared: mulaw at 8000 Hz (frame 1)",
        32_768,
    ),
    (
        "A-law as mu-law",
        MULAW8K,
        cut(alaw(PCM8K), 160),
        "the audio is, by its statistics, A-law; declared: mulaw at 8000 Hz (frame 1)",
        24_000,
    ),
    (
        "floating point as linear16",
        LISTEN,
        cut(floats(PCM)),
        "the audio is, by its statistics, 32-bit float PCM; declared: linear16 at 16000 Hz "
        "(frame 1)",
        32_768,
    ),
    (
        "x-raw",
        ("revai", "stream", REVAI.format("S16LE")),
        [wav(PCM)],
        "the audio's first bytes are WAV; declared: "
        "audio/x-raw;layout=interleaved;rate=16000;format=s16le (frame 1)",
        32_768,
    ),
    (
        "an error page",
        NO_ENCODING,
        [HTML],
        "the audio's first bytes are HTML ('<!DOCTYPE html><html><body>404 Not Found'); "
        "declared: a container (no encoding declared) (frame 1)",
        len(HTML),
    ),
    (
        "JSON that is no control message",
        LISTEN,
        [b'{"error": "gone"}'],
        'the audio\'s first bytes are JSON (\'{"error": "gone"}\'); declared: linear16 at 16000 Hz '
        "(frame 1)",
        17,
    ),
    (
        "base64",
        MULAW8K,
        [BASE64],
        f"the audio's first bytes are base64 text ({BASE64[:40].decode()!r}); declared: mulaw at "
        "8000 Hz (frame 1)",
        12_000,
    ),
    (
        "text where no encoding can be declared",
        ("gladia", "live", "/v2/live"),
        [b"Internal Server Error. Please try again."],
        "the audio's first bytes are text ('Internal Server Error. Please try again.'); declared: "
        "a container (no encoding declared) (frame 1)",
        40,
    ),
]


@pytest.mark.parametrize(
    ("api", "said", "text", "size"), [m[1:] for m in MISMATCHES], ids=[m[0] for m in MISMATCHES]
)
def test_format_mismatch(api: Api, said: Sequence[Said], text: str, size: int) -> None:
    wrong = case(api, said)
    frame = wrong.audio.where(n > 0 for n in wrong.audio.lengths).numbers[0]
    assert found(format_mismatch, wrong) == (text, (frame,), size, "bytes looked at")


def test_no_format_mismatch_where_it_cannot_be_told() -> None:
    little, unknown = cut(PCM[:3000]), cut(noise(40_000))
    for said in (little, unknown, [mulaw(PCM8K)[:2000]], [bytes(40_000)]):
        assert format_mismatch(case(LISTEN, said)) == []
        assert format_mismatch(case(MULAW8K, said)) == []
        assert format_mismatch(case(NO_ENCODING, said)) == []
    # An encoding that is not known, and one that 32-bit samples may look like.
    assert format_mismatch(case(listen("encoding=new"), cut(wav(PCM)))) == []
    wide = array("i", (s << 16 for s in array("h", PCM))).tobytes()
    assert format_mismatch(case(listen("encoding=linear32"), cut(wide))) == []


def test_only_what_the_app_sends_is_looked_at() -> None:
    speak = case(("deepgram", "speak", "/v1/speak?encoding=mulaw"), ['{"type": "Flush"}'])
    for number in range(20):
        speak.session.add(_frame(number, False, PCM[number * 3201 :][:3201]))
    speak.session.add(_frame(99, False, b""))
    assert speak.session.received.head
    assert findings(speak) == {}


CUT_OFF = [
    ("Ogg", opus_pages(), "4f 67 67 53 00 00 00 00"),
    ("Ogg", opus_pages()[50:], opus_pages()[50:58].hex(" ")),
    ("WebM", BLOCKS, BLOCKS[:8].hex(" ")),
    ("WebM", CLUSTER + BLOCKS, "1f 43 b6 75 01 ff ff ff"),
    ("WAV", wav(PCM)[12:], "66 6d 74 20 10 00 00 00"),
    ("MP4", MOOF, "00 00 00 64 6d 6f 6f 66"),
    ("FLAC", FLAC_FRAME, "ff f8 c9 18 00 c2 " + FLAC_FRAME[6:8].hex(" ")),
]


@pytest.mark.parametrize(("name", "data", "start"), CUT_OFF)
def test_container_header_missing(name: str, data: bytes, start: str) -> None:
    text = f"the audio starts in the middle of {name}, with the bytes {start} (frame 2)"
    size = min(len(data), 32_768)
    wrong = case(NO_ENCODING, ['{"type": "KeepAlive"}', *cut(data, 1000)])
    expected = {
        "container_header_missing": [Evidence(text, (2,), 200_000_000, size, "bytes looked at")]
    }
    assert findings(wrong) == expected


def test_no_header_is_missing_where_the_trace_has_a_hole() -> None:
    wrong = case(NO_ENCODING, cut(opus_pages()))
    assert container_header_missing(wrong)
    wrong.session.add(Gap(5, 6, "the disk was full"))
    assert container_header_missing(wrong) == []
    cut_off = case(NO_ENCODING, [opus_pages()], cut=1000)
    assert container_header_missing(cut_off) == []


def test_odd_bytes() -> None:
    said = [*cut(PCM)[:3], PCM[:3201], PCM[:1], *cut(PCM)[:2]]
    wrong = case(LISTEN, ['{"type": "KeepAlive"}', *said])
    text = "2 messages of 7 have an odd number of bytes, a sample of linear16 has 2: frame 5, 6"
    assert found(odd_bytes, wrong) == (text, (5, 6), 2.0, "messages")
    one = case(STREAMING, [PCM[:3201], PCM[:3200]])
    text = "1 message of 2 has an odd number of bytes, a sample of pcm_s16le has 2: frame 1"
    assert found(odd_bytes, one) == (text, (1,), 1.0, "messages")


def test_no_odd_bytes() -> None:
    assert odd_bytes(case(LISTEN, [PCM[:3200], PCM[:3201]])) == []  # the rest of a file
    assert odd_bytes(case(MULAW8K, cut(mulaw(PCM8K), 161))) == []
    assert odd_bytes(case(NO_ENCODING, cut(wav(PCM), 1001))) == []
    assert odd_bytes(case(LISTEN, cut(wav(PCM), 1001))) == []  # another rule's matter
    # Of a message in several frames only the whole counts.
    assert odd_bytes(case(LISTEN, cut(PCM, 1001), fin=False)) == []


def test_wrong_endianness() -> None:
    text = (
        "read in the declared order, half of the samples are above 10496 of 32768; "
        "with the bytes swapped, above 291 (frame 2)"
    )
    wrong = case(LISTEN, ['{"type": "KeepAlive"}', *cut(swapped(PCM))])
    assert found(wrong_endianness, wrong) == (text, (2,), 10496.0, "of 32768")
    assert list(findings(wrong)) == ["wrong_endianness"]
    declared_big = ("revai", "stream", REVAI.format("S16BE"))
    assert found(wrong_endianness, case(declared_big, cut(PCM)))[2] == 10496.0
    assert wrong_endianness(case(declared_big, cut(swapped(PCM)))) == []


def test_bytes_are_not_swapped_where_one_is_missing() -> None:
    shifted = PCM[1:]
    assert sniff(shifted) == "16-bit PCM, big-endian"
    control = b'{"type":"KeepAlive" }'
    assert len(control) % 2
    for said in ([shifted[:3199], *cut(shifted[3199:])], [control, *cut(PCM)]):
        assert wrong_endianness(case(LISTEN, said)) == []
    assert wrong_endianness(case(LISTEN, cut(swapped(PCM)), fin=False)) == []


RATES: list[tuple[Api, bytes, list[tuple[str, float, str]]]] = [
    (
        LISTEN,
        wav(PCM, 44_100, 2, 24),
        [
            ("the WAV header says 44100 Hz; declared: 16000 Hz (frame 1)", 44_100, "Hz"),
            ("the WAV header says 2 channels; declared: 1 channel (frame 1)", 2, "channels"),
            (
                "the WAV header says 24-bit PCM; declared: linear16 (frame 1)",
                24,
                "bits a sample",
            ),
        ],
    ),
    (
        ("assemblyai", "streaming", "/v3/ws"),
        wav(PCM, 8000),
        [("the WAV header says 8000 Hz; declared: 16000 Hz (frame 1)", 8000, "Hz")],
    ),
    (
        MULAW8K,
        wav(alaw(PCM8K), 8000, bits=8, tag=6),
        [("the WAV header says alaw; declared: mulaw (frame 1)", 8, "bits a sample")],
    ),
    (
        listen("sample_rate=8000&channels=2"),
        OPUS,
        [
            ("the Ogg/Opus header says 16000 Hz; declared: 8000 Hz (frame 1)", 16_000, "Hz"),
            ("the Ogg/Opus header says 1 channel; declared: 2 channels (frame 1)", 1, "channels"),
        ],
    ),
    (
        listen("encoding=flac&sample_rate=48000"),
        FLAC,
        [("the FLAC header says 44100 Hz; declared: 48000 Hz (frame 1)", 44_100, "Hz")],
    ),
    (LISTEN, wav(PCM), []),
    (NO_ENCODING, wav(PCM, 44_100, 2, 24), []),
    (listen("sample_rate=16000"), wav(PCM), []),
    (listen("encoding=linear16"), wav(PCM, 8000), []),  # no rate is declared
    (listen("encoding=ogg-opus&sample_rate=48000"), OPUS, []),
    (MULAW8K, wav(mulaw(PCM8K), 8000, bits=8, tag=7), []),
    (LISTEN, PCM, []),
]


@pytest.mark.parametrize(("api", "data", "expected"), RATES)
def test_rate_mismatch(api: Api, data: bytes, expected: list[tuple[str, float, str]]) -> None:
    evidence = rate_mismatch(case(api, cut(data)))
    assert [(e.text, e.value, e.unit) for e in evidence] == expected
    assert all(e.frames == (1,) and e.t_ns == 100_000_000 for e in evidence)


def test_all_zero_audio() -> None:
    wrong = case(LISTEN, cut(bytes(96_000)))
    text = (
        "the first 65536 of 96000 bytes of audio, and all that is kept of its end, are zero; "
        "declared: linear16 at 16000 Hz (frame 1)"
    )
    assert found(all_zero_audio, wrong) == (text, (1,), 65_536.0, "bytes")
    assert list(findings(wrong)) == ["all_zero_audio"]
    long = case(LISTEN, cut(bytes(320_000)))
    assert found(all_zero_audio, long)[0].startswith("the first 65536 of 320000 bytes of audio")
    companded = case(MULAW8K, cut(b"\xff\x7f" * 12_000))
    assert "are silence; declared: mulaw at 8000 Hz" in found(all_zero_audio, companded)[0]
    assert list(findings(companded)) == ["all_zero_audio"]
    assert all_zero_audio(case(listen("encoding=alaw&sample_rate=8000"), [b"\xd5" * 24_000]))
    assert all_zero_audio(case(NO_ENCODING, [bytes(24_000)]))


def test_audio_that_is_not_all_zero() -> None:
    nothing = cut(bytes(320_000))
    result = '{"channel": {"alternatives": [{"transcript": "%s"}]}}'
    assert all_zero_audio(case(LISTEN, nothing, [result % ""]))
    assert all_zero_audio(case(LISTEN, nothing, [result % "", result % "hello"])) == []
    assert all_zero_audio(case(LISTEN, [*nothing, PCM[:3200]])) == []
    assert all_zero_audio(case(LISTEN, [PCM[:3200], *nothing])) == []
    assert all_zero_audio(case(LISTEN, cut(bytes(63_998)))) == []  # shorter than 2 s
    assert all_zero_audio(case(NO_ENCODING, [bytes(23_999)])) == []
    assert all_zero_audio(case(LISTEN, [b"\xff\x7f" * 40_000])) == []
    assert all_zero_audio(case(MULAW8K, [b"\xd5" * 40_000])) == []


def test_clipping() -> None:
    wrong = case(LISTEN, cut(scaled(PCM, 8)))
    text = (
        "1.9 % of the first 32768 samples are at full scale, in 201 runs of 3 and more, up to 4 "
        "(frame 1)"
    )
    assert found(clipping, wrong) == (text, (1,), 1.87, "%")
    assert list(findings(wrong)) == ["clipping"]


def test_clipping_of_a_made_wave() -> None:
    tone = [round(12_000 * math.sin(i / 10)) for i in range(10_000)]
    tone[100:400:100] = [32_767] * 3  # peaks, each alone
    tone[5000:5199] = 100 * [32_767] + 99 * [-32_768]
    data = array("h", tone).tobytes()
    text = (
        "2.0 % of the first 10000 samples are at full scale, in 2 runs of 3 and more, up to 100 "
        "(frame 1)"
    )
    assert found(clipping, case(LISTEN, cut(data))) == (text, (1,), 1.99, "%")
    # Half as much of two channels; a run is one of a channel.
    channels = listen("encoding=linear16&sample_rate=16000&channels=2")
    assert clipping(case(channels, cut(stereo(data, bytes(len(data)))))) == []
    tone[5200:5210] = [-32_767] * 10
    both = stereo(array("h", tone).tobytes(), bytes(len(data)))
    text = (
        "1.0 % of the first 20000 samples are at full scale, in 3 runs of 3 and more, up to 100 "
        "(frame 1)"
    )
    assert found(clipping, case(channels, cut(both))) == (text, (1,), 1.04, "%")


def test_no_clipping() -> None:
    assert clipping(case(LISTEN, cut(PCM))) == []
    peaks = array("h", PCM)
    peaks[::50] = array("h", [32_767] * len(peaks[::50]))  # 2 %, but each alone
    assert clipping(case(LISTEN, cut(peaks.tobytes()))) == []
    # What is not what was declared is not clipped.
    assert clipping(case(LISTEN, cut(b"\xff\x7f" * 20_000))) == []
    assert clipping(case(LISTEN, cut(wav(scaled(PCM, 6))))) == []


def test_clipping_of_companded_audio() -> None:
    alaw8k = listen("encoding=alaw&sample_rate=8000")
    text = (
        "2.0 % of the first 24000 samples are at full scale, in 120 runs of 3 and more, up to 5 "
        "(frame 1)"
    )
    loud = scaled(PCM8K, 20)
    assert found(clipping, case(MULAW8K, cut(mulaw(loud), 160)))[0] == text
    assert found(clipping, case(alaw8k, cut(alaw(loud), 160)))[0] == text
    assert clipping(case(MULAW8K, cut(mulaw(PCM8K), 160))) == []
    assert clipping(case(alaw8k, cut(alaw(PCM8K), 160))) == []


def test_empty_audio_message() -> None:
    wrong = case(LISTEN, [PCM[:3200], b"", b"", PCM[:3200], CLOSE, b""])
    text = "2 of 4 binary messages are empty: frame 2, 3"
    assert found(empty_audio_message, wrong) == (text, (2, 3), 2.0, "messages")
    before_the_end = case(STREAMING, [PCM[:3200], b"", '{"type": "Terminate"}'])
    text = "1 of 2 binary messages is empty: frame 2"
    assert found(empty_audio_message, before_the_end) == (text, (2,), 1.0, "messages")
    revai = ("revai", "stream", REVAI.format("S16LE"))
    assert found(empty_audio_message, case(revai, [b"", "EOS"]))[1] == (1,)
    assert found(empty_audio_message, case(LISTEN, [b"", b""]))[2] == 2.0


def test_no_empty_audio_message() -> None:
    assert empty_audio_message(case(LISTEN, [PCM[:3200], b""])) == []  # meant as the end
    assert empty_audio_message(case(LISTEN, [PCM[:3200], CLOSE, b"", b""])) == []
    assert empty_audio_message(case(SONIOX, [PCM[:3200], b"", b""])) == []
    assert empty_audio_message(case(LISTEN, [b"", PCM[:3200]], fin=False)) == []
    assert empty_audio_message(case(("acme", "x", "/"), [b"", PCM[:3200]])) == []


# -- all of them


@settings(max_examples=200)
@given(
    st.sampled_from([g[1] for g in GOOD]),
    st.lists(
        st.binary(max_size=40)
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
        | st.sampled_from([*(k[1][:9000] for k in KINDS), '{"audio_format": "pcm_s16le"}']),
        max_size=12,
    ),
    st.booleans(),
    st.sampled_from([0, 1, 5000]),
)
def test_any_session_is_judged(api: Api, said: list[Said], fin: bool, missing: int) -> None:
    judged = case(api, said, fin=fin, cut=missing)
    for rule in RULES:
        for evidence in rule(judged):
            assert evidence.text
            assert all(1 <= number <= len(said) for number in evidence.frames)


def test_every_rule_has_its_condition() -> None:
    conditions = [c for c in CATALOG.conditions_of("traffic") if c.id.startswith("traffic.audio.")]
    assert [c.matches[0].rule for c in conditions] == [
        *("format_mismatch", "container_header_missing", "wrong_endianness", "rate_mismatch"),
        *("odd_bytes", "empty_audio_message", "all_zero_audio", "clipping"),
    ]
    assert {c.matches[0].rule for c in conditions} == {rule.__name__ for rule in RULES}
    assert {c.severity for c in conditions} == {"warning"}


def test_diagnose_tells_it() -> None:
    wrong = case(LISTEN, cut(wav(PCM, 8000)))
    told = {f.id: [e.text for e in f.evidence] for f in diagnose(wrong.session, CATALOG)}
    assert told["traffic.audio.rate-mismatch"] == [
        "the WAV header says 8000 Hz; declared: 16000 Hz (frame 1)"
    ]
    assert "traffic.audio.format-mismatch" in told
    assert "traffic.audio.odd-bytes" not in told


# -- what is declared


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", Format(True, "", 0, 1)),
        ("encoding=Linear16", Format(True, "linear16", 0, 1, frozenset({"encoding"}))),
        ("sample_rate=8000", Format(True, "", 8000, 1, frozenset({"rate"}))),
        ("channels=2&channels=x", Format(True, "", 0, 1)),
        ("channels=2", Format(True, "", 0, 2, frozenset({"channels"}))),
        ("sample_rate=" + "9" * 5000, Format(True, "", 0, 1)),
        ("sample_rate=-8000&channels=0", Format(True, "", 0, 1)),
    ],
)
def test_declared(query: str, expected: Format) -> None:
    session = case(listen(query), []).session
    assert declared(session, CATALOG.api("deepgram", "listen")) == expected


def test_the_default_is_not_given() -> None:
    session = case(("assemblyai", "streaming", "/v3/ws"), []).session
    assert declared(session, CATALOG.api("assemblyai", "streaming")) == Format(
        True, "pcm_s16le", 16_000, 1
    )


def test_a_query_of_too_many_fields_is_none() -> None:
    assert query_of(case(listen("a=1&" * 199 + "b=2"), []).session) == {"a": "1", "b": "2"}
    assert query_of(case(listen("a=1&" * 200 + "b=2"), []).session) == {}
