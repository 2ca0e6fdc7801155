"""Rules about the samples of all of the audio."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from audio_rules import LISTEN, cut
from audio_samples import CATALOG, PCM, facts_of, stereo, wav
from planted_audio import base_speech
from wsproxy.diagnose.rules.signal import pace_is_explained, stereo_as_mono, wrong_rate
from wsproxy.diagnose.rules.timing import audio_too_fast
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.diagnose.wav_header import wav_header_fields
from wsproxy.session import Session
from wsproxy.session.track_signal import TrackSignal
from wsproxy.trace import FrameRecord, Request, Response, Start


def _live(rate: int, seconds: int = 12, chunk: int = 4096) -> SessionFacts:
    """A source that captures at this rate, where 16,000 Hz is declared."""
    session = Session()
    session.audio.analyzer_of = partial(TrackSignal, session, CATALOG)
    session.add(Start(0, 1, "0123456789abcdef", 0, provider="deepgram", api="listen"))
    session.add(
        Request(1, "GET", "wss", "h", 443, "/v1/listen?encoding=linear16&sample_rate=16000")
    )
    session.add(Response(2, 101))
    data = base_speech(rate)[: rate * seconds].astype(np.int16).tobytes()
    for number, at in enumerate(range(0, len(data), 2 * chunk)):
        part = data[at : at + 2 * chunk]
        t_ns = int((number + 1) * chunk / rate * 1e9)
        session.add(FrameRecord(t_ns, True, 2, part, wire_length=len(part) + 8))
    return SessionFacts(session, CATALOG)


def test_wrong_rate_explains_the_pace() -> None:
    facts = _live(48_000)
    found = wrong_rate(facts)
    assert found[0].text.startswith(
        "4096 samples every 85.3 ms are 48000 Hz; declared: 16000 Hz; that is why the audio seems "
        "to be sent at 3.0 times real time"
    )
    assert (found[0].frames, found[0].value, found[0].unit) == ((1,), 48_000.0, "Hz")
    assert pace_is_explained(facts)
    assert audio_too_fast(facts) == []


def test_wrong_rate_of_the_declared_rate_has_no_finding() -> None:
    facts = _live(16_000)
    assert wrong_rate(facts) == []
    assert not pace_is_explained(facts)


def test_stereo_as_mono_is_found() -> None:
    found = stereo_as_mono(facts_of(LISTEN, cut(stereo(PCM, PCM))))
    assert found[0].text.startswith("the samples of two channels alternate; declared: 1 channel")
    assert stereo_as_mono(facts_of(LISTEN, cut(PCM))) == []


@pytest.mark.parametrize(("offset", "name"), [(32, "BlockAlign is 4"), (28, "ByteRate is ")])
def test_wav_header_with_wrong_fields_is_found(offset: int, name: str) -> None:
    data = bytearray(wav(PCM))
    assert wav_header_fields(facts_of(LISTEN, cut(bytes(data)))) == []
    data[offset] = 4
    found = wav_header_fields(facts_of(LISTEN, cut(bytes(data))))
    assert name in found[0].text
