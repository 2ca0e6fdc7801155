"""The kind of error that a server's sentence describes."""

from __future__ import annotations

import pytest

from wsproxy.catalog.server_sentence import ServerSentence
from wsproxy.diagnose.error_classes import classify, error_classes


@pytest.mark.parametrize(
    "text, name",
    [
        ("Client sent audio too fast", "pace"),
        ("Audio Transmission Rate Exceeded: Received 0.6 sec. audio in 0.1 sec", "pace"),
        ("Too many requests, slow down", "rate-limit"),
        ("No speech detected for 30s.", "silence"),
        ("No audio data was received for 30s.", "timeout"),
        ("session_expired", "session-limit"),
        ("Your session hit the maximum duration of 60 minutes.", "session-limit"),
        ("Session timed out.", "timeout"),
        ("Idle timeout", "timeout"),
        ("invalid_request", "request"),
        ("invalid_request_error", "request"),
        ("Missing required parameter: 'session.type'.", "parameter"),
    ],
)
def test_classify_sentence_has_the_class_of_its_words(text: str, name: str) -> None:
    kind = classify(ServerSentence(text, "message"))

    assert kind is not None
    assert kind.id == name


@pytest.mark.parametrize("name", ["BadRequestException", "invalid_request_error", "Bad Request"])
def test_classify_name_that_only_blames_the_request_names_no_parameter(name: str) -> None:
    kind = classify(ServerSentence("Unexpected WebSocket frame received.", "message", (name,)))

    assert kind is not None
    assert kind.id == "request"


def test_error_classes_advice_to_wait_fits_their_retry() -> None:
    for each in error_classes():
        advice = " ".join(str(remedy) for remedy in each.remedies).lower()
        if each.retry == "fix-first":
            assert "retry with" not in advice, each.id
        if each.retry in ("yes", "wait"):
            assert each.retry_note or "delay" in advice, each.id
