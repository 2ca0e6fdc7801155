"""The turns of an agent, as the messages of several APIs begin and end them."""

from __future__ import annotations

import pytest

from agent_talks import GeminiTalk, Talk
from speech_sessions import SpeechSession
from wsproxy.session import Session
from wsproxy.session.agent_turns import AgentTurn

RAW = {"encoding": "linear16", "sample_rate": 16_000}


def turns_of(session: Session) -> list[AgentTurn]:
    assert session.timeline is not None
    return list(session.timeline.exchange.agent_turns)


def test_agent_turns_openai_each_response_is_one_with_its_audio_and_request() -> None:
    talk = Talk().user().answer(1.0).create().answer(2.0, voice="ash").create().answer(0.0)
    one, two, empty = turns_of(talk.answer(1.0, status="cancelled").close())[:3]
    assert [one.seconds, two.seconds, empty.seconds] == [1.0, 2.0, 0.0]
    assert one.request is None
    assert two.request is not None
    assert two.voice == "ash"
    assert [one.complete, empty.is_empty] == [True, True]


def test_agent_turns_openai_cancelled_response_is_not_complete() -> None:
    [turn] = turns_of(Talk().user().answer(1.0, status="cancelled").close())
    assert [turn.complete, turn.interrupted] == [False, False]


def test_agent_turns_gemini_interruption_and_end_are_of_one_turn() -> None:
    talk = GeminiTalk().user().audio().content(interrupted=True).content(turnComplete=True)
    one, two = turns_of(talk.user().answer().close())
    assert [one.interrupted, one.complete] == [True, False]
    assert [two.interrupted, two.complete] == [False, True]


def test_agent_turns_gemini_late_words_belong_to_the_turn_before() -> None:
    talk = GeminiTalk().user().answer().content(outputTranscription={"text": "Bye."})
    [turn] = turns_of(talk.close())
    assert turn.complete


def test_agent_turns_words_before_the_audio_begin_a_turn() -> None:
    talk = GeminiTalk().user().answer().user()
    talk.content(outputTranscription={"text": "It is"}).answer()
    one, two = turns_of(talk.close())
    assert one.messages == two.messages == 1


def test_agent_turns_elevenlabs_text_begins_one_and_its_audio_follows() -> None:
    session = SpeechSession("elevenlabs", "agent")
    for words in ("Hello.", "Goodbye."):
        event = {"agent_response": words}
        session.server({"type": "agent_response", "agent_response_event": event})
        for _ in range(2):
            session.server({"type": "audio", "audio_event": {"audio_base_64": "AAAA" * 400}})
    assert [turn.messages for turn in turns_of(session.close())] == [2, 2]


def test_agent_turns_without_known_ends_are_split_by_pauses() -> None:
    session = SpeechSession(None, None).server(bytes(3200), bytes(3200)).wait(1)
    session.server(bytes(3200)).wait(5).server(bytes(3200))
    assert [turn.messages for turn in turns_of(session.close())] == [3, 1]


def test_agent_turns_empty_end_is_no_answer_once_the_agent_has_spoken() -> None:
    first = GeminiTalk().user().content(turnComplete=True).close()
    later = GeminiTalk().user().answer().user().content(turnComplete=True).close()
    assert first.timeline is not None
    assert later.timeline is not None
    [turn] = turns_of(first)
    assert first.timeline.exchange.agent_turns.last_frame == turn.frame
    one, two = turns_of(later)
    assert one.end is not None
    assert later.timeline.exchange.agent_turns.last_frame == one.end.frame < two.frame


def test_agent_turns_deepgram_binary_audio_is_counted_in_blocks() -> None:
    session = SpeechSession("deepgram", "agent")
    session.app({"type": "Settings", "audio": {"input": RAW, "output": RAW}})
    session.server(bytes(3200), bytes(3200), {"type": "AgentAudioDone"}, bytes(6400))
    assert [turn.seconds for turn in turns_of(session.close())] == [0.2, 0.2]


def test_agent_turns_longest_gap_is_what_a_player_waits_in_one_turn() -> None:
    talk = GeminiTalk().user().audio(1.0).quiet(0.5).audio(1.0).quiet(3.0).answer().quiet(4)
    one, two = turns_of(talk.user().answer().close())
    assert one.longest_gap[0] == pytest.approx(1.5, abs=0.2)
    assert two.longest_gap[0] == 0.0
