"""What an agent does again, and answers that came late."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from agent_talks import GeminiTalk, Talk
from speech_sessions import CATALOG, spoken
from wsproxy.diagnose.rules import agent_repeats, exchange, likely_causes, signal
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session

Build = Callable[[], Session]
SENTENCE = "I have put it into your calendar for Monday."


def calls(*arguments: str, says: int = 0) -> Session:
    """The agent calls a function with each of these; it may speak before one of them."""
    talk = Talk().user()
    for number, each in enumerate(arguments, 1):
        if number == says:
            talk.answer(1.0, "One moment.")
        item = {"type": "function_call", "call_id": f"c{number}", "name": "look"}
        talk.server({"type": "response.output_item.done", "item": {**item, "arguments": each}})
        result = {"type": "function_call_output", "call_id": f"c{number}", "output": "1"}
        talk.wait(0.2).app({"type": "conversation.item.create", "item": result})
        talk.create()
    return talk.answer(1.0, "It is done.").close()


def at_once(count: int) -> Session:
    """As many calls in one answer, and the answers to them after that."""
    talk = Talk().user()
    for number in range(count):
        item = {"type": "function_call", "call_id": f"c{number}", "name": "look"}
        talk.server({"type": "response.output_item.done", "item": {**item, "arguments": "{}"}})
    for number in range(count):
        result = {"type": "function_call_output", "call_id": f"c{number}", "output": "1"}
        talk.app({"type": "conversation.item.create", "item": result})
    return talk.create().answer(1.0, "It is done.").close()


def words(*texts: str, apart: float = 0.5, user: bool = False) -> Session:
    """Answers of the agent, so many seconds apart; the user may speak between them."""
    talk = Talk().user().heard("When is it?")
    for number, text in enumerate(texts):
        if number:
            talk.quiet(apart)
        if number and user:
            talk.user().heard("Say that again.")
        if number and not user:
            talk.create()
        talk.answer(2.0, text).quiet(2.5)
    return talk.close()


def in_one_turn(*texts: str) -> Session:
    talk = GeminiTalk().user()
    for text in texts:
        talk.audio().content(outputTranscription={"text": text}).quiet(7.0)
    return talk.content(turnComplete=True).close()


def waits(*seconds: float, asked: bool = False, muted: bool = False) -> Session:
    """Answers that begin so long after the user's speech."""
    talk = Talk()
    for wait in seconds:
        talk.user(1.5, 0.6 if muted else wait)
        if muted:
            talk.wait(wait)
        if asked:
            talk.create()
        talk.answer(1.0, "Yes.").quiet(2.0)
    return talk.close()


def late_audio(status: str = "completed", after: float = 0.1) -> Session:
    """Audio comes after the end of an answer."""
    talk = Talk().user().answer(1.0, "Yes.", status)
    talk.wait(after)
    delta = base64.b64encode(spoken(0.4)).decode()
    talk.server({"type": "response.output_audio.delta", "delta": delta})
    return talk.quiet(2.0).close()


def found(session: Session) -> list[str]:
    """The evidence of each rule that found something, after the rule's name."""
    facts = SessionFacts(session, CATALOG)
    return [f"{rule.__name__}: {each.text}" for rule in agent_repeats.RULES for each in rule(facts)]


@pytest.mark.parametrize(
    ("session", "text"),
    [
        (lambda: calls(*["{}"] * 4), "calls_repeated: look was called 4 times in a row with the"),
        (lambda: calls(*"123456"), "calls_repeated: look was called 6 times in a row, up to frame"),
        (lambda: words(SENTENCE, SENTENCE), f"said_again: the agent said {SENTENCE[:-1]} (frame"),
        (lambda: in_one_turn(SENTENCE, SENTENCE), "and said it again 7.0 s later"),
        (late_audio, "audio_after_end: frame"),
        (lambda: waits(0.5, 0.6, 12.0), "answered_late: 1 of 3 answers began 10 s or more after"),
    ],
    ids=["same arguments", "other arguments", "two turns", "one turn", "after the end", "late"],
)
def test_what_is_done_again_or_late_is_found(session: Build, text: str) -> None:
    [shown] = found(session())

    assert text in shown


@pytest.mark.parametrize(
    "session",
    [
        lambda: calls("{}", "{}", "{}"),
        lambda: calls(*"12345"),
        lambda: calls(*["{}"] * 5, says=4),
        lambda: at_once(6),
        lambda: words(SENTENCE, "It is on Monday, at ten."),
        lambda: words(SENTENCE, SENTENCE, user=True),
        lambda: words(SENTENCE, SENTENCE, apart=6.0),
        lambda: words("Are you there?", "Are you there?"),
        lambda: late_audio("cancelled"),
        lambda: late_audio(after=3.0),
        lambda: waits(0.5, 0.6, 4.0),
        lambda: waits(0.5, 12.0, 12.0),
        lambda: waits(0.5, 0.6, 12.0, asked=True),
        lambda: waits(0.5, 0.6, 12.0, muted=True),
    ],
    ids=[
        "three calls",
        "five calls",
        "spoke between calls",
        "calls at once",
        "other sentence",
        "user asked again",
        "asked again after silence",
        "short",
        "cancelled",
        "another answer",
        "soon",
        "always late",
        "app requests",
        "no audio",
    ],
)
def test_what_is_usual_is_not_found(session: Build) -> None:
    assert found(session()) == []


def listening(until_end: float) -> Session:
    """The user is muted while the agent speaks, and after it so many seconds."""
    talk = Talk().user().quiet(14.0)
    return talk.answer(4.0, "Here is what I found.").quiet(until_end).close()


def test_silence_of_a_user_who_listens_is_not_a_source_that_stopped() -> None:
    assert signal.silent_to_end(SessionFacts(listening(8.0), CATALOG)) == []


def test_silence_long_after_the_last_answer_is_a_source_that_stopped() -> None:
    assert signal.silent_to_end(SessionFacts(listening(22.0), CATALOG)) != []


@pytest.mark.parametrize(("silence", "is_soon"), [(0.6, True), (8.0, False)])
def test_app_that_waited_in_silence_has_not_left_soon(silence: float, is_soon: bool) -> None:
    session = Talk().user(1.5, silence).close()

    assert bool(likely_causes.left_soon(SessionFacts(session, CATALOG))) is is_soon


def test_request_into_an_answer_is_unanswered_where_no_other_answer_follows() -> None:
    talk = GeminiTalk().user().audio(2.0)
    talk.app({"clientContent": {"turns": [], "turnComplete": True}})
    session = talk.audio(1.0).content(turnComplete=True).quiet(11.0).close()

    [evidence] = exchange.user_text_unanswered(SessionFacts(session, CATALOG))
    assert "11.0 s after the end of another answer" in evidence.text


def test_request_into_an_answer_is_answered_by_the_next_one() -> None:
    talk = GeminiTalk().user().audio(2.0)
    talk.app({"clientContent": {"turns": [], "turnComplete": True}})
    session = talk.audio(1.0).content(turnComplete=True).answer().quiet(11.0).close()

    assert exchange.user_text_unanswered(SessionFacts(session, CATALOG)) == []
