"""The formats that sessions declare, over time."""

from __future__ import annotations

import base64
import json

import pytest

from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import load
from wsproxy.session import Session
from wsproxy.session.format_timeline import encoding_and_rate, format_timeline
from wsproxy.trace import FrameRecord, Request, Response, Start

CATALOG = load()
PCM = speech(1, 16_000)
S = 10**9


def session_of(
    provider: str, api: str, path: str, messages: list[tuple[bool, bytes | dict[str, object]]]
) -> Session:
    session = Session()
    session.add(Start(0, 1, "0" * 16, 0, provider=provider or None, api=api or None))
    session.add(Request(1, "GET", "wss", "h", 443, path))
    session.add(Response(2, 101))
    for number, (from_client, content) in enumerate(messages, 1):
        is_text = isinstance(content, dict)
        payload = json.dumps(content).encode() if isinstance(content, dict) else content
        opcode = 1 if is_text else 2
        session.add(FrameRecord(number * S, from_client, opcode, payload, wire_length=9))
    return session


def formats(session: Session, *, from_client: bool) -> list[tuple[str, int, str]]:
    api = CATALOG.api(session.provider, session.api)
    track = next(iter(session.audio.tracks(from_client=from_client)), None)
    timeline = format_timeline(session, api, track, from_client=from_client)
    return [(d.source, d.frame, str(d.format)) for d in timeline.declarations]


def update(**value: object) -> dict[str, object]:
    return {"type": "session.update", "session": value}


PCM24K = ("default", 0, "pcm_s16le at 24000 Hz")
CASES = [
    ("deepgram", "listen", "/v1/listen?encoding=linear16&sample_rate=16000", [], True,
     [("query", 0, "linear16 at 16000 Hz")]),
    ("deepgram", "listen", "/v1/listen?model=nova-3", [], True, []),
    ("openai", "realtime", "/v1/realtime", [], True, [PCM24K]),
    ("openai", "realtime", "/v1/realtime", [(True, update(input_audio_format="g711_ulaw"))], True,
     [PCM24K, ("message", 1, "mulaw at 8000 Hz")]),
    ("openai", "realtime", "/v1/realtime", [(True, update(input_audio_format="g711_ulaw"))], False,
     [PCM24K]),
    ("openai", "realtime", "/v1/realtime",
     [(True, update(audio={"input": {"format": {"type": "audio/pcm", "rate": 24000}},
                           "output": {"format": {"type": "audio/pcma"}}}))], False,
     [PCM24K, ("message", 1, "alaw at 8000 Hz")]),
    ("gemini", "live", "/ws/x",
     [(True, {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000",
                                          "data": base64.b64encode(PCM[:3200]).decode()}}}),
      (True, {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=48000",
                                          "data": base64.b64encode(PCM[:3200]).decode()}}})], True,
     [("default", 0, "pcm_s16le"), ("media-type", 1, "pcm at 16000 Hz"),
      ("media-type", 2, "pcm at 48000 Hz")]),
    ("elevenlabs", "agent", "/v1/convai/conversation",
     [(False, {"type": "conversation_initiation_metadata",
               "conversation_initiation_metadata_event": {
                   "agent_output_audio_format": "pcm_24000",
                   "user_input_audio_format": "ulaw_8000"}})], True,
     [("message", 1, "mulaw at 8000 Hz")]),
    ("elevenlabs", "agent", "/v1/convai/conversation",
     [(False, {"type": "conversation_initiation_metadata",
               "conversation_initiation_metadata_event": {
                   "agent_output_audio_format": "pcm_24000",
                   "user_input_audio_format": "ulaw_8000"}})], False,
     [("message", 1, "pcm at 24000 Hz")]),
    ("elevenlabs", "tts", "/v1/stream-input?output_format=mp3_44100_128", [], False,
     [("query", 0, "mp3 at 44100 Hz")]),
    ("deepgram", "agent", "/v1/agent/converse",
     [(True, {"type": "Settings", "audio": {"input": {"encoding": "linear16", "sample_rate": 48000},
                                            "output": {"encoding": "mulaw", "sample_rate": 8000}},
              "agent": {"listen": {"provider": {"type": "deepgram", "model": "nova-3"}}}})], True,
     [("message", 1, "linear16 at 48000 Hz")]),
    ("soniox", "stt", "/transcribe-websocket",
     [(True, {"audio_format": "pcm_s16le", "sample_rate": 16000, "num_channels": 2})], True,
     [("message", 1, "pcm_s16le at 16000 Hz, 2 channels")]),
    ("cartesia", "tts", "/tts/websocket",
     [(True, {"transcript": "a", "output_format": {"container": "raw", "encoding": "pcm_f32le",
                                                   "sample_rate": 44100}})], False,
     [("message", 1, "pcm_f32le at 44100 Hz")]),
    ("", "", "/x?sampleRate=8000&codec=ulaw", [], True, [("query", 0, "ulaw at 8000 Hz")]),
    ("", "", "/twilio",
     [(True, {"event": "start", "start": {"mediaFormat": {"encoding": "audio/x-mulaw",
                                                          "sampleRate": 8000, "channels": 1}}})],
     True, [("message", 1, "mulaw at 8000 Hz")]),
    ("", "", "/x", [(True, {"type": "chat", "format": "markdown", "rate": "fast"})], True, []),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "api", "path", "messages", "from_client", "expected"), CASES)
