"""A format that is declared while messages of audio wait: each is counted once."""

from __future__ import annotations

import pytest

from sessions import APP, SERVER, Records, audio, opened, text_message
from speech_sessions import CATALOG
from wsproxy.session import Session
from wsproxy.trace import Start

CHUNK = b"\x10\x20" * 800  # 50 ms
DECLARES = {"type": "Begin", "turn_is_formatted": True, "sample_rate": 16_000}


def records(before: int, after: int) -> Records:
    sent = [audio(100 + 50 * n, APP, CHUNK) for n in range(before + after)]
    sent.insert(before, text_message(100 + 50 * before, SERVER, DECLARES))
    return [*opened("/v3/ws?sample_rate=16000"), *sent]


@pytest.mark.parametrize(("before", "after"), [(0, 60), (20, 60), (40, 200), (300, 300)])
def test_session_declaration_between_audio_messages_counts_each_once(
    before: int, after: int
) -> None:
    session = Session.analyzing(CATALOG)
    session.add(Start(0, 1, "0" * 16, 0, provider="assemblyai", api="streaming"))
    for record in records(before, after):
        session.add(record)
    (track,) = session.audio.tracks(from_client=True)
    assert session.timeline is not None
    assert track.messages == session.timeline.sent.messages == before + after
    assert track.signal(None).duration_s == pytest.approx((before + after) * 0.05)
    assert session.traffic.data[True].count == before + after
