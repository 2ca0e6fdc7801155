"""Matching sessions to conditions: every condition's own examples, and the near misses."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from each_case import each_case
from wsproxy.catalog import Condition, Example, Hit, candidates, load
from wsproxy.catalog.envelope import json_object
from wsproxy.catalog.examples import (
    ExampleClose,
    ExampleFailure,
    ExampleResponse,
    ExampleSession,
    ExampleText,
    example_session,
)
from wsproxy.catalog.model import GENERIC


def closed(
    provider: str | None,
    api: str | None,
    code: int | None,
    reason: str = "",
    *,
    messages: Sequence[str] = (),
    by: str = "server",
) -> ExampleSession:
    received = [ExampleText(number, text) for number, text in enumerate(messages, 10)]
    close = ExampleClose(99, code, reason, from_client=by == "client")
    return ExampleSession(provider, api, "close", close, by, received=received)


def refused(
    provider: str | None, api: str | None, status: int, body: str = "", **headers: str
) -> ExampleSession:
    names = [[name.replace("_", "-"), value] for name, value in headers.items()]
    answer = ExampleResponse(status, names, body.encode())
    return ExampleSession(provider, api, "refused", response=answer, closed_by="server")


def shown(condition: Condition, example: Example) -> ExampleSession:
    """The session that an example describes."""
    return example_session(condition, example, load())


def by_id(condition: Condition) -> str:
    return condition.id


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.condition.id for hit in hits]


@pytest.mark.one_python
@each_case([c for c in load().conditions if c.examples], by_id)
def test_candidates_examples_match_as_documented(condition: Condition) -> None:
    for example in condition.examples:
        found = ids(candidates(shown(condition, example), load()))
        if example.matches:
            assert found[:1] == [condition.id], example
        else:
            assert condition.id not in found, example


# -- order


def test_candidates_pointer_resolves_to_the_error_message() -> None:
    text = (
        '{"type": "Error", "error_code": 3007,'
        ' "error": "Input duration violation: 20.0 ms. Expected between 50 and 1000 ms"}'
    )
    turn = '{"type": "Turn", "transcript": "hello"}'
    session = closed(
        "assemblyai", "streaming", 3007, "See Error message for details", messages=[turn, text]
    )
    hit = candidates(session, load())[0]
    assert hit.condition.id == "assemblyai.streaming.3007-chunk-duration"
    assert hit.pointer == 99
    assert hit.values == {"ms": "20.0"}
    assert [(fact.name, fact.frame) for fact in hit.facts] == [
        ("message error", 11),
        ("close reason", 99),
    ]


def test_candidates_pointer_without_message_is_generic() -> None:
    session = closed("assemblyai", "streaming", 1008, "See Error message for details")
    assert ids(candidates(session, load())) == ["assemblyai.streaming.see-Error-message"]


def test_candidates_rank_message_before_reason_before_code() -> None:
    text = '{"type": "Error", "error_code": 3006, "error": "Invalid JSON: x"}'
    session = closed(
        "assemblyai", "streaming", 3005, "Session Expired: Maximum session duration exceeded",
        messages=[text],
    )  # fmt: skip
    assert ids(candidates(session, load())) == [
        "assemblyai.streaming.3006-json",
        "assemblyai.streaming.3008-expired",
    ]


def test_candidates_less_specific_hit_is_left_out() -> None:
    """The code alone is 3005-cancelled as well, which the reason has ruled out."""
    reason = "Session Expired: Maximum session duration exceeded"
    found = ids(candidates(closed("assemblyai", "streaming", 3005, reason), load()))
    assert found == ["assemblyai.streaming.3008-expired"]


def test_candidates_newest_error_message_comes_first() -> None:
    first = '{"type": "Error", "error_code": 3006, "error": "Invalid JSON: x"}'
    last = '{"type": "Error", "error_code": 3007, "error": "Input duration violation: 5 ms"}'
    session = closed("assemblyai", "streaming", 3007, messages=[first, last])
    assert ids(candidates(session, load()))[:2] == [
        "assemblyai.streaming.3007-chunk-duration",
        "assemblyai.streaming.3006-json",
    ]


def test_candidates_ignore_messages_after_the_close_frame() -> None:
    session = closed("assemblyai", "streaming", 1000)
    session.received.append(
        ExampleText(100, '{"type": "Error", "error_code": 3006, "error": "Invalid JSON: x"}')
    )
    assert ids(candidates(session, load())) == ["rfc6455.close.1000"]


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[1]", "{", '{"type": {"a": 1}}', '{"error_code": true}', "{" * 100_000]
)
def test_candidates_malformed_messages_match_nothing(text: str) -> None:
    session = closed("assemblyai", "streaming", 1000, messages=[text])
    assert ids(candidates(session, load())) == ["rfc6455.close.1000"]


# -- near misses


@pytest.mark.parametrize(
    "provider, api, code, reason, found",
    [
        ("deepgram", "listen", 1008, "DATA-0000", "deepgram.listen.DATA-0000"),
        ("deepgram", "speak", 1008, "DATA-0000", "deepgram.speak.DATA-0000"),
        ("deepgram", "listen", 1011, "NET-0000", "deepgram.listen.NET-0000"),
        ("deepgram", "speak", 1011, "NET-0000", "deepgram.speak.NET-0000"),
        ("deepgram", "agent", 1011, "NET-0000", "rfc6455.close.1011"),
        ("deepgram", "listen", 1011, "NET-0009", "rfc6455.close.1011"),
        ("deepgram", "listen", 1011, "", "rfc6455.close.1011"),
        ("assemblyai", "streaming", 1011, "NET-0001", "rfc6455.close.1011"),
        ("openai", "realtime", 1008, "DATA-0000", "rfc6455.close.1008"),
        (None, None, 1008, "DATA-0000", "rfc6455.close.1008"),
        ("deepgram", "listen", 3008, "", "rfc6455.close.3008"),
        ("assemblyai", "streaming", 3008, "", "assemblyai.streaming.3008-expired"),
        ("assemblyai", "streaming", 3006, "what?", "assemblyai.streaming.3006"),
        ("assemblyai", "streaming", 3010, "", "rfc6455.close.3000-3999"),
        ("assemblyai", "streaming", 1008, "what?", "rfc6455.close.1008"),
        ("assemblyai", "realtime-v2", 4001, "", "assemblyai.realtime-v2.4001"),
        (None, None, 3000, "", "rfc6455.close.3000"),
        (None, None, None, "", "rfc6455.close.1005"),
    ],
)
def test_candidates_close_code_depends_on_the_provider(
    provider: str | None, api: str | None, code: int | None, reason: str, found: str
) -> None:
    assert ids(candidates(closed(provider, api, code, reason), load()))[0] == found


def test_candidates_ping_timeout_is_of_the_client() -> None:
    session = closed("deepgram", "listen", 1011, "keepalive ping timeout", by="client")
    assert ids(candidates(session, load()))[0] == "rfc6455.client.ping-timeout"


@pytest.mark.parametrize(
    "status, body, headers, found",
    [
        (401, '{"err_code": "INVALID_AUTH"}', {}, "deepgram.upgrade.INVALID_AUTH"),
        (401, "", {"DG_Error": "Invalid credentials."}, "deepgram.upgrade.INVALID_AUTH"),
        (401, '{"category": "invalid-auth"}', {}, "deepgram.upgrade.INVALID_AUTH"),
        (401, "not JSON", {}, "deepgram.upgrade.401"),
        (403, '{"err_code": "INVALID_AUTH"}', {}, "deepgram.upgrade.403"),
        (429, '{"err_code": "Too Many Requests"}', {}, "deepgram.listen.TOO_MANY_REQUESTS"),
        (451, "", {}, "deepgram.upgrade.refused"),
        (301, "", {}, "rfc6455.upgrade.3xx"),
        (200, "hello", {}, "rfc6455.upgrade.2xx"),
    ],
)
def test_candidates_refused_upgrade_matches_status(
    status: int, body: str, headers: dict[str, str], found: str
) -> None:
    session = refused("deepgram", "listen", status, body, **headers)
    assert ids(candidates(session, load()))[0] == found


def test_candidates_plain_http_answer_matches_conditions_of_http() -> None:
    session = refused("deepgram", None, 401, '{"err_code": "INVALID_AUTH"}')
    session.ending = "http"
    assert ids(candidates(session, load()))[0] == "deepgram.upgrade.INVALID_AUTH"


def test_refusal_of_another_provider_is_generic() -> None:
    session = refused("openai", "realtime", 401, '{"err_code": "INVALID_AUTH"}')
    assert ids(candidates(session, load()))[0] == "rfc6455.upgrade.401"


@pytest.mark.parametrize("ending", ["stopped", "unfinished"])
def test_candidates_open_session_matches_nothing(ending: str) -> None:
    assert candidates(ExampleSession("deepgram", "listen", ending), load()) == []


def test_failure_of_an_unknown_kind_matches_nothing() -> None:
    session = ExampleSession(
        None, None, "failed", failure=ExampleFailure("moon"), closed_by="server"
    )
    assert candidates(session, load()) == []


def test_hit_facts_name_the_values_of_the_session() -> None:
    hit = candidates(closed("deepgram", "listen", 1011, "NET-0001"), load())[0]
    assert [(fact.name, fact.value, fact.frame) for fact in hit.facts] == [
        ("close code", "1011", 99),
        ("close reason", "NET-0001", 99),
    ]
    assert hit.stage == "reason"


# -- near misses, made from every example that matches


def positive(condition: Condition) -> list[Example]:
    return [example for example in condition.examples if example.matches]


OF_PROVIDERS = each_case(
    [c for c in load().conditions if c.provider != GENERIC and positive(c)], by_id
)


@pytest.mark.one_python
@OF_PROVIDERS
def test_candidates_example_of_another_provider_does_not_match(condition: Condition) -> None:
    for example in positive(condition):
        for other in ("xai", "rime", None):
            session = shown(condition, example)
            session.provider = other
            assert condition.id not in ids(candidates(session, load())), (example, other)


@pytest.mark.one_python
@OF_PROVIDERS
def test_candidates_example_on_another_api_does_not_match(condition: Condition) -> None:
    provider = load().provider(condition.provider)
    assert provider is not None
    others = [a.name for a in provider.apis if condition.apis and a.name not in condition.apis]
    for example in positive(condition):
        for name in others:
            session = shown(condition, replace(example, api=name))
            assert condition.id not in ids(candidates(session, load())), (example, name)


@pytest.mark.one_python
@OF_PROVIDERS
def test_candidates_another_text_does_not_match(condition: Condition) -> None:
    """The letters of all texts turned by 13: what rests on a text is not found."""
    for example in positive(condition):
        session = shown(condition, turned(example))
        hits = [hit for hit in candidates(session, load()) if hit.condition.id == condition.id]
        assert all(rests_on_a_number(hit) for hit in hits), example


def rests_on_a_number(hit: Hit) -> bool:
    """A code, a status or an ending, and no words; or any words at all."""
    match = hit.match
    named = [*match.fields, *match.body, *match.headers, *match.sent]
    patterns = [p for p in (match.reason, match.error, match.body_text, match.request) if p]
    words = [p.pattern for p in patterns] + [p.pattern for _, p in named]
    anything = r"\.|\.\+|\(\?P<\w+>\.\+\)"
    return all(re.fullmatch(rf"{anything}|\^\\d\S*\$|\^\d+\$", word) for word in words)


def turned(example: Example) -> Example:
    def turn(text: str) -> str:
        return codecs.encode(text, "rot13")

    def turn_json(text: str) -> str:
        """The values alone: the names of the fields stay."""
        content = json_object(text)
        return json.dumps(turn_values(content)) if content is not None else turn(text)

    def turn_values(value: object) -> object:
        if isinstance(value, dict):
            return {name: turn_values(item) for name, item in value.items()}
        return turn(value) if isinstance(value, str) else value

    close, refused = example.close, example.refused
    return replace(
        example,
        message=turn_json(example.message),
        sent=turn_json(example.sent),
        close=close and replace(close, reason=turn(close.reason)),
        refused=refused
        and replace(
            refused,
            body=turn_json(refused.body),
            headers=tuple((name, turn(value)) for name, value in refused.headers),
        ),
        request=turn(example.request),
    )


@pytest.mark.one_python
@OF_PROVIDERS
def test_candidates_another_number_does_not_match(condition: Condition) -> None:
    """A close code or a status that the condition has nothing about, and no message."""
    for example in positive(condition):
        if example.close is not None and not example.message:
            other = replace(example, close=replace(example.close, code=unused_code(condition)))
        elif example.refused is not None:
            other = replace(example, refused=replace(example.refused, status=299))
        else:
            continue
        hits = candidates(shown(condition, other), load())
        # A reason that is enough by itself may come with any code.
        assert all(
            hit.match.code is None and hit.match.status is None
            for hit in hits
            if hit.condition.id == condition.id
        ), example


def unused_code(condition: Condition) -> int:
    ranges = [match.code for match in condition.matches if match.code is not None]
    return next(n for n in range(4999, 999, -1) if not any(n in r for r in ranges))
