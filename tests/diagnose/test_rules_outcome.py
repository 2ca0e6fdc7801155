"""Findings of what came of a session, each with a session that is nearly the same and good."""

from __future__ import annotations

import json
from typing import Any

import pytest

from speech_sessions import (
    CARTESIA_DONE,
    CATALOG,
    END,
    GEMINI_AUDIO,
    METADATA,
    OPENAI_APPEND,
    SpeechSession,
    cartesia_chunk,
    cartesia_request,
    dg_result,
    outcome_of,
    response_done,
    spoken,
)
from wsproxy.catalog.envelope import wrap
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.outcome import outcome
from wsproxy.diagnose.rules import words
from wsproxy.diagnose.rules.outcome import RULES, ended_at_once
from wsproxy.diagnose.rules.timing import audio_too_fast
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session
from wsproxy.session.transcript import KEPT_RESULTS

ERROR = {"error": {"type": "server_error", "message": "The server had an error."}}


def openai() -> SpeechSession:
    return SpeechSession("openai", "realtime").server({"type": "session.created"})


def listen() -> SpeechSession:
    return SpeechSession("deepgram", "listen")


def heard(talk: SpeechSession) -> SpeechSession:
    return talk.speak(3, template=OPENAI_APPEND).server({"type": "response.created"})


UPDATE = {"type": "session.update", "session": {"instructions": "Be brief."}}


def greets() -> SpeechSession:
    """The app requests a greeting, and gets it."""
    delta = {"type": "response.output_audio.delta", "delta": cartesia_chunk()["data"]}
    created = {"type": "response.created", "response": {"id": "resp_1"}}
    talk = openai().app({"type": "response.create"}).server(created)
    return talk.server(delta, response_done("completed"))


def gated(*, quiet: bool) -> Session:
    """Twelve seconds pass between words and their final result, with silence or without audio."""
    talk = listen().speak(2).server(dg_result("good morning", final=False))
    talk = talk.speak(12, quiet=True) if quiet else talk.wait(12)
    return talk.server(dg_result("good morning")).app(END).server(METADATA).close(by="server")


def response(*done: dict[str, Any]) -> Session:
    talk = heard(openai())
    for each in done:
        talk.server(each)
    return talk.close()


def cartesia(*after: dict[str, Any], wait: float = 4.0, **request: bool) -> Session:
    talk = SpeechSession("cartesia", "tts").app(cartesia_request(**request))
    return talk.server(cartesia_chunk(), *after).wait(wait).close()


def transcripts(*texts: str, quiet: bool = False) -> Session:
    talk = listen().speak(5, quiet=quiet)
    return talk.server(*map(dg_result, texts)).app(END).server(METADATA).close(by="server")


def interim_only(wait: float) -> Session:
    talk = listen().speak(2).server(dg_result("good morning", final=False))
    return (
        talk.wait(wait).app(END).server(METADATA).close(by="server")
        if wait < 5
        else (talk.wait(wait).close())
    )


def guessed(*after: str) -> Session:
    talk = listen().speak(2).server(dg_result("parcel", final=False))
    return talk.server(*after).app(END).server(METADATA).close(by="server")


def never_final() -> Session:
    talk = listen().speak(2).server(dg_result("good morning", final=False))
    return talk.speak(20).close()


def stopped(*later: str) -> Session:
    talk = listen().speak(2).server(dg_result("good morning")).speak(20)
    return talk.server(*map(dg_result, later)).app(END).server(METADATA).close(by="server")


def listing(*texts: str) -> Session:
    """A server of one's own, whose messages have all of the transcript so far."""
    talk = SpeechSession("", "", "/asr?encoding=linear16&sample_rate=16000")
    talk.speak(2).server({"segments": [{"text": "Good"}]})
    for text in texts:
        talk.speak(9).server({"segments": [{"text": text}]})
    return talk.close()


