"""Audio that comes too slowly; pauses that may be meant do not count."""

from __future__ import annotations

import pytest

from audio_samples import mulaw
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import load
from wsproxy.diagnose import SessionFacts
from wsproxy.diagnose.rules.timing import audio_too_slow
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Request, Response, Start

CATALOG = load()
PATH = "/v1/listen?encoding=linear16&sample_rate=16000"
CHUNK = b"\x01\x02" * 1600  # 0.1 s


class Talk:
    """A session in which the app sends audio and keepalives; times in seconds."""

    def __init__(self) -> None:
        self._session = Session.analyzing(CATALOG)
        self._session.add(Start(0, 1, "0123456789abcdef", 0, provider="deepgram", api="listen"))
        self._session.add(Request(0, "GET", "wss", "h", 443, PATH))
        self._session.add(Response(0, 101))

    def audio(self, since: float, count: int, every: float = 0.1) -> Talk:
        for number in range(count):
            self._add(since + number * every, 2, CHUNK)
        return self

    def keepalives(self, since: float, until: float) -> Talk:
        """One every 3 s."""
        at = since + 3
        while at < until:
            self._add(at, 1, b'{"type": "KeepAlive"}')
            at += 3
        return self

    def close(self, at: float) -> SessionFacts:
        self._add(at, 8, b"\x03\xe8")
        return SessionFacts(self._session, CATALOG)

    def _add(self, at: float, opcode: int, payload: bytes) -> None:
        self._session.add(FrameRecord(int(at * 1e9), True, opcode, payload))


def test_audio_too_slow_one_keepalive_leaves_out_one_pause() -> None:
    talk = Talk().audio(0, 50, every=0.2).keepalives(10, 40).audio(40, 50, every=0.2)
    [evidence] = audio_too_slow(talk.close(50))
    assert evidence.value == pytest.approx(0.5, abs=0.02)
    assert "without the longest silence and the pauses with keepalives" in evidence.text


def test_audio_too_slow_long_pauses_with_keepalives_in_real_time_speech_are_meant() -> None:
    talk = Talk().audio(0, 100).keepalives(10, 70).audio(70, 100).keepalives(80, 200)
    # The longest of the pauses without keepalives may be meant as well.
    assert audio_too_slow(talk.audio(200, 100).audio(230, 100).close(240)) == []


def own_server(chunk: bytes, every: float, count: int = 60) -> SessionFacts:
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=None, api=None))
    session.add(Request(0, "GET", "ws", "h", 80, "/"))
    session.add(Response(0, 101))
    for number in range(count):
        session.add(FrameRecord(int(number * every * 1e9), True, 2, chunk))
    session.add(FrameRecord(int(count * every * 1e9), True, 8, b"\x03\xe8"))
    return SessionFacts(session, CATALOG)


def test_audio_too_slow_few_long_messages_are_enough() -> None:
    sound = mulaw(speech(1.0, 8000))
    assert audio_too_slow(own_server(sound, 2.0, 10))
    assert audio_too_slow(own_server(sound, 1.0, 10)) == []


def test_audio_too_slow_telephone_audio_needs_no_declaration() -> None:
    sound = mulaw(speech(0.1, 8000))
    [evidence] = audio_too_slow(own_server(sound, 0.5))
    assert evidence.value == pytest.approx(0.2, abs=0.01)
    assert audio_too_slow(own_server(sound, 0.1)) == []
    assert audio_too_slow(own_server(speech(0.1, 16_000), 0.5)) == []  # of any rate
