"""Fields that the catalog names as content are exempt from heuristics, wherever they are nested."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from wsproxy.catalog import load
from wsproxy.catalog.envelope import wrap
from wsproxy.redact import HeadRedactor, SessionRedactor
from wsproxy.trace import FrameRecord, Record, Request

pytestmark = pytest.mark.one_python

CATALOG = load()
REDACT = HeadRedactor(CATALOG.credentials, b"key" * 11, CATALOG.key_shapes)
KEY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"

# Texts that a heuristic for shape, entropy or words in prose takes for credentials elsewhere.
TEXTS = (
    "0123456789" * 4,
    "0123456789abcdef" * 2,
    "Zk3vQ9xT7mB2nR8sW4yH6jL1pD5f",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "password: hunter2!x, api_key = q7Q8w9E1r2",
    "https://user:pa55word@host/x",
    "AKIAIOSFODNN7EXAMPLE",
    "[noise] sk_live_4eC39HqLyjWDarjtT1zdp7dc",
)


def content_paths() -> Iterator[tuple[str, str, str]]:
    """(API, its envelope, dotted path) of each field with content."""
    for provider in CATALOG.providers:
        for api in provider.apis:
            paths = (*api.transcripts, api.vocabulary.text, *api.audio.fields, *api.content)
            for path in filter(None, paths):
                yield f"{provider.id}.{api.name}", api.envelope, path


PATHS = {f"{name} {path}": (envelope, path) for name, envelope, path in content_paths()}


def nested(path: str, value: str) -> object:
    """A value at a dotted path."""
    found: object = value
    for name in reversed(path.split(".")):
        found = [found] if name in ("*", "0") else {name: found}
    return found


def stored(payload: str | bytes) -> bytes:
    """A message of the client, as it is recorded after a request with a key."""
    redactor = SessionRedactor(REDACT)
    head = [["Authorization", f"Token {KEY}"]]
    redactor(Request(0, "GET", "wss", "api.deepgram.com", 443, "/v1/listen", headers=head))
    is_text = isinstance(payload, str)
    data = payload.encode() if isinstance(payload, str) else payload
    return payload_of(redactor(FrameRecord(0, True, 1 if is_text else 2, data)))


def payload_of(record: Record) -> bytes:
    assert isinstance(record, FrameRecord)
    return record.payload


@pytest.mark.sweep(kind=lambda name: PATHS[name][0], keep=8)
@pytest.mark.parametrize("name", PATHS)
def test_redactor_content_field_at_any_nesting_stays(name: str) -> None:
    envelope, path = PATHS[name]
    for text in TEXTS:
        inner = nested(path, text)
        forms = [
            inner,
            [inner],
            {"session": [inner]},
            {"x": json.dumps(inner)},
            {"x": json.dumps({"y": json.dumps(inner)})},
            {"tokens": [inner]},
            {"key": inner},
        ]
        for form in forms:
            message = json.dumps(form)
            assert stored(message) == message.encode()
        if envelope:
            assert isinstance(inner, dict)
            kind = {"Path": "x", ":message-type": "event", ":event-type": "TranscriptEvent"}
            packed = wrap(envelope, json.dumps({**kind, **inner}))
            assert stored(packed) == (packed.encode() if isinstance(packed, str) else packed)


@pytest.mark.parametrize("name", PATHS)
def test_redactor_known_key_in_content_field_is_redacted(name: str) -> None:
    message = json.dumps(nested(PATHS[name][1], f"my key is {KEY} and so on"))
    assert stored(message) == message.replace(KEY, "REDACTED").encode()


@pytest.mark.parametrize(
    "message",
    [
        {"type": "Speak", "voice": "sk_live_4eC39HqLyjWDarjtT1zdp7dc"},
        {"headers": [{"name": "x", "value": "sk_live_4eC39HqLyjWDarjtT1zdp7dc"}], "elements": []},
        {"api_key": {"text": "q7Q8w9E1r2"}},
        {"tokens": [{"secret": {"text": "q7Q8w9E1r2"}}]},
        {"tokens": [{"start_ms": 5, "secret": {"data": "q7Q8w9E1r2"}}]},
        {"text": json.dumps({"api_key": "q7Q8w9E1r2"})},
        {"text": json.dumps([{"api_key": "q7Q8w9E1r2"}])},
        {"tokens": ["sk_live_4eC39HqLyjWDarjtT1zdp7dc"]},
    ],
)
def test_redactor_credential_beside_content_is_redacted(message: object) -> None:
    kept = stored(json.dumps(message))
    assert b"REDACTED" in kept
    assert b"q7Q8w9E1r2" not in kept
    assert b"sk_live" not in kept


def test_redactor_secret_of_nested_container_does_not_outlive_it() -> None:
    message = '{"tokens": [{"secret": {"a": "q7Q8w9E1r2"}}, {"text": "hello there"}]}'
    assert stored(message) == message.replace("q7Q8w9E1r2", "REDACTED").encode()
