"""What a service needs before it transcribes, and words that come twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from speech_sessions import CATALOG, OPENAI_APPEND, SpeechSession
from wsproxy.catalog.success import MessagePattern
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.rules.transcription import RULES
from wsproxy.session import Session
from wsproxy.session.transcript import SessionTranscript

SCRIBE_AUDIO = (
    '{"message_type": "input_audio_chunk", "audio_base_64": "{audio}", "commit": false, '
    '"sample_rate": 16000}'
)
COMMIT = {"message_type": "input_audio_chunk", "audio_base_64": "", "commit": True}
PARTIAL = {"message_type": "partial_transcript", "text": "good morning"}
COMMITTED = {"message_type": "committed_transcript", "text": "Good morning."}
TIMED = COMMITTED | {"message_type": "committed_transcript_with_timestamps"}
FINAL = {
    "type": "conversation.item.input_audio_transcription.completed",
    "transcript": "Good morning.",
}


def settings(model: str | None, turns: Any = None) -> dict[str, Any]:
    named = {"model": model} if model else None
    heard = {"transcription": named, "turn_detection": turns}
    return {"type": "transcription", "audio": {"input": heard}}


def openai(first: str | None, update: dict[str, Any] | None) -> SpeechSession:
    talk = SpeechSession("openai", "realtime", "/v1/realtime?intent=transcription")
    vad = {"type": "server_vad"}
    talk.server({"type": "session.created", "session": settings(first, vad)})
    if update is not None:
        talk.app({"type": "session.update", "session": update})
        talk.server({"type": "session.updated", "session": update})
    return talk.speak(3, template=OPENAI_APPEND)


def scribe(query: str) -> SpeechSession:
    path = f"/v1/speech-to-text/realtime?model_id=scribe_v2_realtime{query}"
    talk = SpeechSession("elevenlabs", "stt", path)
    return talk.speak(3, template=SCRIBE_AUDIO).server(PARTIAL)


def ids(session: Session) -> list[str]:
    return [finding.id for finding in diagnose(session, CATALOG)]


def twice(query: str, count: int = 2) -> Session:
    talk = scribe(query)
    for _ in range(count):
        talk.app(COMMIT).server(TIMED, COMMITTED)
    return talk.close()


def said(seconds: float, text: str) -> Session:
    talk = SpeechSession("elevenlabs", "stt", "/v1/speech-to-text/realtime?commit_strategy=vad")
    talk.speak(seconds, template=SCRIBE_AUDIO).speak(2, quiet=True, template=SCRIBE_AUDIO)
    return talk.server(COMMITTED | {"text": text}).close()


HELLOS = "Hello? Hello? Hello."
BETA = {"type": "transcription_session.update", "session": {"input_audio_format": "pcm16"}}
VAD = {"type": "server_vad"}
FAULTS: list[tuple[str, Session, str, Session]] = [
    (
        "never-committed",
        openai(None, settings("gpt-realtime-whisper")).wait(8).close(),
        "s of speech were sent, and no input_audio_buffer.commit; "
        "session.audio.input.turn_detection is null (frame 2)",
        openai(None, settings("gpt-realtime-whisper", VAD)).wait(8).close(),
    ),
    (
        "never-committed",
        scribe("").wait(8).close(),
        "and no input_audio_chunk commit=true; the URL has no commit_strategy",
        scribe("").app(COMMIT).server(COMMITTED).wait(8).close(),
    ),
    (
        "never-committed",
        scribe("&commit_strategy=manual").wait(8).close(),
        "the URL has commit_strategy=manual",
        scribe("&commit_strategy=vad").wait(8).close(),
    ),
    (
        "never-committed",
        scribe("&commit_strategy=manual").wait(9).server(COMMITTED).close(),
        "the URL has commit_strategy=manual; the final words came 9.0 s after the interim ones",
        scribe("&commit_strategy=manual").wait(2).server(COMMITTED).close(),
    ),
    (
        "no-words-model",
        openai(None, None).app(BETA).wait(8).close(),
        "session.audio.input.transcription is null in session.created (frame 1), the server's last "
        "description of the session; it confirmed no change after transcription_session.update",
        openai("gpt-4o-transcribe", None).server(FINAL).close(),
    ),
    (
        "words-twice",
        twice("&include_language_detection=true"),
        "2 of 2 final transcripts came twice, in committed_transcript_with_timestamps and "
        "committed_transcript",
        twice("&include_timestamps=true"),
    ),
    (
        "words-twice",
        twice("&include_language_detection=true"),
        "2 of 2 final transcripts",
        twice("&include_language_detection=true", count=1),
    ),
    (
        "words-repeated",
        said(0.6, HELLOS),
        f"{HELLOS} (frame 27) has the same words 3 times; 20 characters came for",
        said(2, HELLOS),
    ),
    ("words-repeated", said(0.6, HELLOS), "3 times", said(0.6, "Hello? Hello. Who is it?")),
]


@pytest.mark.parametrize(("name", "faulty", "text", "good"), FAULTS)
def test_transcription_finding_is_first_and_good_session_has_none(
    name: str, faulty: Session, text: str, good: Session
) -> None:
    findings = diagnose(faulty, CATALOG)
    assert findings[0].id == f"traffic.transcription.{name}"
    assert text in findings[0].evidence[0].text
    assert not [f.id for f in findings if f.id.startswith("traffic.outcome.")]
    assert f"traffic.transcription.{name}" not in ids(good)


def test_transcription_rules_are_all_tested() -> None:
    tested = {f"traffic.transcription.{name}" for name, *_ in FAULTS}
    conditions = {
        c.id for c in CATALOG.conditions_of("traffic") if "traffic.transcription." in c.id
    }
    assert tested == conditions
    assert len(RULES) == len(conditions)


def test_never_committed_is_not_reported_after_the_server_finds_turns_again() -> None:
    talk = openai(None, settings("gpt-4o-transcribe"))
    talk.app({"type": "session.update", "session": settings("gpt-4o-transcribe", VAD)})
    assert "traffic.transcription.never-committed" not in ids(talk.wait(8).close())


def test_session_of_transcription_without_words_is_not_one_of_a_silent_agent() -> None:
    session = openai("gpt-4o-transcribe", None).wait(8).close()
    assert ids(session)[0] == "traffic.outcome.no-results"


def test_conversation_without_an_answer_is_one_of_a_silent_agent() -> None:
    talk = SpeechSession("openai", "realtime").server({"type": "session.created"})
    session = talk.speak(3, template=OPENAI_APPEND).wait(8).close()
    assert ids(session)[0] == "traffic.outcome.agent-silent"


def test_app_that_leaves_in_the_audio_loses_the_interim_words() -> None:
    talk = SpeechSession("soniox", "stt").speak(2)
    tokens = [{"text": "good ", "is_final": False}, {"text": "morning", "is_final": False}]
    left = talk.server({"tokens": tokens}).close()
    finding = diagnose(left, CATALOG)[0]
    assert finding.id == "traffic.outcome.no-final"
    assert "and had not ended the audio" in finding.evidence[0].text


def test_app_that_ends_the_audio_has_not_left_in_it() -> None:
    talk = SpeechSession("soniox", "stt").speak(2)
    talk.server({"tokens": [{"text": "good ", "is_final": False}]}).app("")
    assert "traffic.outcome.no-final" not in ids(talk.close())


def words_of(*messages: dict[str, Any]) -> tuple[int, int]:
    talk = scribe("")
    session = talk.server(*messages).close()
    assert session.timeline is not None
    transcript: SessionTranscript = session.timeline.transcript
    return transcript.words, transcript.repeated


@pytest.mark.parametrize(
    ("messages", "words", "repeated"),
    [
        ([TIMED, COMMITTED], 2, 1),
        ([COMMITTED, TIMED, COMMITTED, TIMED], 4, 2),
        ([COMMITTED, COMMITTED], 4, 0),
        ([TIMED, COMMITTED | {"text": "And you?"}], 4, 0),
    ],
)
def test_transcript_words_in_messages_of_two_kinds_count_once(
    messages: list[dict[str, Any]], words: int, repeated: int
) -> None:
    assert words_of(*messages) == (words, repeated)


@pytest.mark.parametrize(
    ("content", "matches"),
    [
        ({"a": {"b": None}}, True),
        ({"a": {}}, False),
        ({"a": {"b": 0}}, False),
        ({}, False),
        (json.loads('{"a": null}'), False),
    ],
)
def test_pattern_with_null_matches_null_only(content: dict[str, Any], *, matches: bool) -> None:
    assert MessagePattern.parse("a.b=null").matches("", content) is matches


def test_never_committed_is_not_reported_after_a_commit_in_a_message_with_audio() -> None:
    """A session keeps its first and last messages; the commit is among those in between."""
    talk = scribe("&commit_strategy=manual").speak(100, quiet=True, template=SCRIBE_AUDIO)
    talk.speak(0.1, template=SCRIBE_AUDIO.replace("false", "true"))
    talk.speak(100, quiet=True, template=SCRIBE_AUDIO)

    assert "traffic.transcription.never-committed" not in ids(talk.wait(8).close())
