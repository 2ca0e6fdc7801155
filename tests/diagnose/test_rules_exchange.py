"""Rules about messages that belong together, each with a near miss."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from speech_sessions import CATALOG, GEMINI_AUDIO, SpeechSession, cartesia_chunk, spoken
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.outcome import outcome
from wsproxy.diagnose.rules import exchange, messages
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session

Json = dict[str, Any]
Build = Callable[[], Session]

CALL = {"id": "call-1", "name": "get_weather", "args": {}}
STREAM = "/v1/text-to-speech/v/stream-input?model_id=m"


# -- texts to speak


def elevenlabs(*texts: Json, path: str = STREAM, api: str = "tts") -> SpeechSession:
    session = SpeechSession("elevenlabs", api, path)
    for text in texts:
        session.app(text)
    return session


def audio(text: str = "", seconds: float = 0.5) -> Json:
    known = {"chars": list(text)} if text else None
    return {"audio": base64.b64encode(spoken(seconds)).decode(), "alignment": known}


def after_end(*late: Json) -> Session:
    session = elevenlabs({"text": "Good morning. "}, {"text": ""}, *late)
    return session.server(audio(), {"isFinal": True}).wait(3).close()


def last_text(*after: Json, known: str = "", path: str = STREAM, wait: float = 3.0) -> Session:
    session = elevenlabs({"text": "Good "}, {"text": "morning "}, *after, path=path)
    return session.server(audio(known)).wait(wait).close()


def flushed_after(seconds: float) -> Session:
    session = elevenlabs({"text": "Good morning. "}).wait(seconds)
    return session.app({"text": " ", "flush": True}).server(audio()).close()


def two_texts(first: str, second: str, *between: Json) -> Session:
    session = SpeechSession("deepgram", "speak").app({"type": "Speak", "text": first})
    for message in between:
        session.app(message)
    session.app({"type": "Speak", "text": second}).app({"type": "Flush"})
    return session.server(spoken(0.5), {"type": "Flushed"}).close()


def contexts(keepalive: Json) -> Session:
    path = "/v1/text-to-speech/v/multi-stream-input?model_id=m"
    text = {"text": "Good morning. ", "context_id": "a", "flush": True}
    session = elevenlabs(text, keepalive, path=path, api="tts-multi")
    return session.server(audio()).app({"close_socket": True}).close(by="server")


# -- functions


def gemini(*app: Json, wait: float = 6.0, server: Json | None = None) -> Session:
    """A call after speech, what the app sends, and silence."""
    session = SpeechSession("gemini", "live").app({"setup": {"model": "m"}})
    session.server({"setupComplete": {}}).speak(2, template=GEMINI_AUDIO)
    session.server({"toolCall": {"functionCalls": [CALL]}})
    if server is not None:
        session.server(server)
    for message in app:
        session.app(message)
    return session.wait(wait).close()


def gemini_result(name: str = "get_weather", identifier: str = "call-1") -> Json:
    answer = {"id": identifier, "name": name, "response": {"result": "4"}}
    return {"toolResponse": {"functionResponses": [answer]}}


def openai_result(*, spoken_after: bool = False, server: Json | None = None) -> Session:
    session = SpeechSession("openai", "realtime").server({"type": "session.created"})
    item = {"type": "function_call", "call_id": "call-1", "name": "look"}
    session.server({"type": "response.output_item.done", "item": item})
    result = {"type": "function_call_output", "call_id": "call-1", "output": "1"}
    session.app({"type": "conversation.item.create", "item": result})
    if server is not None:
        session.server(server)
    if spoken_after:
        delta = base64.b64encode(spoken(0.5)).decode()
        session.server({"type": "response.output_audio.delta", "delta": delta})
    return session.wait(12).close()


# -- turns


def injected(*server: Json) -> Session:
    session = SpeechSession("deepgram", "agent").server({"type": "SettingsApplied"})
    session.app({"type": "InjectUserMessage", "content": "Hello?"})
    return session.wait(1).server(*server).wait(12).close()


def turns(interrupted: int, whole: int) -> Session:
    session = SpeechSession("gemini", "live").server({"setupComplete": {}})
    for number in range(interrupted + whole):
        data = base64.b64encode(spoken(0.5)).decode()
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}
        session.server({"serverContent": {"modelTurn": {"parts": [part]}}})
        if number < interrupted:
            session.server({"serverContent": {"interrupted": True}})
        session.server({"serverContent": {"turnComplete": True}})
    return session.close()


OPENAI_AUDIO = '{"type": "input_audio_buffer.append", "audio": "{audio}"}'
COMMIT, REQUEST = {"type": "input_audio_buffer.commit"}, {"type": "response.create"}


def own_turns(*app: Json, detection: Json | None = None, kind: str = "realtime") -> Session:
    """Speech with the server's detection of turns off, what the app sends then, and silence."""
    fields = {"type": kind, "audio": {"input": {"turn_detection": detection}}}
    session = SpeechSession("openai", "realtime").server({"type": "session.created"})
    session.app({"type": "session.update", "session": fields}).speak(2, template=OPENAI_AUDIO)
    for message in app:
        session.app(message)
    return session.wait(8).close()


