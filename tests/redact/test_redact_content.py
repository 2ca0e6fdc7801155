"""Content (speech, transcripts, audio) is never redacted."""

from __future__ import annotations

import base64
import json
import math
import random
import struct
from collections.abc import Callable

import msgpack
import pytest

from each_case import each_case
from wsproxy.catalog import load
from wsproxy.redact import HeadRedactor, SessionRedactor, finder
from wsproxy.trace import FrameRecord, Record, Request, Response

CATALOG = load()
REDACT = HeadRedactor(CATALOG.credentials, b"key" * 11, CATALOG.key_shapes)
KEY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
COOKIE = "Zz9$kq81mmA0-7Qx"
TOKEN = "Zk3vQ9xT7mB2nR8sW4yH6jL1pD5f"


def redactor() -> SessionRedactor:
    """The redactor of a session that has sent three credentials."""
    made = SessionRedactor(REDACT)
    made(
        Request(
            0,
            "GET",
            "wss",
            "api.deepgram.com",
            443,
            f"/v1/listen?token={TOKEN}",
            headers=[["Authorization", f"Token {KEY}"], ["Cookie", f"a=b; sid={COOKIE}"]],
        )
    )
    return made


def payload_of(record: Record) -> bytes:
    assert isinstance(record, FrameRecord)
    return record.payload


@pytest.mark.parametrize("digits", ["000007" * 20, "0123456789" * 4, "a" * 64, "0a" * 20])
def test_session_redactor_text_of_digits_without_variety_stays(digits: str) -> None:
    for message in (digits, f'{{"x":"{digits}"}}'):
        frame = FrameRecord(0, True, 1, message.encode())
        assert redactor()(frame) == frame


# -- content that continues in the next fragment, and over the work limit

CODE = 'token = abc123def456; api_key = "q7Q8w9E1r2"; https://u:pass1word@h/ sk_live_4eC39HqLyjWDa '


@pytest.mark.one_python
@pytest.mark.parametrize("field", ["text", "transcript", "delta"])
def test_session_redactor_text_with_code_stays_wherever_its_message_is_cut(field: str) -> None:
    speech = "so my fellow americans " * 30 + CODE + 'he said "x" '
    payload = json.dumps({"type": "x", field: speech, "n": 1}).encode()
    for cut in range(1, len(payload), 3):
        clean = redactor()
        for n, part in enumerate((payload[:20], payload[20:cut], payload[max(20, cut) :])):
            frame = FrameRecord(0, False, 0 if n else 1, part, fin=n == 2)
            assert clean(frame) == frame, cut


@pytest.mark.one_python
def test_session_redactor_long_text_with_code_stays_without_known_credentials() -> None:
    speech = (CODE + "and so my fellow americans ") * 20_000
    payload = json.dumps({"text": f"{speech} {KEY} {speech}", "api_key": "abcdefgh1234"}).encode()
    kept = payload_of(redactor()(FrameRecord(0, True, 1, payload)))
    expected = payload.replace(KEY.encode(), b"REDACTED").replace(b"abcdefgh1234", b"REDACTED")
    assert kept == expected


def test_session_redactor_message_over_the_budget_is_kept_up_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finder, "MAX_EXAMINED", 1 << 18)
    audio = json.dumps({"audio": "QUJD/0Zz" * (1 << 16)}).encode()
    control = b'{"api_key":"abcdefgh1234"}' * (1 << 15)
    record = redactor()(FrameRecord(0, True, 1, audio + control))
    assert isinstance(record, FrameRecord)
    assert record.payload.startswith(audio)
    assert b"abcdefgh" not in record.payload
    assert record.redacted is not None
    assert record.redacted[0]["why"] == "budget"
    assert record.cut == record.redacted[0]["length"] > 1 << 17


# -- audio

_chance = random.Random(11)


def _wave(rate: int, size: int, loud: float) -> list[float]:
    """Voice-like audio: a tone and its harmonics with a changing level, and noise."""
    return [
        loud
        * math.sin(n / 3000) ** 2
        * (0.6 * math.sin(n * 780 / rate) + 0.3 * math.sin(n * 2400 / rate))
        + _chance.gauss(0, 0.004)
        for n in range(size)
    ]


