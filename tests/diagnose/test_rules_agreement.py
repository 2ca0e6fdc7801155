"""Rules about what an agent was asked for, against what came, each with near misses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agent_talks import GeminiTalk, Talk
from speech_sessions import CATALOG, SpeechSession
from wsproxy.diagnose.rules import agreement
from wsproxy.diagnose.rules.odd_words import other_script
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session

Json = dict[str, Any]
Build = Callable[[], Session]
GREETING = "Good morning, this is the parcel service."
HINDI = "मेरा पार्सल कहाँ है"


def greeting(*words: str, asked: str = GREETING, wait: float = 6.0) -> Session:
    session = SpeechSession("deepgram", "agent")
    session.app({"type": "Settings", "agent": {"greeting": asked} if asked else {}})
    session.server({"type": "SettingsApplied"})
    for text in words:
        session.server({"type": "ConversationText", "role": "assistant", "content": text})
    return session.speak(wait, quiet=True).close()


def voices(*used: str, first: bool = True) -> Session:
    session = SpeechSession("openai", "realtime").server({"type": "session.created"})
    settings = {"type": "session.update", "session": {"voice": "ash"}}
    for message in ({"type": "response.create"}, settings)[:: 1 if first else -1]:
        session.app(message)
    for voice in used:
        session.server({"type": "response.created", "response": {"id": "r", "voice": voice}})
        session.server({"type": "response.done", "response": {"id": "r", "status": "completed"}})
    return session.close()


def settings(asked: Json, used: Json, *more: Json) -> Session:
    session = SpeechSession("openai", "realtime").server({"type": "session.created"})
    session.app({"type": "session.update", "session": asked})
    for each in more:
        session.app({"type": "session.update", "session": each})
    return session.server({"type": "session.updated", "session": used}).close()


def scripts(*heard: str, said: tuple[str, ...] = ("It is here.",), language: str = "") -> Session:
    transcription = {"model": "m", **({"language": language} if language else {})}
    audio = {"input": {"transcription": transcription}}
    talk = Talk({"audio": audio})
    for number, text in enumerate(heard):
        talk.user().heard(text).answer(1.0, said[number % len(said)])
    return talk.close()


def without_words(*, words: bool = False, turns: int = 2, provider: str = "elevenlabs") -> Session:
    if provider == "openai":
        talk = Talk()
        for _ in range(turns):
            talk.user().answer()
        return talk.close()
    session = SpeechSession("deepgram", "agent").app({"type": "Settings", "audio": AUDIO})
    for _ in range(turns):
        session.speak(1.5).speak(0.5, quiet=True)
        if words:
            session.server({"type": "ConversationText", "role": "user", "content": "Where?"})
        session.server(bytes(8000), {"type": "AgentAudioDone"})
    return session.close()


AUDIO = {
    "input": {"encoding": "linear16", "sample_rate": 16_000},
    "output": {"encoding": "linear16", "sample_rate": 16_000},
}


def wordy(seconds: float, words: str) -> Session:
    return GeminiTalk().user().answer(seconds, words).quiet(2).close()


def instructed(role: str) -> Session:
    turn = {"role": role, "parts": [{"text": "Answer in French."}]}
    talk = GeminiTalk().user().answer()
    talk.app({"clientContent": {"turns": [turn], "turnComplete": False}})
    return talk.user().answer().close()


VAD: Json = {"turn_detection": {"type": "server_vad", "threshold": 0.8}}

# (rule, faulty session, part of the evidence, near misses)
CASES: list[tuple[Any, Build, str, list[Build]]] = [
    (
        agreement.greeting_not_spoken,
        greeting,
        "greeting is Good morning, this is the parcel service.",
        [
            lambda: greeting(GREETING),
            lambda: greeting("Good morning! This is the parcel service speaking."),
            lambda: greeting(wait=3.0),
            lambda: greeting(asked=""),
            lambda: greeting("Guten Tag, Anna.", asked="Hello, {{name}}."),
            lambda: greeting("नमस्ते, यह पार्सल सेवा है।"),
        ],
    ),
    (
        agreement.greeting_not_spoken,
        lambda: greeting("What can I do for you?"),
        "the agent's first words are What can I do for you?",
        [],
    ),
    (
        agreement.voice_changed,
        lambda: voices("alloy", "ash"),
        "that answer has the voice alloy, a later one ash",
        [
            lambda: voices("ash", "ash"),
            lambda: voices("alloy", "ash", first=False),
            lambda: voices("alloy"),
        ],
    ),
    (
        agreement.setting_not_applied,
        lambda: settings(VAD, {"turn_detection": {"type": "server_vad", "threshold": 0.5}}),
        "session.turn_detection.threshold is 0.8 in session.update (frame 2), and 0.5 in",
        [
            lambda: settings(VAD, VAD),
            lambda: settings(VAD, {"turn_detection": {"threshold": 0.800000012}}),
            lambda: settings(VAD, {}),
            lambda: settings({"voice": "Ara"}, {"voice": "ara"}),
            lambda: settings({"voice": "ash"}, {"voice": "sage"}, {"voice": "sage"}),
            lambda: settings({"instructions": "Be brief."}, {"instructions": "Be kind."}),
        ],
    ),
    (
        agreement.setting_not_applied,
        lambda: settings(
            {"type": "realtime", "turn_detection": {"type": "semantic_vad"}},
            {"type": "session", "turn_detection": {"type": "server_vad"}},
        ),
        "session.turn_detection.type is semantic_vad in",
        [],
    ),
    (
        agreement.setting_not_applied,
        lambda: settings(VAD, {"turn_detection": None}),
        "null in session.updated",
        [],
    ),
    (
        agreement.other_scripts,
        lambda: scripts("Where is my parcel?", HINDI),
        "is Devanagari (frame",
        [
            lambda: scripts("Where is my parcel?", "Is it there?"),
            lambda: scripts(HINDI, HINDI),  # an interpreter, perhaps
            lambda: scripts("Where is my parcel?", HINDI, said=("It is here.", "वह यहाँ है।")),
            lambda: scripts("Where is my parcel?", "7"),
        ],
    ),
    (
        agreement.no_words_at_all,
        without_words,
        "no message with words came, of either side",
        [
            lambda: without_words(words=True),
            lambda: without_words(turns=1),
            lambda: without_words(provider="openai"),  # they have to be asked for
        ],
    ),
    (
        agreement.audio_without_words,
        lambda: wordy(10.0, "The parcel is on its"),
        "10.0 s of audio from frame",
        [
            lambda: wordy(10.0, "word " * 20),
            lambda: wordy(4.0, "The parcel is on"),
            lambda: wordy(10.0, ""),
            lambda: wordy(10.0, "包裹正在路上"),
        ],
    ),
    (
        agreement.message_ignored,
        lambda: instructed("system"),
        "clientContent with clientContent.turns.0.role=system was sent in frame",
        [lambda: instructed("user"), lambda: instructed("model")],
    ),
]


@pytest.mark.parametrize("rule, broken, text", [row[:3] for row in CASES])
def test_agreement_rules_broken_session_is_reported(rule: Any, broken: Build, text: str) -> None:
    [evidence] = rule(SessionFacts(broken(), CATALOG))
    assert text in evidence.text


@pytest.mark.parametrize("rule, near", [(row[0], near) for row in CASES for near in row[3]])
def test_agreement_rules_near_miss_is_not_reported(rule: Any, near: Build) -> None:
    assert rule(SessionFacts(near(), CATALOG)) == []


def test_agreement_rules_each_have_a_case() -> None:
    assert {row[0] for row in CASES} == set(agreement.RULES)


def test_other_scripts_says_that_no_language_is_set() -> None:
    session = scripts("Where is my parcel?", HINDI, language="")
    [evidence] = agreement.other_scripts(SessionFacts(session, CATALOG))
    assert "no language is set" in evidence.text


def test_words_in_another_script_than_the_language_that_is_set_are_found_once() -> None:
    facts = SessionFacts(scripts("Where is my parcel?", HINDI, language="en"), CATALOG)
    assert facts.measured(other_script)
    assert facts.measured(agreement.other_scripts) == []
