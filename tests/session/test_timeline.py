"""The timeline of a session: transcript, control events, latency, speech."""

from __future__ import annotations

import json
from typing import Any

import pytest

from speech_sessions import (
    CARTESIA_DONE,
    END,
    METADATA,
    OPENAI_APPEND,
    SpeechSession,
    cartesia_chunk,
    cartesia_request,
    dg_result,
    spoken,
)
from wsproxy.audio.base64_text import decode_base64
from wsproxy.session import Session
from wsproxy.session.audio_meter import AudioMeter
from wsproxy.session.timeline import Timeline


def timeline(session: Session) -> Timeline:
    assert session.timeline is not None
    return session.timeline


def turn(text: str, order: int, *, end: bool) -> dict[str, Any]:
    words = [{"text": word, "start": 100, "end": 400} for word in text.split()]
    return {"type": "Turn", "turn_order": order, "end_of_turn": end, "transcript": text,
            "words": words}  # fmt: skip


def tokens(*texts: str, final: bool) -> dict[str, Any]:
    return {"tokens": [{"text": text, "is_final": final} for text in texts]}


def delta(text: str) -> dict[str, Any]:
    return {"type": "transcription.text.delta", "text": text}


def done(text: str) -> dict[str, Any]:
    return {"type": "transcription.done", "text": text, "segments": []}


def partial(text: str, *, kind: str = "partial") -> dict[str, Any]:
    return {"type": f"transcript.{kind}", "text": text, "is_final": True, "duration": 1.0}


def segment(text: str, *, final: bool = False) -> dict[str, Any]:
    words = [{"word": word, "is_final": final} for word in text.split()]
    return {"segments": [{"id": 0, "text": text, "words": words}]}


# -- transcript


@pytest.mark.parametrize(
    ("provider", "api", "messages", "words"),
    [
        ("deepgram", "listen", [dg_result("good morning"), dg_result("to you")], 4),
        ("deepgram", "listen", [dg_result("good", final=False), dg_result("good morning")], 2),
        # No final result replaces it.
        ("deepgram", "listen", [dg_result("good morning", final=False)], 2),
        # The formatted turn replaces the plain one.
        (
            "assemblyai",
            "streaming",
            [turn("good morning", 0, end=True), turn("Good morning.", 0, end=True)],
            2,
        ),
        ("assemblyai", "streaming", [turn("good", 0, end=True), turn("day", 1, end=True)], 2),
        # Parts of words.
        (
            "soniox",
            "stt",
            [tokens("Hel", final=True), tokens("lo", " you", final=True)],
            2,
        ),
        ("gradium", "stt", [{"type": "text", "text": "hello there"}], 2),
        ("mistral", "realtime", [delta("good "), delta("morning "), done("good morning")], 2),
        # What was said is repeated in the end, or said only there.
        ("xai", "stt", [partial("good"), partial("day"), partial("good day", kind="done")], 2),
        ("xai", "stt", [partial("good day", kind="done")], 2),
        # A segment is final as its last word is.
        ("fireworks", "stt", [segment("good"), segment("good morning", final=True)], 2),
        (None, None, [{"results": [{"alternatives": [{"transcript": "hello"}]}]}], 1),
        (None, None, [{"error": "text of an error", "text": "not a transcript"}], 0),
    ],
)
def test_transcript_words_that_stay_are_counted(
    provider: str | None, api: str | None, messages: list[Any], words: int
) -> None:
    session = SpeechSession(provider, api).server(*messages).close()
    assert timeline(session).transcript.words == words


def test_transcript_of_an_agent_is_apart_from_the_users() -> None:
    talk = SpeechSession("deepgram", "agent")
    for role, content in (("user", "good morning"), ("assistant", "how may I help you")):
        talk.server({"type": "ConversationText", "role": role, "content": content})
    found = timeline(talk.close()).transcript
    assert (found.words, found.agent_words) == (2, 5)
    assert [(result.text, result.by_agent) for result in found] == [
        ("good morning", False),
        ("how may I help you", True),
    ]


def test_transcript_result_has_its_place_and_words() -> None:
    session = SpeechSession("assemblyai", "streaming").server(turn("hi", 3, end=True)).close()
    (result,) = timeline(session).transcript
    assert (result.start_s, result.end_s, result.turn) == (0.1, 0.4, 3)
    assert [(word.text, word.start_s, word.end_s) for word in result.words] == [("hi", 0.1, 0.4)]


def test_transcript_many_results_keeps_the_first_and_the_last() -> None:
    talk = SpeechSession("deepgram", "listen")
    for number in range(3000):
        talk.server(dg_result(f"word{number}"))
    found = timeline(talk.close()).transcript
    kept = list(found)
    assert (found.results, found.words, len(kept)) == (3000, 3000, 1000)
    assert (kept[0].text, kept[-1].text) == ("word0", "word2999")


# -- audio and latency


