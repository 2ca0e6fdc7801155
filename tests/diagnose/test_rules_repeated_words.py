"""Words that come twice, of noise, or not at all; speech that is too short for its text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from speech_sessions import CATALOG, SpeechSession, dg_result, spoken
from wsproxy.diagnose.rules import odd_words, text_pieces, words
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session

Build = Callable[[], Session]
LONG = "The parcel that you sent last week has not arrived yet, and nobody knows where it is. " * 4
SPEAK = "/v1/speak?encoding=linear16&sample_rate=24000"


def answers(*texts: str, between: float = 0.0, **fields: Any) -> Session:
    """A server of one's own sends these; the app sends audio in between, or none."""
    talk = SpeechSession(None, None, "/asr?language=en").app({"sample_rate": 16000})
    talk.speak(4)
    for number, text in enumerate(texts):
        if number and between:
            talk.speak(between)
        talk.server({"text": text} | ({"number": number} if fields else {})).wait(0.1)
    return talk.close()


def noisy(text: str, level: float = 300.0, *, speech: bool = False) -> Session:
    talk = SpeechSession("deepgram", "listen", "/v1/listen?encoding=linear16&sample_rate=16000")
    room = np.random.default_rng(3).normal(0, level, 128_000)
    said = np.frombuffer(spoken(8), "<i2") if speech else 0
    data = (room + said).clip(-32768, 32767).astype("<i2").tobytes()
    for at in range(0, len(data), 3200):
        talk.app(data[at : at + 3200]).wait(0.099)
    result = {"transcript": text, "words": []}
    content = {"type": "Results", "is_final": True, "start": 0.0, "duration": 8.0}
    return talk.server(content | {"channel": {"alternatives": [result]}}).close()


def speech(
    seconds: float,
    text: str = LONG,
    query: str = "",
    *,
    flushed: bool = True,
    cleared: bool = False,
) -> Session:
    talk = SpeechSession("deepgram", "speak", SPEAK + query)
    talk.app(
        {"type": "Speak", "text": text},
    ).app({"type": "Flush"})
    talk.server(spoken(seconds, 24_000)).wait(0.5)
    if flushed:
        talk.server({"type": "Flushed", "sequence_id": 0})
    if cleared:
        talk.app({"type": "Clear"}).server({"type": "Cleared", "sequence_id": 1})
    return talk.app({"type": "Close"}).wait(0.1).close()


def after_others(*last: str) -> Session:
    """A sentence with its final result, and then an answer of one word."""
    talk = SpeechSession("deepgram", "listen", "/v1/listen?encoding=linear16&sample_rate=16000")
    talk.speak(2).server(dg_result("good morning", duration=2.0)).speak(2)
    talk.server(dg_result("yes", final=False, start=2.2, duration=1.6), *last)
    return talk.close()


SENTENCE, OTHER = "It responds twice when I ask.", "I do not know why that is."
CASES: list[tuple[Callable[..., list[Any]], Build, str, list[Build]]] = [
    (
        odd_words.results_twice,
        lambda: answers(SENTENCE, SENTENCE, OTHER, OTHER),
        "each of 2 messages with words came twice",
        [
            lambda: answers(SENTENCE, OTHER),
            lambda: answers(SENTENCE, SENTENCE, SENTENCE),
            lambda: answers(SENTENCE, SENTENCE, OTHER),
            lambda: answers(SENTENCE, SENTENCE, between=2.0),
            lambda: answers(SENTENCE, SENTENCE, numbered=True),
            lambda: answers("No.", "No."),
        ],
    ),
    (
        odd_words.words_of_noise,
        lambda: noisy("thanks for watching"),
        "in which nothing rises above the background",
        [
            lambda: noisy("thanks for watching", speech=True),
            lambda: noisy(""),
            lambda: noisy("thanks for watching", level=0.0),
        ],
    ),
    (
        words.words_dropped,
        lambda: after_others(dg_result("", start=2.0, duration=2.0)),
        "the interim result in frame 42 has yes, and the final one in frame 43 is empty",
        [
            lambda: after_others(dg_result("Yes.", start=2.0, duration=2.0)),
            lambda: after_others(
                dg_result("", start=2.0, duration=0.2), dg_result("Yes.", start=2.2, duration=1.8)
            ),
            lambda: after_others(),
        ],
    ),
    (
        text_pieces.speech_too_short,
        lambda: speech(4.0),
        "people speak up to 20",
        [
            lambda: speech(18.0),
            lambda: speech(4.0, flushed=False),
            lambda: speech(1.0, "Good morning."),
            lambda: speech(4.0, query="&speed=3"),
            lambda: speech(4.0, cleared=True),
        ],
    ),
]


@pytest.mark.parametrize("rule, build, text, near", CASES, ids=lambda each: "")
def test_rule_finds_its_case_and_no_near_miss(
    rule: Callable[..., list[Any]], build: Build, text: str, near: list[Build]
) -> None:
    assert [text in each.text for each in rule(SessionFacts(build(), CATALOG))] == [True]
    assert [rule(SessionFacts(each(), CATALOG)) for each in near] == [[]] * len(near)