def detection_returns() -> Session:
    """The app takes the turns over, and gives them back to the server."""
    session = SpeechSession("openai", "realtime")
    for detection in (None, {"type": "server_vad"}):
        fields = {"turn_detection": detection}
        session.app({"type": "session.update", "session": fields})
    return session.speak(2, template=OPENAI_AUDIO).wait(8).close()


def own_activity(*app: Json) -> Session:
    detection = {"automaticActivityDetection": {"disabled": True}}
    session = SpeechSession("gemini", "live")
    session.app({"setup": {"model": "m", "realtimeInputConfig": detection}})
    session.server({"setupComplete": {}}).speak(2, template=GEMINI_AUDIO)
    for message in app:
        session.app(message)
    return session.wait(8).close()


def answered_turns(*server: Json, setup: Json | None = None, turns: int = 2) -> Session:
    """The agent answers each turn of the user; the app asked for the words of the user."""
    asked = {"inputAudioTranscription": {}} if setup is None else setup
    session = SpeechSession("gemini", "live").app({"setup": {"model": "m", **asked}})
    session.server({"setupComplete": {}})
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA" * 4000}}
    for _ in range(turns):
        session.speak(2, template=GEMINI_AUDIO).server(*server)
        session.server({"serverContent": {"modelTurn": {"parts": [part]}}})
        session.server({"serverContent": {"turnComplete": True}})
    return session.wait(1).close()


def silent_turns(*, silent: int, call: bool = False) -> Session:
    """A turn with audio, then turns of the user that the agent ends without any."""
    session = SpeechSession("gemini", "live").server({"setupComplete": {}})
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA" * 4000}}
    session.server({"serverContent": {"modelTurn": {"parts": [part]}}})
    session.server({"serverContent": {"turnComplete": True}})
    if call:
        session.server({"toolCall": {"functionCalls": [CALL]}})
    for _ in range(silent):
        session.speak(2, template=GEMINI_AUDIO).server({"serverContent": {"turnComplete": True}})
    return session.wait(1).close()


def in_text(*modalities: str, of_response: list[str] | None = None) -> Session:
    agreed = {"output_modalities": list(modalities)}
    session = SpeechSession("openai", "realtime")
    session.server({"type": "session.created", "session": agreed})
    response: Json = {"id": "r"} | ({"output_modalities": of_response} if of_response else {})
    session.server({"type": "response.created", "response": response})
    session.server({"type": "response.output_text.done", "text": "Hello."})
    return session.close()


# -- telephones


def cartesia_texts(*second: Json, audio_after: bool = False) -> Session:
    """A text that ends its context, and what the app sends after its audio."""
    first = {"context_id": "a", "transcript": "Good morning. "}
    session = SpeechSession("cartesia", "tts").app(first).server(cartesia_chunk())
    session.server({"type": "done", "context_id": "a", "done": True}).wait(1)
    for message in second:
        session.app(message)
    if audio_after:
        session.server(cartesia_chunk())
    return session.wait(8).close()