def test_timeline_of_each_way_to_declare_a_format(
    provider: str,
    api: str,
    path: str,
    messages: list[tuple[bool, bytes | dict[str, object]]],
    from_client: bool,
    expected: list[tuple[str, int, str]],
) -> None:
    session = session_of(provider, api, path, messages)
    assert formats(session, from_client=from_client) == expected


def test_timeline_wav_header_declares_the_format() -> None:
    size = b"\xff\xff\xff\xff"
    fmt = b"fmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0"
    header = b"RIFF" + size + b"WAVE" + fmt + b"data" + size
    session = session_of("deepgram", "listen", "/v1/listen", [(True, header), (True, PCM)])
    assert formats(session, from_client=True) == [("header", 1, "linear16 at 16000 Hz")]


def test_timeline_seconds_count_each_byte_in_its_format() -> None:
    chunk: dict[str, object] = {
        "type": "input_audio_buffer.append",
        "audio": base64.b64encode(PCM[:4800]).decode(),
    }
    messages: list[tuple[bool, bytes | dict[str, object]]] = [
        (True, chunk),
        (True, chunk),
        (True, update(input_audio_format="g711_ulaw")),
        (True, chunk),
        (True, chunk),
    ]
    session = session_of("openai", "realtime", "/v1/realtime", messages)
    [track] = session.audio.tracks(from_client=True)
    timeline = format_timeline(session, CATALOG.api("openai", "realtime"), track, from_client=True)
    assert timeline.seconds(track) == pytest.approx(2 * 0.1 + 2 * 0.6)
    assert timeline.seconds(track, until_ns=2 * S) == pytest.approx(0.2)
    assert timeline.seconds(track, until_ns=4 * S) == pytest.approx(0.8)
    assert str(timeline.at(1 * S)) == "pcm_s16le at 24000 Hz"
    assert str(timeline.at(4 * S)) == "mulaw at 8000 Hz"


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("pcm_16000", ("pcm", 16_000)),
        ("ulaw_8000", ("mulaw", 8000)),
        ("audio/pcm;rate=24000", ("pcm", 24_000)),
        ("audio/L16; rate=16000; channels=1", ("linear16", 16_000)),
        ("audio/x-raw;layout=interleaved;rate=16000;format=s16le;channels=1",
         ("audio/x-raw;layout=interleaved;rate=16000;format=s16le;channels=1", 16_000)),
        ("", ("", 0)),
        ("not an <encoding>", ("", 0)),
    ],
)  # fmt: skip
def test_encoding_and_rate_of_names_and_media_types(
    declared: str, expected: tuple[str, int]
) -> None:
    assert encoding_and_rate(declared) == expected