def without_results(seconds: float, wait: float) -> Session:
    return listen().speak(seconds).wait(wait).close()


def gemini(*answers: dict[str, Any], wait: float = 3.0) -> Session:
    talk = SpeechSession("gemini", "live").app({"setup": {}}).server({"setupComplete": {}})
    return talk.speak(3, template=GEMINI_AUDIO).wait(0.3).server(*answers).wait(wait).close()


def gemini_turn() -> dict[str, Any]:
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": cartesia_chunk()["data"]}}
    return {"serverContent": {"modelTurn": {"parts": [part]}, "turnComplete": True}}


def ignored(seconds: float) -> Session:
    """The agent answers once, and then no more."""
    talk = SpeechSession("gemini", "live").server({"setupComplete": {}})
    talk.speak(2, template=GEMINI_AUDIO).server(gemini_turn())
    return talk.speak(seconds, template=GEMINI_AUDIO).close()


def transcribed(seconds: float) -> Session:
    talk = openai().speak(3, template=OPENAI_APPEND)
    kind = "conversation.item.input_audio_transcription.completed"
    talk.server({"type": kind, "transcript": "good morning"})
    return talk.speak(seconds, template=OPENAI_APPEND).close()


def speak(*answers: str | bytes, wait: float = 3.0) -> Session:
    talk = SpeechSession("deepgram", "speak").app({"type": "Speak", "text": "Hello."})
    return talk.app({"type": "Flush"}).server(*answers).wait(wait).close()


def aws(message: str | bytes) -> Session:
    talk = SpeechSession("aws_transcribe", "stream").app(message)
    result = {"IsPartial": False, "Alternatives": [{"Transcript": "Hello."}]}
    headers = {":message-type": "event", ":event-type": "TranscriptEvent"}
    return talk.server({**headers, "Transcript": {"Results": [result]}}).close(by="server")