CASES: list[tuple[Any, Build, str, list[Build]]] = [
    (
        exchange.text_after_end,
        lambda: after_end({"text": "More. "}),
        "1 text with 6 characters",
        [after_end, lambda: after_end({"text": ""})],
    ),
    (
        exchange.text_not_flushed,
        last_text,
        "from frame 1 on was neither flushed nor ended",
        [
            lambda: last_text({"text": " ", "flush": True}),
            lambda: last_text({"text": ""}),
            lambda: last_text(known="Goodmorning"),
            lambda: last_text(path=f"{STREAM}&auto_mode=true"),
            lambda: last_text(wait=0.5),
        ],
    ),
    (
        exchange.flushed_late,
        lambda: flushed_after(5.0),
        "came 5.0 s after the text",
        [lambda: flushed_after(1.0)],
    ),
    (
        exchange.texts_joined,
        lambda: two_texts("It is done.", "Is there more?"),
        "done.Is is what the service reads at the joint of frames 1 and 2",
        [
            lambda: two_texts("It is done. ", "Is there more?"),
            lambda: two_texts("It is done.", " Is there more?"),
            lambda: two_texts("It is do", "ne."),
            lambda: two_texts("It is done.", "Is there more?", {"type": "Flush"}),
        ],
    ),
    (
        exchange.context_missing,
        lambda: contexts({"text": ""}),
        "1 message without context_id, from frame 2 on",
        [lambda: contexts({"text": "", "context_id": "a"})],
    ),
    (
        exchange.context_reused,
        lambda: cartesia_texts({"context_id": "a", "transcript": "And more."}),
        "the text in frame 4 is for a context that frame 1 had ended",
        [
            lambda: cartesia_texts({"context_id": "b", "transcript": "And more."}),
            lambda: cartesia_texts({"context_id": "a", "transcript": ""}),
            lambda: cartesia_texts(
                {"context_id": "a", "transcript": "And more."}, audio_after=True
            ),
        ],
    ),
    (
        exchange.call_pending,
        lambda: gemini(wait=1.0),
        "of get_weather",
        [lambda: gemini(gemini_result(), wait=1.0)],
    ),
    (
        exchange.call_unanswered,
        gemini,
        "had no answer for 6.0 s",
        [
            lambda: gemini(gemini_result()),
            lambda: gemini(wait=2.0),
            lambda: gemini(server={"toolCallCancellation": {"ids": ["call-1"]}}),
        ],
    ),
    (
        exchange.result_unanswered,
        openai_result,
        "no response.create was sent after it",
        [
            lambda: openai_result(spoken_after=True),
            lambda: openai_result(server={"type": "response.output_text.done", "text": "One."}),
            lambda: gemini(gemini_result(), wait=3.0),
            lambda: gemini(wait=20.0),
        ],
    ),
    (
        exchange.result_not_requested,
        openai_result,
        "no response.create was sent after it",
        [lambda: gemini(gemini_result(), wait=20.0)],
    ),
    (
        exchange.call_unnamed,
        lambda: gemini(gemini_result(name="")),
        "1 answer without the name",
        [lambda: gemini(gemini_result())],
    ),
    (
        exchange.user_text_unanswered,
        injected,
        "no answer came in 13.0 s",
        [lambda: injected({"type": "ConversationText", "role": "assistant", "content": "Yes."})],
    ),
    (
        exchange.turn_not_ended,
        own_turns,
        "turn_detection=null (frame 2): the app ends each turn; it sent no input_audio",
        [
            lambda: own_turns(COMMIT),
            lambda: own_turns(detection={"type": "server_vad"}),
            detection_returns,
            lambda: own_activity({"realtimeInput": {"activityEnd": {}}}),
        ],
    ),
    (
        exchange.answer_not_requested,
        lambda: own_turns(COMMIT),
        "sent no response.create after the last turn",
        [
            lambda: own_turns(COMMIT, REQUEST),
            lambda: own_turns(COMMIT, kind="transcription"),
            own_turns,
            lambda: own_activity({"realtimeInput": {"activityEnd": {}}}),
        ],
    ),
    (
        exchange.words_never_came,
        answered_turns,
        "setup.inputAudioTranscription={} (frame 1): no words of the user came",
        [
            lambda: answered_turns({"serverContent": {"inputTranscription": {"text": "Yes."}}}),
            lambda: answered_turns(setup={}),
            lambda: answered_turns(turns=1),
        ],
    ),
    (
        exchange.always_interrupted,
        lambda: turns(4, 1),
        "4 of 5 turns",
        [lambda: turns(2, 0), lambda: turns(3, 4)],
    ),
    (
        exchange.turns_without_audio,
        lambda: silent_turns(silent=3),
        "the agent's last 3 turns ended without audio",
        [
            lambda: silent_turns(silent=1),
            lambda: silent_turns(silent=3, call=True),
            lambda: turns(0, 3),
        ],
    ),
    (
        exchange.answered_in_text,
        lambda: in_text("audio"),
        "1 answer in text",
        [lambda: in_text("text"), lambda: in_text("audio", of_response=["text"]), in_text],
    ),
]


