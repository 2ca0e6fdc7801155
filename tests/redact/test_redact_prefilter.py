"""The prefilter misses nothing that the finder finds; content is unchanged."""

from __future__ import annotations

import base64
import json
import math
import random
import struct
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from credential_places import HEX40, JWT, OPAQUE, PREFIXED, SPECIAL
from wsproxy.catalog import load
from wsproxy.redact import HeadRedactor, SessionRedactor
from wsproxy.redact.known_secrets import KnownSecrets
from wsproxy.redact.prefilter import Prefilter
from wsproxy.trace import FrameRecord, Request

CATALOG = load()
REDACT = HeadRedactor(CATALOG.credentials, b"key" * 11, CATALOG.key_shapes)
ROOT = Path(__file__).parents[2]

_keys = st.sampled_from(
    [OPAQUE, HEX40, PREFIXED, SPECIAL, JWT, "4711", "hunter2-x", "AKIA" + "Q7" * 8]
)
_names = st.sampled_from(
    [
        "api_key",
        "token",
        "key",
        "x-api-key",
        "Authorization",
        "pin",
        "text",
        "model",
        "\\u0061pi_key",
    ]
)
_glue = st.sampled_from(
    [*"\"'\\ :=?&;#/<>{}[](),.%\n\t", '":"', '": {"', "Bearer ", "://", "\\u0022", "&#34;", "%22"]
)
_pieces = st.one_of(_keys, _names, _glue, st.text(max_size=6))
_texts = st.lists(_pieces, max_size=12).map("".join)


def prefilter(*known: str) -> Prefilter:
    credentials = KnownSecrets()
    for key in known:
        credentials.learn(key)
    return Prefilter(REDACT.find, credentials)


@settings(max_examples=200, deadline=None)
@given(_texts)
@example("sk_" + "a1" * 20)
@example(f"key={PREFIXED}")
@example(f"temp:{'a1' * 12}")
@example("%74oken=4711")
@example('{"api key":"abcd"}')
@example(HEX40)
def test_prefilter_credential_of_the_finder_is_detected(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    if REDACT.find(data.decode("latin-1")):
        assert prefilter().may_hold_in_text(data)


@settings(max_examples=200, deadline=None)
@given(_texts, _keys.filter(lambda key: len(key) >= 6))
@example(base64.b64encode(b":" + OPAQUE.encode()).decode(), OPAQUE)
@example(HEX40.encode().hex(), HEX40)
@example("".join(f"&#{ord(c)};" for c in OPAQUE), OPAQUE)
def test_prefilter_known_credential_is_detected(text: str, key: str) -> None:
    known = KnownSecrets()
    known.learn(key)
    data = text.encode("utf-8", "surrogatepass")
    if known.spans(data):
        assert Prefilter(REDACT.find, known).may_hold_in_text(data)


# -- content is never redacted


def _redactor() -> SessionRedactor:
    redactor = SessionRedactor(REDACT)
    for key in (OPAQUE, HEX40, "transcript", "correct horse battery"):
        redactor(
            Request(0, "GET", "wss", "h", 1, "/", headers=[["Authorization", f"Bearer {key}"]])
        )
    return redactor


def _tone(rate: int, size: int, loud: float) -> list[float]:
    return [loud * math.sin(2 * math.pi * 180 * n / rate) for n in range(size)]


def _mulaw(sample: float) -> int:
    size = int(math.log1p(255 * abs(sample)) / math.log1p(255) * 127)
    return ~(size | (0x80 if sample < 0 else 0)) & 0xFF


AUDIO = {
    "linear16": b"".join(struct.pack("<h", int(32000 * s)) for s in _tone(16000, 3200, 0.8)),
    "quiet linear16": b"".join(struct.pack("<h", int(90 * s)) for s in _tone(16000, 3200, 1.0)),
    "mu-law": bytes(map(_mulaw, _tone(8000, 1600, 0.9))),
    "quiet mu-law": bytes(map(_mulaw, _tone(8000, 1600, 0.01))),
    "8 bit": bytes(int(128 + 100 * s) for s in _tone(8000, 1600, 1.0)),
    "float32": b"".join(struct.pack("<f", s) for s in _tone(16000, 1600, 0.5)),
    "silence": bytes(3200),
    "random": random.Random(5).randbytes(64_000),
}


@pytest.mark.parametrize("kind", AUDIO)
def test_session_redactor_audio_stays(kind: str) -> None:
    audio, redactor = AUDIO[kind], _redactor()
    for size in (160, 640, 1600):
        for at in range(0, len(audio) - size, size):
            chunk = audio[at : at + size]
            encoded = base64.b64encode(chunk).decode()
            for frame in (
                FrameRecord(0, True, 2, chunk),
                FrameRecord(0, True, 1, encoded.encode()),
                FrameRecord(0, True, 1, json.dumps({"type": "a", "audio": encoded}).encode()),
                FrameRecord(0, False, 1, json.dumps({"delta": encoded, "n": at}).encode()),
                FrameRecord(0, False, 1, json.dumps({"media": {"payload": encoded}}).encode()),
            ):
                assert redactor(frame) == frame


SPOKEN = [
    "0123456789012345678901234567890123456789",
    "my number is 0123 4567 8901 2345 and the code is 60303ae22b998861bce3b28f33eec1be758a213c",
    "the key is under the mat, the password is swordfish and the pin: 4711",
    "token: international. A session key = c sharp minor",
    "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft",
    "see https://user@example.com/?token=abc and sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    'he said "api_key" : "abc" and <speak>hello</speak> &amp; 100%',
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
]


@pytest.mark.parametrize("spoken", SPOKEN)
@pytest.mark.parametrize("field", ["text", "transcript", "DisplayText", "utterance", "delta"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_session_redactor_speech_stays_as_the_catalog_names_its_field(
    spoken: str, field: str, ascii_only: bool
) -> None:
    for message in (
        {"type": "Speak", field: spoken},
        {"channel": {"alternatives": [{field: spoken + " é", "confidence": 0.98765432}]}},
    ):
        payload = json.dumps(message, ensure_ascii=ascii_only).encode()
        for side in (True, False):
            frame = FrameRecord(0, side, 1, payload)
            assert _redactor()(frame) == frame


def test_session_redactor_words_of_a_text_stay_beside_a_known_password_of_words() -> None:
    redactor = _redactor()
    words = (ROOT / "docs" / "trace-format.md").read_text().split()
    for at in range(0, len(words) - 20, 20):
        spoken = " ".join(words[at : at + 20])
        frame = FrameRecord(0, False, 1, json.dumps({"transcript": spoken}).encode())
        assert redactor(frame) == frame