# The rule that finds it, a session of the fault, a text of its evidence, a good session.
FAULTS: list[tuple[str, Session, str, Session]] = [
    (
        "object-failed",
        response(response_done("failed", **ERROR)),
        "the server's words: The server had an error. (frame 33)",
        response(response_done("completed")),
    ),
    (
        "object-failed",
        response(response_done("incomplete", reason="max_output_tokens")),
        "response.done has the state incomplete: max_output_tokens (frame 33)",
        response(response_done("cancelled", reason="turn_detected")),
    ),
    (
        "object-failed-earlier",
        response(response_done("failed", **ERROR), response_done("completed")),
        "response.done has the state failed (frame 33)",
        response(response_done("completed"), response_done("completed")),
    ),
    (
        "not-in-envelope",
        aws(spoken(0.25)),
        "1 binary message is not an event-stream message (headers, payload and two checksums); "
        "the first one has 8000 bytes (frame 1)",
        aws(wrap("event-stream", "", spoken(0.25))),
    ),
    (
        "answer-missing",
        cartesia(),
        "done did not come after frame 1",
        cartesia(CARTESIA_DONE),
    ),
    ("answer-missing", cartesia(), "done did not come after frame 1", cartesia(wait=0.5)),
    (
        "answer-missing",
        cartesia(),
        "until then: 13 characters to speak, 0.5 s of audio received",
        cartesia(**{"continue": True}),
    ),
    (
        "answer-missing",
        listen().speak(3).server(dg_result("hello")).app(END).wait(3).close(),
        "Metadata did not come after frame 32",
        listen().speak(3).server(dg_result("hello")).app(END).server(METADATA).wait(3).close(),
    ),
    (
        "empty-transcripts",
        transcripts("", ""),
        "s of speech, 0 words: 2 results are empty",
        transcripts("", "hello"),
    ),
    (
        "empty-transcripts",
        transcripts(""),
        "s of speech, 0 words: 1 result is empty",
        transcripts("", quiet=True),
    ),
    (
        "no-results",
        without_results(3, wait=3),
        "s of speech, 0 words: the server sent no result",
        without_results(3, wait=0.5),
    ),
    (
        "no-final",
        interim_only(wait=8.0),
        "the last words are an interim result (frame 21); no final one came",
        interim_only(wait=1.0),
    ),
    (
        "closed-in-speech",
        listen().speak(2).server(dg_result("good", final=False)).speak(1).close(by="server"),
        "the last words are an interim result (frame 21); the server closed 0.",
        guessed(),
    ),
    (
        "words-dropped",
        guessed(dg_result("")),
        "the interim result in frame 21 has parcel, and the final one in frame 22 is empty",
        guessed(dg_result("Parcel."), dg_result("")),
    ),
    (
        "results-stopped",
        never_final(),
        "s of speech were sent after the last words (frame 21, 20.0 s before the end)",
        guessed(dg_result("Parcel.")),
    ),
    (
        "results-stopped",
        stopped(),
        "s of speech were sent after the last words (frame 21, 20.0 s before the end)",
        stopped("how are you"),
    ),
    (
        "agent-silent",
        gemini(),
        "no audio received: the agent had not answered for 3.",
        gemini(gemini_turn()),
    ),
    (
        "agent-silent",
        ignored(20),
        "no answer came during the last ",
        ignored(3),
    ),
    (
        "never-ready",
        SpeechSession("gemini", "live").app({"setup": {}}).wait(6).close(),
        "setupComplete did not come in the 6.0 s of the session",
        SpeechSession("gemini", "live").app({"setup": {}}).wait(2).close(),
    ),
    (
        "closed-silently",
        SpeechSession("gemini", "live").app({"setup": {}}).wait(1).close(by="server"),
        "the server closed before setupComplete after 1.0 s, without a message",
        SpeechSession("gemini", "live").app({"setup": {}}).wait(1).close(),
    ),
    (
        "left-early",
        listen().speak(2).server(dg_result("good morning")).app(END).close(),
        "s after CloseStream (frame 22), before Metadata came",
        listen().speak(2).server(dg_result("good")).app(END).server(METADATA).close(),
    ),
    (
        "nothing-sent",
        openai().wait(5).close(),
        "s of the session, and no other message",
        openai().speak(3, template=OPENAI_APPEND).close(),
    ),
    (
        "ended-at-once",
        openai().app(UPDATE).wait(0.2).close(by="server"),
        "the server closed 0.2 s after the app's last message (frame 2)",
        openai().app(UPDATE).wait(0.2).close(),
    ),
    (
        "no-user-audio",
        greets().wait(12).close(),
        "the app sent no audio in the session; after the agent had spoken",
        greets().wait(3).close(),
    ),
    (
        "no-user-audio",
        greets().wait(12).close(),
        "nothing came for 12.0 s",
        greets().speak(2, template=OPENAI_APPEND).close(),
    ),
    (
        "final-in-pause",
        gated(quiet=False),
        "came 12.0 s after its words (frame 21); 0.0 s of audio were sent in that time",
        gated(quiet=True),
    ),
    (
        "results-stopped",
        transcribed(20),
        "s of speech were sent after the last words (frame 32",
        transcribed(3),
    ),
    (
        "results-stopped",
        listing("Good morning.", "Good morning."),
        "; the results after that, up to frame 203, have the same words",
        listing("Good morning.", "Good morning. Where is it?"),
    ),
    (
        "no-audio-for-text",
        speak('{"type": "Metadata"}'),
        "6 characters to speak, no audio received (first text: frame 1)",
        speak(spoken(0.5), '{"type": "Flushed"}'),
    ),
]


