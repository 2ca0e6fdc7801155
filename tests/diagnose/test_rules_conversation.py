"""Rules about the flow of a conversation with an agent, each with near misses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agent_talks import GeminiTalk, Talk
from speech_sessions import CATALOG
from wsproxy.diagnose.rules import conversation
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session

Build = Callable[[], Session]
HELLO = {"clientContent": {"turns": [], "turnComplete": True}}
SENTENCE = "It is in Hasselt. It will be with you on the"


def nobody(*messages: Any, seconds: float = 9.0, ready: bool = True) -> Session:
    talk = GeminiTalk(ready=ready)
    for message in messages:
        talk.app(message)
    return talk.quiet(seconds).close()


def interrupted(*, later: bool = False) -> Session:
    talk = GeminiTalk().user().audio(3.0).user(1.0).content(interrupted=True)
    talk.content(turnComplete=True)
    if later:
        talk.user().answer()
    return talk.quiet(6).close()


def two_answers(*, gap: float = 0.1, spoken: bool = False, added: bool = False) -> Session:
    talk = Talk().user().answer()
    talk.wait(gap)
    if spoken:
        talk.user(1.0, 0.0)
    if added:
        item = {"type": "message", "role": "user", "content": []}
        talk.app({"type": "conversation.item.create", "item": item})
    return talk.create().answer().quiet(2).close()


def pauses(pause: float, times: int = 2) -> Session:
    talk = GeminiTalk()
    for _ in range(times):
        talk.user(1.2, pause - 0.2).audio(0.4).quiet(0.2)
        talk.user(1.0, 0.0).content(interrupted=True)
        talk.quiet(0.8).answer().quiet(2.5)
    return talk.close()


def ends_with(words: str, status: str = "completed") -> Session:
    return Talk().user().answer(2.0, words, status).quiet(3).close()


def speaks_into(
    *, after: float = 1.0, truncated: bool = False, seconds: float = 8.0, next_after: float = 0.3
) -> Session:
    talk = Talk().user().answer(seconds).quiet(after).user(1.0)
    if truncated:
        talk.app({"type": "conversation.item.truncate", "item_id": "i", "audio_end_ms": 900})
    return talk.quiet(next_after).answer().quiet(2).close()


def truncated(after: float) -> Session:
    talk = Talk().user().answer(1.0).quiet(after)
    talk.app({"type": "conversation.item.truncate", "item_id": "i", "audio_end_ms": 900})
    return talk.user().answer().close()


def called(after: float, *, speaks: bool = False) -> Session:
    talk = Talk().user()
    if not speaks:
        return talk.call(after).answer().close()
    item = {"type": "function_call", "call_id": "c", "name": "look"}
    talk.server({"type": "response.output_item.done", "item": item}).wait(1)
    talk.answer().wait(after)
    result = {"type": "function_call_output", "call_id": "c", "output": "1"}
    talk.app({"type": "conversation.item.create", "item": result})
    return talk.create().answer().close()


def transcripts(*heard: str) -> Session:
    said = ("Hello, this is the parcel service.", "How can I help you with it?", "Thank you.")
    talk = Talk().answer(1.0, said[0])
    for text, answer in zip(heard, said[1:], strict=False):
        talk.user(1.0).heard(text).answer(1.0, answer)
    return talk.close()


def tokens(*counts: int, asked: bool = False) -> Session:
    talk = GeminiTalk({"contextWindowCompression": {"slidingWindow": {}}} if asked else None)
    for count in counts:
        talk.user().answer(tokens=count)
    return talk.close()


def empty(*, asked: bool = True, spoken: bool = True, wait: float = 8.0) -> Session:
    talk = GeminiTalk()
    if spoken:
        talk.user().answer().quiet(2)
    if asked:
        talk.user()
    return talk.content(turnComplete=True).quiet(wait).close()


def bursts(gap: float, *, times: int = 2) -> Session:
    """Answers whose second half comes some seconds after the first one has been played."""
    talk = GeminiTalk()
    for _ in range(times):
        talk.user().audio(1.0).quiet(1.0 + gap).answer().quiet(2)
    return talk.close()


def stutters(gap: float, seconds: float = 0.6) -> Session:
    """An answer in ten pieces, with a short gap before each."""
    talk = GeminiTalk().user()
    for _ in range(10):
        talk.audio(seconds).quiet(seconds + gap)
    return talk.answer().quiet(2).close()


def noise(times: int = 3, *, loud: bool = False, words: str = "") -> Session:
    talk = Talk()
    for _ in range(times):
        talk.user(0.5) if loud else talk.quiet(1.0)
        talk.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0})
        if words:
            talk.heard(words)
        talk.answer().quiet(2)
    return talk.close()


# (rule, faulty session, part of the evidence, near misses)
CASES: list[tuple[Any, Build, str, list[Build]]] = [
    (
        conversation.nobody_began,
        nobody,
        "the agent said nothing, the app sent no text",
        [
            lambda: nobody(seconds=5.0),
            lambda: nobody(HELLO),
            lambda: nobody(ready=False),
            lambda: GeminiTalk().user().quiet(8).close(),
            lambda: GeminiTalk().quiet(5).answer().quiet(5).close(),
        ],
    ),
    (
        conversation.silent_since_interruption,
        interrupted,
        "its last turn was interrupted in frame",
        [lambda: interrupted(later=True), lambda: GeminiTalk().user().answer().close()],
    ),
    (
        conversation.answered_twice,
        two_answers,
        "an answer that the service had begun by itself",
        [
            lambda: two_answers(gap=2.0),
            lambda: two_answers(spoken=True),
            lambda: two_answers(added=True),
            lambda: Talk().user().create().answer().create().answer().close(),
            lambda: Talk().user().call(0.1).answer().close(),
        ],
    ),
    (
        conversation.answered_in_pause,
        lambda: pauses(1.0),
        "in a pause of the user of at most",
        [lambda: pauses(3.0), lambda: pauses(1.0, times=1)],
    ),
    (
        conversation.answer_cut_short,
        lambda: ends_with(SENTENCE),
        "are the last words of an answer",
        [
            lambda: ends_with(f"{SENTENCE} third."),
            lambda: ends_with("It will be with you on the"),  # perhaps none of them has full stops
            lambda: ends_with("Good morning. Take care"),
            lambda: ends_with("Good morning. Here are the numbers: four, two, 7"),
            lambda: ends_with(SENTENCE, "cancelled"),
        ],
    ),
    (
        conversation.empty_turn,
        empty,
        "and is empty: no audio came in the",
        [
            lambda: empty(wait=2.0),
            lambda: empty(asked=False),
            lambda: empty(spoken=False),
            lambda: GeminiTalk().user().answer().user().answer().quiet(8).close(),
        ],
    ),
    (
        conversation.playback_ran_out,
        lambda: bursts(1.0),
        "2 answers had a gap",
        [lambda: bursts(0.3), lambda: bursts(-0.5), lambda: bursts(1.0, times=1)],
    ),
    (
        conversation.playback_ran_out,
        lambda: bursts(3.0, times=1),
        "and waited up to 3.",
        [],
    ),
    (
        conversation.playback_ran_out,
        lambda: stutters(0.4),
        "had gaps: a player had played all that had come, and waited 4.",
        [
            lambda: stutters(0.1),
            lambda: stutters(-0.2),
            lambda: stutters(0.25, 1.9),  # a tenth of the time
            lambda: stutters(1.0),  # each may be the pause before the next answer
        ],
    ),
    (
        conversation.noise_is_speech,
        noise,
        "the service reported 3 times that speech began",
        [lambda: noise(1), lambda: noise(loud=True), lambda: noise(words="Good morning.")],
    ),
    (
        conversation.not_truncated,
        speaks_into,
        "of it were not heard, and no conversation.item.truncate was sent",
        [
            lambda: speaks_into(truncated=True),
            lambda: speaks_into(seconds=1.2),
            lambda: speaks_into(next_after=8.0),  # it may have been played to its end
            lambda: Talk().user().answer(8.0).quiet(9).user().answer().close(),
        ],
    ),
    (
        conversation.truncated_late,
        lambda: truncated(6.0),
        "which had been played by then",
        [lambda: truncated(0.5), lambda: truncated(3.0)],
    ),
    (
        conversation.call_answered_late,
        lambda: called(18.0),
        "the function call of look",
        [lambda: called(12.0), lambda: called(18.0, speaks=True)],
    ),
    (
        conversation.hears_its_own_words,
        lambda: transcripts("hello this is the parcel service", "How can I help you with it?"),
        "2 of 2 transcripts of the user",
        [
            lambda: transcripts("I am looking for a parcel.", "It is number four two."),
            lambda: transcripts("hello this is the parcel service"),
            lambda: transcripts("Hello.", "Thank you."),
        ],
    ),
    (
        conversation.context_shrank,
        lambda: tokens(900, 1400, 300),
        "that of the answer before it had 1400",
        [
            lambda: tokens(900, 1400, 1100),
            lambda: tokens(200, 300, 60),
            lambda: tokens(900, 1400, 300, asked=True),
        ],
    ),
]


@pytest.mark.parametrize(
    "rule, broken, text",
    [row[:3] for row in CASES],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_conversation_rules_broken_session_is_reported(rule: Any, broken: Build, text: str) -> None:
    [evidence] = rule(SessionFacts(broken(), CATALOG))
    assert text in evidence.text


@pytest.mark.parametrize("rule, near", [(row[0], near) for row in CASES for near in row[3]])
def test_conversation_rules_near_miss_is_not_reported(rule: Any, near: Build) -> None:
    assert rule(SessionFacts(near(), CATALOG)) == []


def test_conversation_rules_each_have_a_case() -> None:
    assert {row[0] for row in CASES} == set(conversation.RULES)
