"""Calls: the telephone service is the client, the app its server."""

from __future__ import annotations

from typing import Any

import pytest

from audio_samples import mulaw
from speech_sessions import CATALOG, SpeechSession, spoken
from wsproxy.catalog.server_sentence import ServerSentence
from wsproxy.diagnose import RULES, SessionFacts, summary
from wsproxy.diagnose.error_classes import classify
from wsproxy.diagnose.headline import server_said

FORM = {"encoding": "audio/x-mulaw", "sampleRate": 8000}
CALLS: dict[str, Any] = {
    "Twilio": {"event": "start", "start": {"mediaFormat": FORM}},
    "Telnyx": {"event": "start", "start": {"media_format": FORM}},
    "without a start": {"event": "media", "media": {"payload": "/v//"}},
    "Vonage": {"event": "websocket:connected", "content-type": "audio/l16;rate=16000"},
    "Asterisk": "MEDIA_START connection_id:a channel:b format:ulaw",
    "jambonz": {"type": "session:new", "msgid": "m1"},
}
OTHERS: dict[str, Any] = {
    "a setup": {"type": "start", "format": "pcm"},
    "a text": {"text": "Good morning."},
    "another start": {"event": "start", "start": {"language": "en"}},
    "a word": "EOS",
    "a list": "[1, 2]",
}


@pytest.mark.parametrize("name", CALLS)
def test_summary_of_a_call_names_the_telephone_service(name: str) -> None:
    session = SpeechSession(None, None).app(CALLS[name]).close()

    assert SessionFacts(session, CATALOG).is_call
    assert summary(session, CATALOG).startswith("The telephone service closed")


@pytest.mark.parametrize("name", OTHERS)
def test_summary_of_another_session_names_the_app(name: str) -> None:
    session = SpeechSession(None, None).app(OTHERS[name]).close()

    assert not SessionFacts(session, CATALOG).is_call
    assert summary(session, CATALOG).startswith("The app closed")


def test_call_of_a_known_api_is_none() -> None:
    session = SpeechSession("openai", "realtime").app(CALLS["Twilio"]).close()

    assert not SessionFacts(session, CATALOG).is_call


@pytest.mark.parametrize(
    ("api", "name"), [(("elevenlabs", "tts"), "message"), (("elevenlabs", "stt"), "format")]
)
def test_sentence_about_a_form_is_of_audio_only_where_the_app_sends_some(
    api: tuple[str, str], name: str
) -> None:
    words = "Could not parse input message, make sure it is a json."
    kind = classify(ServerSentence(words, "message"))
    assert kind is not None and kind.id == "format"
    session = SpeechSession(*api).app({"text": "Good morning."})
    session.server({"message": words, "error": "invalid_input_message", "code": 1008})

    said = server_said(SessionFacts(session.close(by="server"), CATALOG))

    assert said is not None and said.kind is not None
    assert said.kind.id == name


def test_audio_of_an_app_in_a_call_is_named_as_the_app_s() -> None:
    session = SpeechSession(None, None).app(CALLS["Vonage"])
    session.server(mulaw(spoken(2.0, 16_000))).wait(2)

    [evidence] = [
        each
        for rule in ("call_other_samples", "server_other_samples")
        for each in SessionFacts(session.close(), CATALOG).measured(RULES[rule])
    ]

    assert evidence.text.startswith("the app's audio is")