def test_final_in_pause_compares_results_of_one_channel() -> None:
    """The interim result of one channel, and 12 s later the final one of another."""
    first = dg_result("good morning", final=False).replace(
        '"channel_index": [0', '"channel_index": [1'
    )
    second = first.replace('"is_final": false', '"is_final": true')
    talk = (
        listen().speak(2).server(first, second, dg_result("good", final=False).replace("[0", "[1"))
    )
    prompt = dg_result("good morning", start=2.0, duration=1.0)
    session = talk.wait(12).speak(1).server(prompt).app(END).server(METADATA)
    found = [each.id for each in diagnose(session.close(by="server"), CATALOG)]
    assert "traffic.outcome.final-in-pause" not in found


def test_final_in_pause_needs_results_that_follow_each_other() -> None:
    """Between the first results, which are kept, and the last ones may be the final one."""
    final, interim = (
        json.loads(dg_result("good morning", final=is_final)) | {"start": None}
        for is_final in (True, False)
    )
    talk = listen().speak(2).server(*[final] * (KEPT_RESULTS - 1), interim, final)
    session = talk.wait(12).server(*[final] * KEPT_RESULTS).close(by="server")
    assert "traffic.outcome.final-in-pause" not in [each.id for each in diagnose(session, CATALOG)]


def own_server(*, last: str | bytes, wait: float) -> Session:
    talk = SpeechSession(None, None).app({"mode": "offline", "audio_fs": 16000})
    return talk.speak(4).app(last).wait(wait).close()


def test_no_results_of_an_unknown_api_are_missed_where_the_app_waits_for_them() -> None:
    """A server that records has no reason to answer."""
    ended = json.dumps({"is_speaking": False})

    def found(session: Session) -> bool:
        return "traffic.outcome.no-results" in [each.id for each in diagnose(session, CATALOG)]

    assert found(own_server(last=ended, wait=60.0))
    assert not found(own_server(last=ended, wait=2.0))
    assert not found(own_server(last=spoken(0.1), wait=60.0))


@pytest.mark.parametrize(("name", "faulty", "text", "good"), FAULTS)
def test_outcome_finding_is_first_and_good_session_has_none(
    name: str, faulty: Session, text: str, good: Session
) -> None:
    findings = diagnose(faulty, CATALOG)
    assert findings[0].id == f"traffic.outcome.{name}"
    assert any(text in evidence.text for evidence in findings[0].evidence), findings[0].evidence
    assert len([f for f in findings if f.id.startswith("traffic.outcome.")]) == 1
    ids = [finding.id for finding in diagnose(good, CATALOG)]
    assert f"traffic.outcome.{name}" not in ids


def test_outcome_rules_are_all_tested() -> None:
    tested = {f"traffic.outcome.{name}" for name, *_ in FAULTS}
    conditions = {c.id for c in CATALOG.conditions_of("traffic") if "traffic.outcome." in c.id}
    assert tested == conditions
    assert len(RULES) + len(words.RULES) == len(conditions)


def test_outcome_findings_failed_session_has_no_second_error() -> None:
    session = listen().speak(5).app(END).wait(3).close(1011, "NET-0001", by="server")
    findings = diagnose(session, CATALOG)
    assert findings[0].id == "deepgram.listen.NET-0001"
    assert not [f.id for f in findings if f.id.startswith("traffic.outcome.")]


def test_outcome_findings_error_message_explains_missing_words() -> None:
    error = {"type": "error", "error": {"type": "server_error", "message": "It failed."}}
    session = openai().speak(5, template=OPENAI_APPEND).server(error).wait(3).close()
    findings = diagnose(session, CATALOG)
    assert findings[0].severity == "error"
    assert not [f.id for f in findings if f.id.startswith("traffic.outcome.")]
    found = outcome(session, findings)
    assert found is not None
    assert (found.kind, found.reason) == ("failed", findings[0].title)


def test_outcome_findings_last_message_is_an_error_that_no_finding_hides() -> None:
    """Evidence that only names the server's last message is not about it."""
    error = {"type": "error", "code": "x", "message": "ValueError", "params": "Two rates: 1, 2"}
    session = openai().speak(5, template=OPENAI_APPEND).server(error).wait(12).close()
    findings = diagnose(session, CATALOG)
    assert any("Two rates: 1, 2" in finding.title for finding in findings)


