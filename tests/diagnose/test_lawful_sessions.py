"""Sessions that are lawful and unusual: none of them has an error or a warning."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from agent_talks import APPEND, GeminiTalk, Talk
from audio_samples import mulaw
from speech_sessions import CATALOG, END, METADATA, SpeechSession, dg_result, spoken
from wsproxy.diagnose import diagnose
from wsproxy.session import Session

Json = dict[str, Any]
HINDI = "मेरा पार्सल कहाँ है?"
MULTI = "/v1/text-to-speech/v/multi-stream-input?model_id=m&output_format=pcm_16000"
LISTEN = "/v1/listen?encoding=linear16&sample_rate=16000&interim_results=true"
STREAM = {"streamSid": "MZ1"}


# -- voice agents


def bilingual_user() -> Session:
    """The agent keeps to English, whatever it is asked in."""
    talk = Talk({"input_audio_transcription": {"model": "m"}})
    for heard in ("Where is my parcel?", HINDI, "Thank you very much."):
        talk.user().heard(heard).answer(1.5, "It will be with you this afternoon.").quiet(2)
    return talk.close()


def interpreter() -> Session:
    talk = GeminiTalk({"inputAudioTranscription": {}, "outputAudioTranscription": {}})
    for heard, said in (("Where is it?", "वह कहाँ है?"), (HINDI, "Where is my parcel?")):
        talk.user().content(inputTranscription={"text": heard})
        talk.answer(1.5, said).quiet(2)
    return talk.close()


def long_pauses() -> Session:
    talk = Talk().user().answer(2.0, "Good morning.").quiet(60)
    return talk.user().answer(2.0, "It is ten o'clock.").quiet(12).close()


def push_to_talk() -> Session:
    """The app ends the turns, and sends no audio between them."""
    talk = Talk({"turn_detection": None})
    for _ in range(3):
        talk.user(2.0, 0.0).app({"type": "input_audio_buffer.commit"})
        talk.create().answer(1.5, "All right.").wait(8)
    return talk.close()


def text_only_agent() -> Session:
    session = SpeechSession("openai", "realtime")
    settings = {"type": "realtime", "output_modalities": ["text"]}
    session.server({"type": "session.created", "session": {"id": "s"}})
    session.app({"type": "session.update", "session": settings})
    session.server({"type": "session.updated", "session": settings})
    for _ in range(2):
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "?"}]}
        session.app({"type": "conversation.item.create", "item": item})
        session.app({"type": "response.create"}).wait(0.5)
        session.server({"type": "response.created", "response": {"id": "r"}})
        session.server({"type": "response.output_text.done", "text": "Good morning."})
        session.server({"type": "response.done", "response": {"id": "r", "status": "completed"}})
        session.wait(5)
    return session.close()


def settings_before_the_session() -> Session:
    """The app sends its settings at once: the description of the session crosses them."""
    session = SpeechSession("openai", "realtime")
    form = {"type": "audio/pcm", "rate": 16_000}
    audio = {"input": {"format": form}, "output": {"format": form}}
    vad = {"type": "server_vad", "threshold": 0.8}
    mine = {"type": "realtime", "audio": audio, "turn_detection": vad}
    first = {"id": "s", "turn_detection": {"type": "server_vad", "threshold": 0.5}}
    session.app({"type": "session.update", "session": mine})
    session.server({"type": "session.created", "session": first})
    session.server({"type": "session.updated", "session": {**first, **mine}})
    session.speak(1.5, template=APPEND).speak(0.6, quiet=True, template=APPEND)
    return _answered(session).close()


def settings_one_after_the_other() -> Session:
    """Two changes are under way at a time, and each is described by an answer of its own."""
    talk = Talk().user().answer().quiet(3)
    one, two = ({"turn_detection": {"threshold": value}} for value in (0.6, 0.8))
    talk.app({"type": "session.update", "session": one})
    talk.app({"type": "session.update", "session": two})
    talk.server({"type": "session.updated", "session": one})
    talk.server({"type": "session.updated", "session": two})
    return talk.user().answer().quiet(3).close()


def slow_function() -> Session:
    return Talk().user().call(12.0).answer(2.0, "It is on its way.").quiet(3).close()


def language_lesson() -> Session:
    """The user says again what the agent has said, as it asks for."""
    talk = Talk()
    for text in ("The parcel is on the table.", "The weather is very nice today."):
        talk.answer(3.0, text).quiet(4).user(2.5).heard(text)
    return talk.answer(1.0, "Well done.").quiet(2).close()


def long_number() -> Session:
    talk = Talk().user().answer(9.0, "Your number is 8839201745512.")
    return talk.quiet(12).close()


def abbreviation_at_the_end() -> Session:
    talk = Talk().user().answer(2.0, "You will be seen by Dr. Anna Smith of Hasselt")
    return talk.quiet(3).close()


def two_answers_and_a_late_barge_in() -> Session:
    """An answer waits until the one before it has been played."""
    talk = Talk().user().answer(6.0, "One moment, please.").answer(6.0, "Here it is.").quiet(9.0)
    talk.user(1.0, 0.2)
    item = {"type": "conversation.item.truncate", "item_id": "i", "audio_end_ms": 3500}
    talk.app(item)
    return talk.quiet(0.4).answer(1.0, "Yes?").quiet(3).close()


def seldom_early() -> Session:
    """In a long conversation, the agent answered twice while the user made a pause."""
    talk = GeminiTalk()
    for number in range(14):
        if number in (3, 9):
            talk.user(1.2, 0.6).audio(0.4).quiet(0.2)
            talk.user(1.0, 0.0).content(interrupted=True)
            talk.quiet(0.8).answer().quiet(2.5)
        talk.user().answer().quiet(2.0)
    return talk.close()


def muted_for_a_while() -> Session:
    return GeminiTalk().user().answer(2.0).quiet(40).user().answer(2.0).quiet(3).close()


# -- speech to text


def bilingual_dictation() -> Session:
    session = SpeechSession("deepgram", "listen", f"{LISTEN}&language=multi&endpointing=false")
    for text in ("Where is my parcel?", HINDI):
        start = session.t
        session.speak(2.0).server(dg_result(text, start=start, duration=2.0))
    return session.app(END).server(METADATA).close(by="server")


def push_to_talk_dictation() -> Session:
    """The app asks for the words when the button is released, and sends silence after it."""
    session = SpeechSession("deepgram", "listen", LISTEN)
    for text in ("Good morning.", "Thank you."):
        start = session.t
        session.speak(2.0).app('{"type": "Finalize"}')
        final = dg_result(text, start=start, duration=2.0)
        session.server(final[:-1] + ', "speech_final": false, "from_finalize": true}')
        session.speak(12.0, quiet=True)
    return session.app(END).server(METADATA).close(by="server")


# -- speech output


def several_contexts() -> Session:
    """Contexts are closed one by one; the last of them end with the connection."""
    session = SpeechSession("elevenlabs", "tts-multi", MULTI)
    for number in range(8):
        name = f"c{number}"
        session.app({"text": "Good morning. ", "context_id": name, "flush": True}).wait(0.3)
        session.server({"audio": base64.b64encode(spoken(0.8)).decode(), "contextId": name})
        if number < 5:
            session.app({"context_id": name, "close_context": True})
            session.server({"isFinal": True, "contextId": name})
        session.wait(2)
    return session.close()


def cancelled_text() -> Session:
    """The user interrupts an answer before it is spoken."""
    session = SpeechSession("cartesia", "tts")
    output = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}
    for name in ("a", "b", "c"):
        text = {"context_id": name, "transcript": "Good morning.", "output_format": output}
        session.app({**text, "continue": False}).wait(0.2)
        if name == "b":
            session.app({"context_id": name, "cancel": True}).wait(7)
            continue
        data = base64.b64encode(spoken(0.8)).decode()
        session.server({"type": "chunk", "context_id": name, "data": data, "done": False})
        session.server({"type": "done", "context_id": name, "done": True}).wait(2)
    return session.close()


# -- telephone


def call_with_barge_in() -> Session:
    session = SpeechSession(None, None)
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    session.app({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    start = {**STREAM, "tracks": ["inbound"], "mediaFormat": form}
    session.app({"event": "start", **STREAM, "start": start})
    for _ in range(3):
        session.server(_media(spoken(5.0, 8000)))
        session.server({"event": "mark", **STREAM, "mark": {"name": "end"}})
        _caller(session, bytes(16_000))
        _caller(session, spoken(1.5, 8000))
        session.server({"event": "clear", **STREAM})
        session.app({"event": "mark", **STREAM, "mark": {"name": "end"}})
        _caller(session, bytes(16_000))
    session.app({"event": "stop", **STREAM, "stop": {"callSid": "CA1"}})
    return session.close()


def _media(data: bytes) -> Json:
    payload = base64.b64encode(mulaw(data)).decode()
    return {"event": "media", **STREAM, "media": {"payload": payload}}


def _caller(session: SpeechSession, data: bytes) -> None:
    for start in range(0, len(data), 320):
        session.app(_media(data[start : start + 320])).wait(0.019)


def _answered(session: SpeechSession) -> SpeechSession:
    session.server({"type": "response.created", "response": {"id": "r"}})
    delta = base64.b64encode(spoken(1.0)).decode()
    session.server({"type": "response.output_audio.delta", "delta": delta})
    done = {"type": "response.done", "response": {"id": "r", "status": "completed"}}
    return session.server(done).speak(2.0, quiet=True, template=APPEND)


SESSIONS: list[Callable[[], Session]] = [
    bilingual_user,
    interpreter,
    long_pauses,
    push_to_talk,
    text_only_agent,
    settings_before_the_session,
    settings_one_after_the_other,
    slow_function,
    language_lesson,
    long_number,
    abbreviation_at_the_end,
    two_answers_and_a_late_barge_in,
    seldom_early,
    muted_for_a_while,
    bilingual_dictation,
    push_to_talk_dictation,
    several_contexts,
    cancelled_text,
    call_with_barge_in,
]


@pytest.mark.parametrize("build", SESSIONS, ids=lambda build: build.__name__)
def test_lawful_session_has_no_problem(build: Callable[[], Session]) -> None:
    session = build()

    findings = diagnose(session, CATALOG)

    assert [(f.id, [e.text for e in f.evidence]) for f in findings if f.is_problem] == []
