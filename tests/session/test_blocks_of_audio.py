"""Messages of audio are added in blocks: everything is as if each was added by itself."""

from __future__ import annotations

import random
from array import array

import msgpack
import pytest

from wsproxy.audio.analyzer import AudioAnalyzer
from wsproxy.audio.encodings import AudioFormat
from wsproxy.audio.report import SECOND_HEADER
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import load
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, FrameRun, Request, Response, Start
from wsproxy.trace.records import to_map
from wsproxy.trace.unpacker import Unpacker

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


def test_timeline_speech_at_a_message_is_that_of_the_audio_before_it() -> None:
    """Also where the message came before the audio was analyzed, and more audio came with it."""
    sound, quiet = speech(12.0, 16_000), bytes(32_000)
    end = len(sound) // 3200 * 3200
    chunks = [sound[at : at + 3200] for at in range(0, end, 3200)] + [quiet] + [sound[:32_000]] * 9
    session, short = (deepgram(Session.analyzing(load())) for _ in range(2))
    result = b'{"type":"Results","is_final":true,"channel":{"alternatives":[{"transcript":"a"}]}}'
    for at, chunk in enumerate(chunks, 1):
        frame = FrameRecord(at * 10**8, True, 2, chunk, wire_length=len(chunk) + 8)
        session.add(frame)
        if at <= 121:
            short.add(frame)
        if at == 121:
            session.add(FrameRecord(at * 10**8 + 1, False, 1, result, wire_length=len(result) + 4))
    timeline, until = session.timeline, short.timeline
    assert timeline is not None
    assert until is not None
    spoken, before = timeline.sent.speech, until.sent.speech
    assert spoken is not None
    assert before is not None
    assert timeline.speech_at_words == pytest.approx(before, abs=0.3)
    assert spoken > before + 5.0
    assert until.sent.speech_ns is not None
    assert timeline.latency.finalization == pytest.approx(
        12.1 - until.sent.speech_ns / 1e9, abs=0.2
    )


def grouped(size: int) -> Session:
    """A minute of speech and results, read from a trace in blocks with so many records."""
    session = deepgram(Session.analyzing(load()))
    # The level above which sound is speech depends on the room, which gets louder and quieter.
    dice, sound = random.Random(2), array("h", speech(60.0, 8000) * 2)
    levels = [dice.randint(1, 2000) for _ in range(len(sound) // 8000 + 1)]
    noise = array("h", (dice.randint(-1, 1) * levels[at // 8000] for at in range(len(sound))))
    data = array("h", (value // 16 + noise[at] for at, value in enumerate(sound))).tobytes()
    result = b'{"type":"Results","is_final":true,"channel":{"alternatives":[{"transcript":"a"}]}}'
    frames = []
    for number, at in enumerate(range(0, len(data) - 784, 784), 1):
        frames.append(FrameRecord(number * 10**7, True, 2, data[at : at + 784], wire_length=792))
        if number % 40 == 0 and number < 1300:
            frames.append(FrameRecord(number * 10**7 + 1, False, 1, result, wire_length=86))
    for at in range(0, len(frames), size):
        block = b"".join(msgpack.packb(to_map(frame)) for frame in frames[at : at + size])
        for each in Unpacker(block).with_runs():
            if isinstance(each, FrameRun):
                session.add_run(each)
            elif isinstance(each, FrameRecord):
                session.add(each)
    return session


@pytest.mark.sweep(keep=1)
@pytest.mark.one_python
@pytest.mark.parametrize("size", [7, 100, 250])
def test_timeline_speech_does_not_depend_on_where_records_are_grouped(size: int) -> None:
    alone, session = grouped(1), grouped(size)
    assert alone.timeline is not None
    assert session.timeline is not None
    assert session.timeline.sent.speech == alone.timeline.sent.speech
    assert session.timeline.speech_at_words == alone.timeline.speech_at_words > 0
    assert session.timeline.latency.finalization == alone.timeline.latency.finalization
    [track], [other] = (each.audio.tracks(from_client=True) for each in (session, alone))
    assert track.signal(None) == other.signal(None)


def test_timeline_speech_is_what_the_report_of_the_audio_says() -> None:
    session = deepgram(Session.analyzing(load()))
    sound = speech(20.0, 16_000)
    for at in range(0, len(sound), 3200):
        session.add(FrameRecord(at * 31_250, True, 2, sound[at : at + 3200], wire_length=3208))
    [track] = session.audio.tracks(from_client=True)
    assert session.timeline is not None
    assert session.timeline.sent.speech == track.signal(None).speech.seconds > 0


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