def _mulaw(sample: float) -> int:
    code = min(127, int(math.log1p(255 * abs(sample)) / math.log1p(255) * 127))
    return ~(code | (0x80 if sample < 0 else 0)) & 0xFF


def _alaw(sample: float) -> int:
    size = abs(sample) * 87.6
    share = size / 5.473 if size < 1 else (1 + math.log(size)) / 5.473
    return (min(127, int(share * 127)) | (0x80 if sample >= 0 else 0)) ^ 0x55


LOUD = (0.02, 0.2, 0.9)
SOUND = {loud: _wave(8000, 12_000, loud) for loud in LOUD}
CODECS: dict[str, Callable[[float], bytes]] = {
    "linear16": lambda s: struct.pack("<h", int(32000 * s)),
    "big-endian": lambda s: struct.pack(">h", int(32000 * s)),
    "float32": lambda s: struct.pack("<f", s),
    "8 bit": lambda s: bytes([int(128 + 127 * s)]),
    "mu-law": lambda s: bytes([_mulaw(s)]),
    "A-law": lambda s: bytes([_alaw(s)]),
}
AUDIO = {
    **{f"{n} {v}": b"".join(map(c, w)) for n, c in CODECS.items() for v, w in SOUND.items()},
    "random": _chance.randbytes(100_000),
    "Ogg": b"OggS\0\2" + bytes(8) + b"\1\x13OpusHead\1\1\x38\1\x80\xbb\0\0\0\0\0OggS\0\0OpusTags"
    b"\x0d\0\0\0libopus 1.3.1\1\0\0\0\x1f\0\0\0encoder=Lavc60.31.102 libopus"
    + _chance.randbytes(20_000),
    "MP3": b"ID3\4\0\0\0\0\0#TSSE\0\0\0\x0f\0\0\3Lavf60.16.100\0\0\0\xff\xfb\x50\0Xing\0\0LAME3.100"
    + b"U" * 60 + _chance.randbytes(20_000),
    "AAC": b"".join(b"\xff\xf1\x50\x80\x17\x7f\xfc" + _chance.randbytes(180) for _ in range(60)),
    "FLAC": b"fLaC\0\0\0\x22\x10\0\x10\0" + _chance.randbytes(28)
    + b"\4\0\0\x28\x20\0\0\0reference libFLAC 1.4.3 20230623\1\0\0\0" + _chance.randbytes(20_000),
    "WebM": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\x82\x84webm\x4d\x80\x86Chrome\x57\x41"
    b"\x86Chrome\x86\x86A_OPUS\x63\xa2OpusHead\1\1\0\0\x80\xbb" + _chance.randbytes(20_000),
    "WAV": b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0data" + bytes(20_000),
    "ramp": bytes(range(251)) * 100,
    "ramp of 256": bytes(range(256)) * 100,
}  # fmt: skip


def binary(chunk: bytes, opcode: int = 2, *, fin: bool = True) -> FrameRecord:
    return FrameRecord(0, True, opcode, chunk, fin=fin)


@pytest.mark.parametrize("kind", AUDIO)
def test_session_redactor_binary_audio_stays_in_messages_of_any_size(kind: str) -> None:
    audio, clean = AUDIO[kind], redactor()
    for size in (20, 33, 160, 640, 1600, 8192, 100_000):
        for at in range(0, min(len(audio), size * 60), size):
            frame = binary(audio[at : at + size])
            assert clean(frame) is frame


@pytest.mark.parametrize("kind", AUDIO)
def test_session_redactor_binary_audio_stays_in_fragments(kind: str) -> None:
    audio, clean = AUDIO[kind][:20_000], redactor()
    for size in (20, 500, 3000):
        parts = [audio[at : at + size] for at in range(0, len(audio), size)]
        for n, part in enumerate(parts):
            frame = binary(part, 0 if n else 2, fin=n == len(parts) - 1)
            assert clean(frame) is frame


