"""Rules about texts for an agent, each with near misses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from speech_sessions import CATALOG, GEMINI_AUDIO, SpeechSession
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.rules import user_texts
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session


def gemini_texts(*complete: bool | None, pause: float = 0.1, interrupted: bool = True) -> Session:
    """Texts that complete the turn of the user or not, and what the agent makes of them."""
    session = SpeechSession("gemini", "live").server({"setupComplete": {}})
    for each in complete:
        said = {"turns": [{"role": "user", "parts": [{"text": "Hello"}]}]}
        content = said if each is None else said | {"turnComplete": each}
        session.app({"clientContent": content}).wait(pause)
    if interrupted:
        session.server({"serverContent": {"interrupted": True}})
    return session.server({"serverContent": {"turnComplete": True}}).wait(1).close()


def spoken_after(complete: bool) -> Session:
    """A text, and then speech that gets no answer."""
    said = {"turns": [{"role": "user", "parts": [{"text": "Hello"}]}], "turnComplete": complete}
    session = SpeechSession("gemini", "live").server({"setupComplete": {}})
    session.app({"clientContent": said}).speak(3, template=GEMINI_AUDIO)
    return session.speak(5, quiet=True, template=GEMINI_AUDIO).close()


CASES: list[tuple[Any, Callable[[], Session], str, list[Callable[[], Session]]]] = [
    (
        user_texts.text_left_open,
        lambda: gemini_texts(True, False),
        "the text in frame 3 is without turnComplete, and none followed with it",
        [lambda: gemini_texts(False, True), lambda: gemini_texts(True)],
    ),
    (
        user_texts.text_left_open,
        lambda: gemini_texts(None),
        "the text in frame 2 is without turnComplete",
        [lambda: gemini_texts(None, True)],
    ),
    (
        user_texts.texts_overlap,
        lambda: gemini_texts(True, True),
        "frames 2 and 3 both have turnComplete, 0.10 s apart; the answer was interrupted in frame",
        [
            lambda: gemini_texts(False, True),
            lambda: gemini_texts(True, True, pause=2.0),
            lambda: gemini_texts(True, True, interrupted=False),
        ],
    ),
]


@pytest.mark.parametrize("rule, broken, text", [row[:3] for row in CASES])
def test_user_text_rules_broken_session_is_reported(
    rule: Any, broken: Callable[[], Session], text: str
) -> None:
    [evidence] = rule(SessionFacts(broken(), CATALOG))
    assert text in evidence.text


@pytest.mark.parametrize("rule, near", [(row[0], near) for row in CASES for near in row[3]])
def test_user_text_rules_near_miss_is_not_reported(rule: Any, near: Callable[[], Session]) -> None:
    assert rule(SessionFacts(near(), CATALOG)) == []


def test_user_text_rules_are_all_tested() -> None:
    assert {row[0] for row in CASES} == set(user_texts.RULES)


@pytest.mark.parametrize("complete", [False, True])
def test_silent_agent_after_an_open_text_names_it_as_the_cause(complete: bool) -> None:
    finding = diagnose(spoken_after(complete), CATALOG)[0]
    assert finding.id == "traffic.outcome.agent-silent"
    assert any("turnComplete" in cause for cause in finding.seen) is not complete