def test_audio_of_any_carrier_has_the_same_figures() -> None:
    binary = timeline(SpeechSession("deepgram", "listen").speak(5).close())
    in_json = SpeechSession("openai", "realtime").app(
        {"type": "session.update", "session": {"audio": {"input": {"format": {
            "type": "audio/pcm", "rate": 16000}}}}}
    )  # fmt: skip
    encoded = timeline(in_json.speak(5, template=OPENAI_APPEND).close())
    for found in (binary, encoded):
        assert found.sent.seconds == pytest.approx(5.0, rel=0.001)
        assert found.sent.messages == 50
    assert encoded.sent.speech == pytest.approx(binary.sent.speech, rel=0.02)
    assert 3.0 < (binary.sent.speech or 0) <= 5.0


@pytest.mark.parametrize("quiet", [False, True])
def test_audio_speech_is_only_what_is_audible(quiet: bool) -> None:
    found = timeline(SpeechSession("deepgram", "listen").speak(5, quiet=quiet).close()).sent
    assert (found.speech == 0) is quiet
    assert (found.speech_ns is None) is quiet


def test_latency_of_results_is_measured_against_the_audio() -> None:
    talk = SpeechSession("deepgram", "listen").speak(2)
    talk.server(dg_result("good", final=False, start=0.0, duration=1.5)).speak(1)
    talk.server(dg_result("good morning", start=0.0, duration=3.0))
    found = timeline(talk.app(END).server(METADATA).close(by="server")).latency
    assert found.upgrade == pytest.approx(0.01)
    assert found.first_interim == pytest.approx(2.0, abs=0.01)
    assert found.first_final == pytest.approx(3.0, abs=0.01)
    assert found.lag_min == pytest.approx(0.0)
    assert found.lag_max == pytest.approx(0.5)


def test_latency_of_speech_is_from_text_to_audio() -> None:
    talk = SpeechSession("cartesia", "tts")
    for wait in (0.4, 0.2):
        talk.app(cartesia_request()).wait(wait).server(cartesia_chunk(), CARTESIA_DONE)
    found = timeline(talk.close())
    assert [each.seconds for each in found.latency.utterances] == [
        pytest.approx(0.401),
        pytest.approx(0.201),
    ]
    assert found.texts == 2
    assert found.received.seconds == pytest.approx(1.0)


def test_latency_of_an_agent_is_from_speech_to_audio() -> None:
    talk = SpeechSession("openai", "realtime").speak(2, template=OPENAI_APPEND)
    talk.speak(0.5, quiet=True, template=OPENAI_APPEND)
    delta = {"type": "response.output_audio.delta", "delta": cartesia_chunk()["data"]}
    found = timeline(talk.server(delta, delta).close()).latency
    (answer,) = found.turns
    assert 0.4 < answer.seconds < 1.2


# -- control events


def test_control_events_have_categories() -> None:
    talk = SpeechSession("deepgram", "listen").app({"type": "KeepAlive"}).speak(0.2)
    talk.app({"type": "Finalize"}).server(dg_result("hi")).app(END)
    talk.server({"type": "UtteranceEnd"}, METADATA, {"type": "Error", "description": "no"})
    found = timeline(talk.close()).events
    assert [(event.category, event.kind) for event in found] == [
        ("keepalive", "KeepAlive"),
        ("flush", "Finalize"),
        ("end", "CloseStream"),
        ("speech-stopped", "UtteranceEnd"),
        ("ready", "Metadata"),
        ("error", "Error"),
    ]
    assert found.counts[True, "flush"] == 1


def test_control_events_many_keeps_the_first_and_the_last() -> None:
    talk = SpeechSession("deepgram", "listen")
    for _ in range(1000):
        talk.app({"type": "KeepAlive"})
    found = timeline(talk.close()).events
    assert found.counts[True, "keepalive"] == 1000
    assert len(list(found)) == 400


def test_timeline_json_that_is_no_object_is_no_message() -> None:
    talk = SpeechSession("deepgram", "listen").server("[1]", "null", '{"type": ', b"\xff\xfe")
    talk.app(json.dumps([1])).app("").app(spoken(0.1))
    found = timeline(talk.close())
    assert (found.transcript.results, found.server_messages) == (0, 4)


def test_audio_between_messages_that_may_declare_a_format_is_counted_once() -> None:
    # "turn_is_formatted" may be the name of a format: the timeline looks for a declaration.
    session = SpeechSession("assemblyai", "streaming")
    for order in range(4):
        session.speak(1).server(turn("good day", order, end=True) | {"turn_is_formatted": False})
    (track,) = session.close().audio.tracks(from_client=True)
    assert (track.messages, track.size) == (40, 4 * 32_000)


def test_audio_in_base64_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []

    def count(text: bytes) -> bytes:
        decoded.append(len(text))
        return decode_base64(text)

    monkeypatch.setattr("wsproxy.session.audio_carrier.decode_base64", count)
    SpeechSession("openai", "realtime").speak(1, template=OPENAI_APPEND).close()
    assert len(decoded) == 10


def test_timeline_asked_again_settles_audio_only_after_another_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settled: list[AudioMeter] = []
    monkeypatch.setattr(AudioMeter, "settle", lambda meter: settled.append(meter))
    speech = SpeechSession("deepgram", "listen").speak(1)
    session = speech.session
    assert timeline(session) is timeline(session)
    assert settled == [timeline(session).sent, timeline(session).received]
    speech.speak(1)
    assert timeline(session) is timeline(session)
    assert len(settled) == 4
