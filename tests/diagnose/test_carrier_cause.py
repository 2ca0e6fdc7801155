"""A failure for want of audio names what the app sent instead."""

from __future__ import annotations

import base64
import json
from itertools import chain

import pytest

from speech_sessions import SpeechSession, spoken
from wsproxy.catalog import load
from wsproxy.diagnose import Finding, carrier_cause, diagnose
from wsproxy.diagnose.rules import RULES
from wsproxy.report import other_findings

CATALOG = load()
WAITED = "Deepgram did not receive audio data or a text message within the timeout window."


def findings(*texts: str) -> list[Finding]:
    talk = SpeechSession("deepgram", "listen")
    for text in texts:
        talk.app(text).wait(0.1)
    return diagnose(talk.wait(10).close(1011, WAITED, by="server"), CATALOG)


def base64_texts() -> list[str]:
    audio = spoken(3.0)
    return [base64.b64encode(audio[at : at + 3200]).decode() for at in range(0, len(audio), 3200)]


def twilio_texts() -> list[str]:
    return [
        json.dumps({"event": "media", "media": {"payload": text[:216]}}) for text in base64_texts()
    ]


@pytest.mark.parametrize(
    ("texts", "title", "evidence"),
    [
        (base64_texts(), "the audio was sent as base64 in text messages", "texts in base64"),
        (twilio_texts(), "Twilio's media messages were passed on unchanged", "Twilio's media"),
    ],
)
def test_failure_without_audio_is_titled_by_its_carrier(
    texts: list[str], title: str, evidence: str
) -> None:
    first, *others = findings(*texts)
    assert first.id == "deepgram.listen.NET-0001"
    assert first.title.startswith(f"No audio reached Deepgram in time: {title}")
    assert evidence in first.evidence[0].text
    assert first.retry == "fix-first"
    assert not [each for each in others if "carrier" in each.id or "text-as-audio" in each.id]


def test_failure_after_keepalives_keeps_its_title() -> None:
    first, *_ = findings('{"type": "KeepAlive"}', '{"type": "KeepAlive"}')
    assert first.title == "No audio reached Deepgram in time"
    assert first.retry != "fix-first"


def test_rules_named_in_the_program_exist() -> None:
    following = other_findings._FOLLOWING
    named = {*carrier_cause._FINDINGS, *following, *chain.from_iterable(following.values())}
    assert named <= RULES.keys()
