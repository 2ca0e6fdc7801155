"""Messages of audio are added in blocks: everything is as if each was added by itself."""

from __future__ import annotations

import random

import pytest

from wsproxy.audio.analyzer import AudioAnalyzer
from wsproxy.audio.encodings import AudioFormat
from wsproxy.audio.report import SECOND_HEADER
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import load
from wsproxy.session import Session
from wsproxy.session.audio_meter import AudioMeter
from wsproxy.trace import FrameRecord, Request, Response, Start

LOUD, QUIET = b"\x00\x40" * 400, b"\x01\x00" * 400
RIFF_HEADER = (
    b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0"
    b"data\xff\xff\xff\xff"
)


def deepgram(session: Session) -> Session:
    target = "/v1/listen?encoding=linear16&sample_rate=16000"
    session.add(Start(0, 1, "0" * 16, 0, provider="deepgram", api="listen"))
    session.add(Request(0, "GET", "wss", "api.deepgram.com", 443, target))
    session.add(Response(1, 101))
    return session


def audio(count: int) -> list[FrameRecord]:
    """Loud and quiet messages of 25 to 125 ms."""
    dice = random.Random(1)
    payloads = [dice.choice((LOUD, QUIET)) * dice.randint(1, 5) for _ in range(count)]
    return [
        FrameRecord(at * 10**7, True, 2, payload, wire_length=len(payload) + 8)
        for at, payload in enumerate(payloads, 1)
    ]


def add(meter: AudioMeter, frames: list[FrameRecord]) -> None:
    times, payloads = [frame.t_ns for frame in frames], [frame.payload for frame in frames]
    meter.add_binaries(times, payloads, list(map(len, payloads)))


def test_audio_meter_block_is_measured_as_its_messages() -> None:
    session = deepgram(Session.analyzing(load()))
    api = load().api("deepgram", "listen")
    together, singly = (AudioMeter(session, api, from_client=True) for _ in range(2))
    frames = audio(200)
    for frame in frames:
        add(singly, [frame])
        if singly.messages % 20 == 0:
            add(together, frames[singly.messages - 20 : singly.messages])
            assert together.speech == pytest.approx(singly.speech)
            assert together.seconds == pytest.approx(singly.seconds)
            assert together.speech_ns == singly.speech_ns
    assert singly.speech


def test_session_without_audio_keeps_the_same_messages_and_frames() -> None:
    full, bare = deepgram(Session()), deepgram(Session(with_audio=False))
    for frame in audio(100):
        full.add(frame)
        bare.add(frame)
    assert bare.binaries(from_client=True) == full.binaries(from_client=True)
    assert list(bare.frames()) == list(full.frames())
    assert full.audio.tracks(from_client=True)
    assert not bare.audio.tracks(from_client=True)


@pytest.mark.parametrize("place", [1000, 1001])
def test_audio_analyzer_header_at_any_place_of_a_block_is_found(place: int) -> None:
    sound = speech(2.0, 16_000)
    analyzer = AudioAnalyzer(AudioFormat("linear16", 16_000))
    data = sound[:place] + RIFF_HEADER + sound[place:]
    pieces = [data[at : at + 3200] for at in range(0, len(data), 3200)]
    analyzer.add_all(pieces, range(len(pieces)), range(0, len(pieces) * 10**8, 10**8))
    assert SECOND_HEADER in [fault.kind for fault in analyzer.report().faults]
