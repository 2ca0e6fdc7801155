"""What an app sends around the speech: nothing, or silence at once, each with near misses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from speech_sessions import CATALOG, SpeechSession, spoken
from wsproxy.diagnose.rules import quiet_source, timing
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session

LISTEN = "/v1/listen?encoding=linear16&sample_rate=16000"
Build = Callable[[], Session]


def listen() -> SpeechSession:
    return SpeechSession("deepgram", "listen", LISTEN)


def burst(session: SpeechSession, seconds: float, *, at_once: bool) -> None:
    """Digital silence, in messages of 20 ms."""
    for _ in range(round(seconds / 0.02)):
        session.app(bytes(640)).wait(0.0 if at_once else 0.019)


def pieces(count: int, *, at_once: bool = True, silence: float = 1.0) -> Session:
    """Pieces of speech, each but the last with silence behind it."""
    session = listen()
    for number in range(count):
        session.speak(1)
        if number + 1 < count:
            burst(session, silence, at_once=at_once)
    return session.wait(5).close()


def stretches(count: int, pause: float, *, wait: float = 0.0, answers: bool = False) -> Session:
    session = SpeechSession(None, None).app({"sample_rate": 16000, "encoding": "linear16"})
    for _ in range(count):
        for at in range(0, 64_000, 3200):
            session.app(spoken(2)[at : at + 3200]).wait(0.099 + wait)
        if answers:
            session.server(spoken(1))
        session.wait(pause)
    return session.close()


def ended(silence: float, *, at_once: bool) -> Session:
    """One sentence, silence behind it, and a wait."""
    session = listen().speak(2)
    burst(session, silence, at_once=at_once)
    return session.wait(8).close()


CASES: list[tuple[Callable[..., object], Build, str, list[Build]]] = [
    (
        quiet_source.silence_in_bursts,
        lambda: pieces(5),
        "4 times, digital silence was sent at once between pieces of the speech",
        [
            lambda: pieces(5, at_once=False),
            lambda: pieces(3),
            lambda: pieces(5, silence=0.2),
        ],
    ),
    (
        quiet_source.sent_in_stretches,
        lambda: stretches(4, 4.0),
        "the audio came in 4 stretches, each in real time",
        [
            lambda: stretches(4, 1.0),
            lambda: stretches(2, 4.0),
            lambda: stretches(4, 4.0, wait=0.1),
            lambda: stretches(4, 4.0, answers=True),
        ],
    ),
    (
        quiet_source.silence_withheld,
        lambda: ended(0.3, at_once=False),
        "before the end",
        [lambda: ended(2.0, at_once=False), lambda: ended(2.0, at_once=True)],
    ),
]


@pytest.mark.parametrize("rule, build, text, near", CASES, ids=lambda each: "")
def test_rule_finds_its_case_and_no_near_miss(
    rule: Callable[..., list[object]], build: Build, text: str, near: list[Build]
) -> None:
    found = rule(SessionFacts(build(), CATALOG))

    assert [text in each.text for each in found] == [True]  # type: ignore[attr-defined]
    assert [rule(SessionFacts(each(), CATALOG)) for each in near] == [[]] * len(near)


def test_pace_of_audio_in_stretches_is_not_called_too_slow_a_source() -> None:
    found = timing.audio_too_slow(SessionFacts(stretches(4, 4.0), CATALOG))

    assert "times real time" in found[0].text
    assert "the source is too slow" not in found[0].text


def test_pace_of_audio_that_lags_is_called_too_slow_a_source() -> None:
    found = timing.audio_too_slow(SessionFacts(stretches(4, 0.0, wait=0.1), CATALOG))

    assert "the source is too slow" in found[0].text