@pytest.mark.parametrize("seen", [b"\x9cjwT\x05pKar\xfe", b"\xf1JwTKar: x7", b"\0PWd=qz4q\x90"])
def test_session_redactor_short_names_in_audio_by_chance_stay(seen: bytes) -> None:
    for kind in ("random", "linear16 0.2", "mu-law 0.2", "8 bit 0.9"):
        audio = AUDIO[kind]
        for size in (160, 640, 3000):
            frame = binary(audio[:size] + seen + audio[size : 2 * size])
            assert redactor()(frame) is frame, kind


CARRIERS = {
    "OpenAI": '{"type":"input_audio_buffer.append","audio":"%s"}',
    "Gemini": '{"realtimeInput":{"audio":{"data":"%s","mimeType":"audio/pcm;rate=16000"}}}',
    "Twilio": '{"event":"media","media":{"track":"inbound","payload":"%s"},"streamSid":"MZ18"}',
    "ElevenLabs": '{"user_audio_chunk":"%s"}',
    "AssemblyAI": '{"audio_data":"%s"}',
    "a field of no catalog": '{"x":"%s","seq":4711}',
    "data URL": '{"url":"data:audio/webm;codecs=opus;base64,%s"}',
    "a list": '["%s"]',
    "alone": "%s",
}  # fmt: skip


@pytest.mark.parametrize("carrier", CARRIERS)
def test_session_redactor_audio_in_base64_stays(carrier: str) -> None:
    clean = redactor()
    for audio in AUDIO.values():
        for size in (20, 160, 640, 3200, 20_000):
            chunk = audio[size : 2 * size]
            for spelt in (base64.b64encode(chunk), base64.urlsafe_b64encode(chunk)):
                payload = CARRIERS[carrier].replace("%s", spelt.decode()).encode()
                frame = FrameRecord(0, True, 1, payload)
                assert clean(frame) is frame


@pytest.mark.one_python
@pytest.mark.parametrize("loudest", [4, 40, 200, 2000])
def test_session_redactor_audio_that_begins_as_a_meta_token_does_stays(loudest: int) -> None:
    """Samples that are all positive, the first of them 16: letters and digits only."""
    chance, clean, alike = random.Random(loudest), redactor(), 0
    for _ in range(2000):
        count = 3 * chance.randrange(24, 90)
        samples = [16, *(chance.randrange(loudest) for _ in range(count - 1))]
        spelt = base64.b64encode(struct.pack(f"<{len(samples)}h", *samples)).decode()
        alike += spelt.startswith("EAA") and spelt.isalnum()
        frame = FrameRecord(0, True, 1, f'{{"x":"{spelt}"}}'.encode())
        assert clean(frame) is frame
    assert alike


@pytest.mark.parametrize("message", ["%s", '{"audio":"%s"}', '{"data":{"audio":"%s","status":1}}'])
def test_session_redactor_audio_in_hexadecimal_digits_stays(message: str) -> None:
    clean = redactor()
    for audio in AUDIO.values():
        for size in (160, 640, 3200):
            frame = FrameRecord(0, True, 1, message.replace("%s", audio[:size].hex()).encode())
            assert clean(frame) is frame


@pytest.mark.one_python
@each_case(range(256))
def test_session_redactor_constant_bytes_stay(value: int) -> None:
    for size in (20, 64, 640, 4000):
        frame = binary(bytes([value]) * size)
        assert redactor()(frame) is frame