@pytest.mark.parametrize(
    "rule, broken, text",
    [row[:3] for row in CASES],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_exchange_rules_broken_session_is_reported(rule: Any, broken: Build, text: str) -> None:
    [evidence] = rule(SessionFacts(broken(), CATALOG))
    assert text in evidence.text


@pytest.mark.parametrize("rule, near", [(row[0], near) for row in CASES for near in row[3]])
def test_exchange_rules_near_miss_is_not_reported(rule: Any, near: Build) -> None:
    assert rule(SessionFacts(near(), CATALOG)) == []


def test_exchange_rules_each_have_a_case() -> None:
    tested = {row[0] for row in CASES}
    assert tested == {*exchange.RULES}


@pytest.mark.parametrize(
    "build",
    [
        lambda: after_end({"text": "More. "}),
        last_text,
        gemini,
        openai_result,
        lambda: in_text("audio"),
        lambda: turns(4, 0),
    ],
)
def test_outcome_of_a_session_that_lacks_an_answer_is_unproven(build: Build) -> None:
    session = build()
    found = outcome(session, diagnose(session, CATALOG))
    assert found is not None
    assert found.kind == "unproven"


def test_answer_not_requested_without_automatic_responses_is_reported() -> None:
    session = own_turns(detection={"type": "server_vad", "create_response": False})
    [evidence] = exchange.answer_not_requested(SessionFacts(session, CATALOG))
    assert "turn_detection.create_response=false" in evidence.text


def test_turn_not_ended_of_gemini_replaces_that_the_agent_is_silent() -> None:
    found = [finding.id for finding in diagnose(own_activity(), CATALOG)]
    assert found[0] == "traffic.exchange.turn-not-ended"
    assert "traffic.outcome.agent-silent" not in found


def test_turn_not_ended_of_an_agent_is_the_only_finding_about_it() -> None:
    found = [finding.id for finding in diagnose(own_turns(), CATALOG)]
    assert found[0] == "traffic.exchange.turn-not-ended"
    assert "traffic.transcription.never-committed" not in found


def test_no_audio_for_text_that_was_not_flushed_says_so() -> None:
    session = elevenlabs({"text": "Good morning. "}).wait(6).close()
    found = {finding.id: finding for finding in diagnose(session, CATALOG)}
    assert next(iter(found)) == "traffic.exchange.text-not-flushed"
    assert "neither flushed nor ended" in found["traffic.outcome.no-audio-for-text"].seen[0]


def test_agent_silent_answered_turn_before_a_long_pause_is_no_silence() -> None:
    session = SpeechSession("gemini", "live").server({"setupComplete": {}})
    session.speak(2, template=GEMINI_AUDIO)
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA" * 4000}}
    session.server({"serverContent": {"modelTurn": {"parts": [part]}}})
    session.server({"serverContent": {"generationComplete": True, "turnComplete": True}})
    found = diagnose(session.wait(60).close(), CATALOG)
    assert "traffic.outcome.agent-silent" not in {finding.id for finding in found}


def test_cartesia_context_that_continues_is_neither_flushed_nor_ended() -> None:
    request = {"context_id": "a", "transcript": "Good morning. ", "continue": True}
    session = SpeechSession("cartesia", "tts").app(request).server(cartesia_chunk()).wait(4)
    [evidence] = exchange.text_not_flushed(SessionFacts(session.close(), CATALOG))
    assert tuple(evidence.frames) == (1,)


def test_unknown_kind_without_a_field_for_it_is_a_message_without_any_known_name() -> None:
    def sent(message: Json) -> list[str]:
        session = SpeechSession("gemini", "live").app(message).wait(9).close()
        return [each.text for each in messages.unknown_kind(SessionFacts(session, CATALOG))]

    assert "the API has no message session_resume" in sent({"session_resume": {"handle": "h"}})[0]
    assert sent({"setup": {"model": "m"}}) == []
    assert sent({"other": 1, "realtimeInput": {}}) == []


def test_context_reused_after_a_cancellation_replaces_the_missing_answer() -> None:
    again: list[Json] = [
        {"context_id": "a", "cancel": True},
        {"context_id": "a", "transcript": "Yes?"},
    ]
    found = [finding.id for finding in diagnose(cartesia_texts(*again), CATALOG)]
    assert found[0] == "traffic.exchange.context-reused"
    assert "traffic.outcome.answer-missing" not in found
