"""Audio in a form that the API does not take, and what looks like it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import pytest

from audio_samples import PCM, Api, SentMessage, facts_of, listen
from wsproxy.diagnose.rules import carriers, likely_causes
from wsproxy.diagnose.session_facts import Measure

LISTEN = listen("encoding=linear16&sample_rate=16000")
REALTIME = ("openai", "realtime", "/v1/realtime?model=gpt-realtime")
CHUNKS = [PCM[at : at + 3200] for at in range(0, 32_000, 3200)]
BASE64 = [base64.b64encode(chunk).decode() for chunk in CHUNKS]
BASE64_JSON = [json.dumps({"audio": text}) for text in BASE64]
TWILIO = [
    json.dumps({"event": "media", "media": {"track": "inbound", "payload": text}})
    for text in BASE64
]
BUFFERS = [json.dumps({"type": "Buffer", "data": list(chunk)}) for chunk in CHUNKS]
APPENDS = [json.dumps({"type": "input_audio_buffer.append", "audio": text}) for text in BASE64]

OTHER_FIELD = [json.dumps({"type": "audio", "data": text}) for text in BASE64]
OBJECTS = ["[object Blob]"] * 10
EMPTY = ["{}"] * 10
FROM_TWILIO = "10 messages with Twilio's media messages"
WITHOUT_MEANING = "10 text messages that the API does not have"

SHOWN: list[tuple[Measure, Api, Sequence[SentMessage], str]] = [
    (carriers.twilio_forwarded, LISTEN, TWILIO, FROM_TWILIO),
    (carriers.twilio_forwarded, REALTIME, TWILIO, FROM_TWILIO),
    (carriers.numbers_for_audio, LISTEN, BUFFERS, "10 messages with a Buffer or typed array"),
    (carriers.object_for_audio, LISTEN, OBJECTS, "10 messages with the name of an object"),
    (carriers.base64_for_audio, LISTEN, BASE64, "10 messages with base64 as text"),
    (carriers.base64_for_audio, LISTEN, BASE64_JSON, "10 messages with base64 in JSON"),
    (carriers.binary_for_json, REALTIME, CHUNKS, "10 messages with bytes in place of the audio"),
    (carriers.other_field, REALTIME, OTHER_FIELD, "10 messages with the audio in data; the API"),
    (carriers.wrong_carrier, REALTIME, OTHER_FIELD, "10 messages with the audio in data; the API"),
    (carriers.texts_for_audio, LISTEN, EMPTY, WITHOUT_MEANING),
    (carriers.wrong_carrier, LISTEN, TWILIO, FROM_TWILIO),
    (carriers.wrong_carrier, LISTEN, EMPTY, WITHOUT_MEANING),
    (carriers.wrong_carrier, REALTIME, CHUNKS, "10 messages with bytes in place of the audio"),
]


@pytest.mark.parametrize("rule, api, messages, text", SHOWN)
def test_carrier_rule_wrong_carrier_is_found_with_first_frame(
    rule: Measure, api: Api, messages: Sequence[SentMessage], text: str
) -> None:
    [evidence] = rule(facts_of(api, messages))
    assert evidence.text.startswith(text)
    assert evidence.frames[0] == 1
    assert evidence.value == 10


@pytest.mark.parametrize("rule", carriers.RULES, ids=lambda rule: rule.__name__)
def test_carrier_rule_good_session_has_no_evidence(rule: Measure) -> None:
    keepalives = ['{"type": "KeepAlive"}'] * 10
    good = [
        facts_of(LISTEN, [*CHUNKS, '{"type": "CloseStream"}']),
        facts_of(LISTEN, keepalives),
        facts_of(LISTEN, ["{}", "hello"]),
        facts_of(REALTIME, APPENDS),
    ]
    assert [rule(facts) for facts in good] == [[]] * len(good)


@pytest.mark.parametrize("messages", [TWILIO, BUFFERS, OBJECTS, EMPTY])
def test_no_audio_is_not_shown_where_something_was_sent_in_its_place(messages: list[str]) -> None:
    assert likely_causes.no_audio(facts_of(LISTEN, messages)) == []


def test_carrier_rules_are_all_tested() -> None:
    assert {rule for rule, *_ in SHOWN} == set(carriers.RULES)
