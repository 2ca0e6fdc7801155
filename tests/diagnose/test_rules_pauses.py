"""Pauses of the app, which the pace of its audio leaves out where they may be meant."""

from __future__ import annotations

import pytest

from test_rules import Talk, say
from wsproxy.diagnose.rules.timing import audio_too_slow


def kept_open(talk: Talk, since: float, until: float) -> Talk:
    """A pause with a keepalive every 3 s."""
    at = since + 3
    while at < until:
        talk.app(at, say(type="KeepAlive"))
        at += 3
    return talk


def test_audio_too_slow_one_keepalive_leaves_out_one_pause() -> None:
    talk = kept_open(Talk().audio(0, 50, every=0.2), 10, 40).audio(40, 50, every=0.2)
    [evidence] = audio_too_slow(talk.close(50))
    assert evidence.value == pytest.approx(0.5, abs=0.02)
    assert "without the longest silence and the pauses with keepalives" in evidence.text


def test_audio_too_slow_long_pauses_with_keepalives_in_real_time_speech_are_meant() -> None:
    talk = kept_open(Talk().audio(0, 100), 10, 70).audio(70, 100)
    kept_open(talk, 80, 200).audio(200, 100)
    # The longest of the pauses without keepalives may be meant as well.
    assert audio_too_slow(talk.audio(230, 100).close(240)) == []
