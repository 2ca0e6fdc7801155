"""A session with a source that captures at another sample rate than declared."""

from __future__ import annotations

import numpy as np

from planted_audio import BASE_RATE, base_speech
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import load
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Request, Response, Start

CATALOG = load()


def live(rate: int, seconds: int = 12, chunk: int = 4096) -> SessionFacts:
    """A source that captures at this rate, where 16,000 Hz is declared."""
    session = Session.analyzing(CATALOG)
    session.add(Start(0, 1, "0123456789abcdef", 0, provider="deepgram", api="listen"))
    session.add(
        Request(1, "GET", "wss", "h", 443, "/v1/listen?encoding=linear16&sample_rate=16000")
    )
    session.add(Response(2, 101))
    data = _begin(rate, seconds)
    for number, at in enumerate(range(0, len(data), 2 * chunk)):
        part = data[at : at + 2 * chunk]
        t_ns = int((number + 1) * chunk / rate * 1e9)
        session.add(FrameRecord(t_ns, True, 2, part, wire_length=len(part) + 8))
    return SessionFacts(session, CATALOG)


def _begin(rate: int, seconds: int) -> bytes:
    """The first seconds of `base_speech`, which takes longer to make."""
    if rate <= BASE_RATE:
        return speech(seconds, rate)
    return base_speech(rate)[: rate * seconds].astype(np.int16).tobytes()