def test_nothing_sent_server_that_ended_at_once_is_not_blamed_on_the_app() -> None:
    session = openai().app(UPDATE).wait(0.2).close(by="server")
    assert "traffic.outcome.nothing-sent" not in [f.id for f in diagnose(session, CATALOG)]


def test_ended_at_once_unknown_server_that_answered_has_no_evidence() -> None:
    end, answer = {"type": "Terminate"}, {"type": "Termination"}
    asked = SpeechSession(None, None, "/v1/speak").server({"type": "Begin"}).app(end)
    left = asked.close(by="server")
    assert ended_at_once(SessionFacts(left, CATALOG))
    asked = SpeechSession(None, None, "/v1/speak").server({"type": "Begin"}).app(end)
    answered = asked.server(answer).close(by="server")
    assert ended_at_once(SessionFacts(answered, CATALOG)) == []


def test_outcome_findings_language_of_empty_transcripts_is_shown() -> None:
    path = "/v1/listen?language=ja&encoding=linear16&sample_rate=16000"
    talk = SpeechSession("deepgram", "listen", path)
    session = talk.speak(5).server(dg_result("")).app(END).server(METADATA).close(by="server")
    first, *_ = diagnose(session, CATALOG)
    assert first.evidence[0].text.endswith("; the language is set to ja")


def test_outcome_rules_session_without_timeline_have_no_evidence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = transcripts("")
    monkeypatch.setattr(Session, "timeline", None)
    assert not [f.id for f in diagnose(session, CATALOG) if "traffic.outcome" in f.id]


# -- outcomes


@pytest.mark.parametrize(
    ("session", "kind", "reason"),
    [
        (transcripts("good morning"), "succeeded", "s of speech, 2 words"),
        (transcripts(""), "unproven", "s of speech, 0 words"),
        (transcripts("", quiet=True), "unproven", "5.0 s of audio without audible speech"),
        (listen().close(), "unproven", "no audio sent, 0 words"),
        (listen().speak(1).close(1011, "NET", by="server"), "failed", "by the server with 1011"),
        (response(response_done("failed", **ERROR)), "failed", "failed: The server had an error."),
        (cartesia(), "failed", "done did not come"),
        (cartesia(CARTESIA_DONE), "succeeded", "0.5 s of audio received"),
        (gemini(gemini_turn()), "succeeded", "s of audio received"),
        (response(response_done("completed", output=[])), "unproven", "0 words, no audio received"),
        (response(response_done("completed")), "succeeded", "0 words"),
        (SpeechSession(None, None).app("hello").server("hello").close(), "unproven", "unknown"),
    ],
)
def test_outcome_of_session_is_proven_or_says_what_is_missing(
    session: Session, kind: str, reason: str
) -> None:
    found = outcome_of(session)
    assert found.kind == kind
    assert reason in found.reason


def file_at_once(*, results_after: float) -> SessionFacts:
    """60 s of speech are sent in 3 s, and all of it is transcribed after this time."""
    session = listen()
    data = spoken(60.0)
    for start in range(0, len(data), 32_000):
        session.app(data[start : start + 32_000]).wait(0.05)
    session.wait(results_after).server(dg_result("good morning", start=57.0, duration=3.0))
    return SessionFacts(session.app(END).server(METADATA).close(by="server"), CATALOG)


def test_audio_too_fast_file_that_is_transcribed_at_that_speed_has_no_evidence() -> None:
    assert audio_too_fast(file_at_once(results_after=2.0)) == []


def test_audio_too_fast_file_whose_results_are_late_is_found() -> None:
    [evidence] = audio_too_fast(file_at_once(results_after=50.0))
    assert "60.0 s of audio were sent in" in evidence.text