@pytest.mark.one_python
@pytest.mark.parametrize("size", [1 << 20, 16 << 20])
def test_session_redactor_large_audio_stays(size: int) -> None:
    clean, audio = redactor(), random.Random(size).randbytes(size)
    message_text = json.dumps({"audio": base64.b64encode(audio).decode()}).encode()
    ramp = (bytes(range(251)) * (size // 251 + 1))[:size]
    for frame in (binary(audio), binary(ramp), FrameRecord(0, True, 1, message_text)):
        assert clean(frame) is frame


def test_session_redactor_known_credentials_are_redacted_of_audio() -> None:
    for kind in ("random", "linear16 0.2", "mu-law 0.2", "Ogg"):
        for key in (KEY, TOKEN):
            for at in (0, 300, 5000):
                audio = AUDIO[kind][:12_000]
                payload = audio[:at] + b"\xd9\x28" + key.encode() + b"\xa5" + audio[at:]
                kept = payload_of(redactor()(binary(payload)))
                assert kept == payload.replace(key.encode(), b"REDACTED"), (kind, at)


NAMED = b"\xa7api_key\xb8q7Q8w9E1r2T3y4U5i6O7p8A9"
SHAPED = b"\xc4\x01sk_7c9e6679b7425f40de944be07fc1f90ae7"


@pytest.mark.parametrize("planted", [NAMED, SHAPED])
def test_session_redactor_named_and_shaped_credentials_are_redacted_beside_raw_audio(
    planted: bytes,
) -> None:
    key = planted.replace(b"api_key", b"").strip(bytes(range(128, 256)) + b"\x01")
    for kind in ("random", "linear16 0.2", "mu-law 0.2"):
        audio = AUDIO[kind][:6000]
        after = b"\x93" + audio
        for payload in (planted + after, audio + planted, audio + planted + after):
            kept = payload_of(redactor()(binary(payload)))
            assert kept == payload.replace(key, b"REDACTED"), kind


@pytest.mark.parametrize("name", ["pwd", "pass", "password", "api_key", "jwt", "secret"])
@pytest.mark.parametrize("more", [{}, {"type": "start"}, {"audio": AUDIO["random"][:2000]}])
def test_session_redactor_short_password_in_a_packed_message_is_redacted(
    name: str, more: dict[str, object]
) -> None:
    for fields in ({name: "hunter22", **more}, {**more, name: "hunter22"}):
        kept = payload_of(redactor()(binary(msgpack.packb(fields))))
        assert b"hunter" not in kept
        assert b"REDACTED" in kept


# -- what a diagnosis needs

IDS = (
    "max-age=31536000",
    "Kub-Ney=84610253",
    "seq=00000000000000000042",
    "commit b1946ac92492d2347c6235b4d2611184",
    "X-Request-Id: 9f1d2c3b4a5e6f708192a3b4c5d6e7f8",
    '{"detail":{"request_id":"8f14e45fceea167a5a36dedd4bea2543"}}',
    "trace=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    '{"event":"start","streamSid":"MZ0f1e2d3c4b5a69788796a5b4c3d2e1f0"}',
    "Unknown key: interim_results2",
    '{"keys":["encoding_type_v2"],"key":"sample_rate_hertz_16000"}',
    "session sess_001K8b2c3d4e5f6g7h8i9j0k1l2 expired",
    "model=gpt-4o-realtime-preview-2024-12-17",
    "RequestId=4d3c2b1a-0f9e-8d7c-6b5a-493827161504;Host=eastus",
    "worker ws-worker-7f9c6d5b8-x2x9p terminated",
    "projects/my-project-123456/locations/us-central1/recognizers/_",
    "<b>Password</b><p>must have 12 characters</p>",
    "<b>Error</b><i>1020</i> Ray ID: <strong>8e9f1d2c3b4a5e6f</strong>",
)


@pytest.mark.parametrize("text", IDS)
def test_session_redactor_ids_and_parameters_in_reasons_and_bodies_stay(text: str) -> None:
    reason = FrameRecord(0, False, 8, b"\x03\xf0" + text.encode())
    assert SessionRedactor(REDACT)(reason) == reason
    body = Response(0, 401, body=text.encode(), body_length=len(text))
    assert SessionRedactor(REDACT)(body) == body


@pytest.mark.parametrize(
    "line",
    [
        ("Server", "gws/8f14e45fceea167a5a36dedd4bea2543"),
        ("Via", "1.1 8f14e45fceea167a5a36dedd4bea2543.cloudfront.net (CloudFront)"),
        ("ETag", '"33a64df551425fcc55e4d42a148795d9f25f89d4"'),
        ("X-ConnectionId", "4D3C2B1A0F9E8D7C6B5A493827161504"),
        ("x-ms-requestid", "4d3c2b1a0f9e8d7c6b5a493827161504"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("CF-Ray", "8e9f1d2c3b4a5e6f-FRA"),
    ],
)
def test_head_redactor_ids_and_revisions_in_a_response_stay(line: tuple[str, str]) -> None:
    assert REDACT([line]).headers == [list(line)]
