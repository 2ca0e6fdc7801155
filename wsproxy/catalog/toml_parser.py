"""Converts TOML tables to the objects of `model`, and checks what can be checked in one file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .dialogue import Answer, Dialogue
from .envelope import ENVELOPES
from .exchange import NO_EXCHANGE
from .exchange_parser import exchange
from .model import (
    CONFIDENCES,
    KINDS,
    RETRIES,
    SEVERITIES,
    Api,
    ApiLimits,
    Audio,
    ClosePattern,
    Condition,
    CredentialPlaces,
    Example,
    Match,
    Pattern,
    Provider,
    Refusal,
    RequestIds,
    Simulate,
    Source,
    Vocabulary,
)
from .parameter_parser import parameter
from .promise_parser import promise
from .success import (
    NO_RESULT_PATHS,
    NO_SUCCESS,
    ExpectedAnswer,
    MessagePattern,
    ObjectState,
    ResultPaths,
    Success,
)
from .toml_table import Table

SCHEMA = 1
_REFUSALS = ("refused", "http")
_ID = re.compile(r"[a-z0-9_]+(\.[A-Za-z0-9_-]+){2}")

T = TypeVar("T")


# -- a provider, which precedes the conditions


def read_head(root: Table, file: Path | None) -> tuple[str, Provider | None]:
    """Read the provider's id, and the provider if the file describes it."""
    schema = root.take("schema", int)
    if schema != SCHEMA and root.valid:
        root.mistake("schema", f"is {schema}; this wsproxy reads {SCHEMA}")
    name = root.take("provider", str)
    if name and not re.fullmatch("[a-z0-9_]+", name):
        root.mistake("provider", f"{name!r}: lower-case letters, digits and _ only")
    provider = None if root.empty else _provider(root, name, file)
    root.done()
    return name, provider


def _provider(root: Table, name: str, file: Path | None) -> Provider:
    recognize = root.table("recognize", old="recognise")
    hosts, names = _optional(recognize, _hosts_and_names) or ((), ())
    return Provider(
        id=name,
        name=root.take("name", str),
        hosts=hosts,
        apis=tuple(table.read(_api) for table in root.tables("api")),
        credentials=_optional(root.table("credentials"), _credentials) or CredentialPlaces(),
        request_ids=_optional(root.table("request_ids"), _request_ids) or RequestIds(),
        names=names,
        file=file,
    )


def _hosts_and_names(table: Table) -> tuple[tuple[Pattern, ...], tuple[tuple[str, Pattern], ...]]:
    return table.patterns("hosts"), table.named_patterns("names")


def _optional(table: Table | None, make: Callable[[Table], T]) -> T | None:
    return None if table is None else table.read(make)


def _api(table: Table) -> Api:
    return Api(
        name=table.take("name", str),
        title=table.take("title", str),
        hosts=table.patterns("hosts"),
        paths=table.patterns("paths"),
        url=table.take("url", str, ""),
        self_hosted=table.take("self_hosted", bool, False),
        envelope=table.choice("envelope", ENVELOPES, ""),
        audio=_optional(table.table("audio"), _audio) or Audio(),
        limits=_optional(table.table("limits"), _limits) or ApiLimits(),
        vocabulary=_optional(table.table("vocabulary"), _vocabulary) or Vocabulary(),
        dialogue=_optional(table.table("dialogue"), _dialogue),
        transcripts=table.strings("transcripts"),
        content=table.strings("content"),
        result_paths=_optional(table.table("transcript"), _result_paths) or NO_RESULT_PATHS,
        success=_optional(table.table("success"), _success) or NO_SUCCESS,
        parameters=tuple(each.read(parameter) for each in table.tables("parameter")),
        documented=_optional(table.table("documented"), _documented) or (),
        promises=tuple(each.read(promise) for each in table.tables("promise")),
        exchange=_optional(table.table("exchange"), exchange) or NO_EXCHANGE,
    )


def _documented(table: Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((place, table.strings(place)) for place in table.keys)


def _success(table: Table) -> Success:
    return Success(
        proof=table.strings("proof"),
        answers=tuple(answer.read(_answer) for answer in table.tables("answer")),
        states=tuple(state.read(_state) for state in table.tables("state")),
        words_only=table.message_patterns("words_only"),
        words_model=table.strings("words_model"),
    )


def _answer(table: Table) -> ExpectedAnswer:
    answer = ExpectedAnswer(
        table.message_patterns("after"),
        table.message_patterns("after_server"),
        table.message_patterns("expect"),
        table.message_patterns("unless"),
        table.take("id", str, ""),
    )
    if table.valid and not ((answer.after or answer.after_server) and answer.expect):
        table.mistake("", "needs after or after_server, and expect")
    return answer


def _state(table: Table) -> ObjectState:
    return ObjectState(
        MessagePattern.parse(table.take("message", str)),
        table.take("field", str),
        table.strings("good"),
        table.strings("failed"),
        table.strings("sentence"),
    )


def _result_paths(table: Table) -> ResultPaths:
    return ResultPaths(
        start=table.take("start", str, ""),
        end=table.take("end", str, ""),
        duration=table.take("duration", str, ""),
        unit=table.number("unit", 1.0),
        words=table.take("words", str, ""),
        word=table.take("word", str, "word"),
        word_start=table.take("word_start", str, "start"),
        word_end=table.take("word_end", str, "end"),
        word_confidence=table.take("word_confidence", str, "confidence"),
        confidence=table.take("confidence", str, ""),
        id=table.take("id", str, ""),
        channel=table.take("channel", str, ""),
        of_turn=table.take("of_turn", str, ""),
        ends=table.message_patterns("ends"),
        pause=table.take("pause", str, ""),
        pause_ms=table.number("pause_ms"),
        word_gap=table.strings("word_gap"),
    )


def _limits(table: Table) -> ApiLimits:
    return ApiLimits(
        shortest_chunk=table.number("shortest_chunk"),
        longest_chunk=table.number("longest_chunk"),
        first_audio=table.number("first_audio"),
        silence=table.number("silence"),
        session=table.number("session"),
        pace=table.number("pace"),
        characters=table.take("characters", int, 0),
        message=table.take("message", int, 0),
        flushes=table.take("flushes", int, 0),
    )


def _vocabulary(table: Table) -> Vocabulary:
    manual = table.take("manual_turns", str, "")
    return Vocabulary(
        kind=table.take("kind", str, "type"),
        beside=table.strings("beside"),
        client=table.strings("client"),
        keepalive=table.strings("keepalive"),
        flush=table.strings("flush"),
        end=table.strings("end"),
        ready=table.strings("ready"),
        results=table.strings("results"),
        summary=table.strings("summary"),
        text=table.take("text", str, ""),
        manual_turns=MessagePattern.parse(manual) if manual else None,
        turn_start=table.take("turn_start", str, ""),
        repeats_asked=table.message_patterns("repeats_asked"),
        once=table.strings("once"),
    )


def _dialogue(table: Table) -> Dialogue:
    return Dialogue(
        http=table.take("http", str, ""),
        greeting=table.strings("greeting"),
        setup=table.strings("setup"),
        opening=table.strings("opening"),
        audio=table.take("audio", str, ""),
        say=table.strings("say"),
        acknowledge=table.strings("acknowledge"),
        started=table.strings("started"),
        interim=table.strings("interim"),
        stopped=table.strings("stopped"),
        reply=table.strings("reply"),
        response=table.strings("response"),
        word=table.take("word", str, ""),
        answers=tuple(each.read(_dialogue_answer) for each in table.tables("answer")),
        context=table.take("context", str, ""),
        manual=table.strings("manual"),
        container=table.choice("container", ("wav",), ""),
        asked=_optional(table.table("asked"), _asked) or (),
        mute=table.strings("mute"),
        end=table.strings("end"),
        farewell=table.strings("farewell"),
        close=table.choice("close", ("client", "server", ""), "server"),
    )


def _asked(table: Table) -> tuple[tuple[str, str], ...]:
    names = ("started", "interim", "stopped", "response")
    return tuple((name, table.take(name, str)) for name in names if name in table)


def _dialogue_answer(table: Table) -> Answer:
    return Answer(to=table.take("to", str), messages=table.strings("with"))


def _audio(table: Table) -> Audio:
    return Audio(
        origin=table.choice("from", ("client", "server", "both", "none")),
        carrier=table.choice("carrier", ("binary", "json-base64", "framed"), "binary"),
        encoding_query=table.take("encoding_query", str, ""),
        default_encoding=table.take("default_encoding", str, ""),
        rate_query=table.take("rate_query", str, ""),
        default_rate=table.take("default_rate", int, 0),
        channels_query=table.take("channels_query", str, ""),
        encoding_field=table.take("encoding_field", str, ""),
        rate_field=table.take("rate_field", str, ""),
        channels_field=table.take("channels_field", str, ""),
        fields=table.strings("fields"),
        declared_in=table.take("declared_in", str, ""),
        rates=table.numbers("rates"),
        channels=table.numbers("channels"),
    )


def _credentials(table: Table) -> CredentialPlaces:
    return CredentialPlaces(
        headers=table.names("headers"),
        query=table.names("query"),
        schemes=table.names("schemes"),
        bare=table.take("bare", bool, False),
        shape=table.pattern("shape"),
        subprotocols=table.names("subprotocols"),
        subprotocol_prefixes=table.names("subprotocol_prefixes"),
        message_fields=table.names("message_fields"),
        body_fields=table.names("body_fields"),
        environment=table.strings("environment"),
    )


def _request_ids(table: Table) -> RequestIds:
    return RequestIds(table.names("headers"), table.strings("message_fields"))


# -- a condition


def read_condition(table: Table, provider: Provider) -> Condition:
    if "source" not in table:
        table.mistake("source", "is missing")
    apis = table.strings("apis")
    condition = Condition(
        id=table.take("id", str),
        provider=provider.id,
        apis=apis,
        severity=table.choice("severity", SEVERITIES),
        title=table.take("title", str),
        meaning=table.take("meaning", str),
        causes=table.advice("causes"),
        remedies=table.advice("remedies"),
        retry=table.choice("retry", RETRIES),
        retry_note=table.take("retry_note", str, ""),
        source=_optional(table.table("source"), _source) or Source(""),
        confidence=table.choice("confidence", CONFIDENCES, "high"),
        disagreement=table.take("disagreement", str, ""),
        checks=table.strings("checks"),
        general=table.take("general", bool, False),
        sentence_first=table.take("sentence_first", bool, False),
        intermediary=table.take("intermediary", str, ""),
        matches=tuple(match.read(_match) for match in table.tables("match")),
        simulate=_optional(table.table("simulate"), _simulate),
        examples=tuple(
            example.read(lambda example: _example(example, apis))
            for example in table.tables("example")
        ),
    )
    table.done()
    _check_condition(table, condition, provider)
    return condition


def _check_condition(table: Table, condition: Condition, provider: Provider) -> None:
    named = _ID.fullmatch(condition.id) and condition.id.startswith(f"{provider.id}.")
    if condition.id and not named:
        table.mistake("id", f"{condition.id!r} is not {provider.id}.API.NAME")
    for name in condition.apis:
        if provider.api(name) is None:
            table.mistake("apis", f"{provider.id} has no API {name!r}")
    if not condition.matches:
        table.mistake("match", "is missing")
    measured = any(match.kind == "measured" for match in condition.matches)
    # Measured conditions need complete sessions as examples: those are in the tests.
    if not measured and {example.matches for example in condition.examples} != {True, False}:
        table.mistake("example", "one must match and one must not")


def _source(table: Table) -> Source:
    return Source(
        table.take("document", str), table.take("section", str, ""), table.take("url", str, "")
    )


def _match(table: Table) -> Match:
    kind = table.choice("kind", KINDS)
    values: dict[str, Any] = {}
    match kind:
        case "close":
            values = {
                "code": table.ranges("code"),
                "reason": table.pattern("reason"),
                "closed_by": table.choice("closed_by", ("client", "server"), ""),
            }
        case "message":
            values = {
                "error_code": table.code("error_code"),
                "error": table.pattern("error"),
                "fields": table.named_patterns("fields"),
            }
        case kind if kind in _REFUSALS:
            values = {
                "http": table.take("http", bool, False),
                "status": table.ranges("status"),
                "headers": table.named_patterns("headers"),
                "body": table.named_patterns("body"),
                "body_text": table.pattern("body_text"),
                "without": table.names("without"),
            }
        case "ending":
            values = {
                "ending": table.choice("ending", ("eof", "reset", "failed", "stopped")),
                "by": table.choice("by", ("client", "server"), ""),
                "failed_where": table.pattern("failed_where"),
            }
        case "measured":
            values = {"rule": table.take("rule", str)}
    sent = table.named_patterns(_sent_key(table))
    request, host = table.pattern("request"), table.pattern("host")
    # A key that could not be read is a mistake already.
    if table.valid and not (any(values.values()) or (kind in _REFUSALS and (request or host))):
        table.mistake("", "says nothing to match")
    return Match(kind, sent=sent, request=request, host=host, **values)


def _sent_key(table: Table) -> str:
    """The key of what the client sent, which was named "said" before 0.1.0."""
    return "said" if "said" in table else "sent"


def _simulate(table: Table) -> Simulate:
    simulate = Simulate(
        close=_optional(table.table("close"), _close),
        message=table.take("message", str, ""),
        refuse=_optional(table.table("refuse"), _refusal),
        end=table.choice("end", ("reset", "eof"), ""),
        rule=table.take("rule", str, ""),
        after=table.choice("after", ("open", "audio", "silence"), "audio"),
    )
    table.done()  # a misspelled key is reported, and not what it leads to
    ends = [bool(simulate.close), bool(simulate.refuse), bool(simulate.end)].count(True)
    if ends > 1 or not (ends or simulate.message or simulate.rule):
        table.mistake("", "needs one of close, refuse and end, or a message")
    return simulate


def _close(table: Table) -> ClosePattern:
    code = table.take("code", int) if "code" in table else None
    close = ClosePattern(code, table.take("reason", str, ""))
    table.done()
    if len(close.reason.encode()) > 123:
        table.mistake("reason", "is longer than a Close frame holds (123 bytes)")
    return close


def _refusal(table: Table) -> Refusal:
    headers: dict[str, object] = table.take("headers", dict, {})
    return Refusal(
        status=table.take("status", int),
        headers=tuple((name, str(value)) for name, value in headers.items()),
        body=table.take("body", str, ""),
        content_type=table.take("content_type", str, ""),
    )


def _example(table: Table, apis: tuple[str, ...]) -> Example:
    example = Example(
        matches=table.take("matches", bool),
        api=table.take("api", str, apis[0] if apis else ""),
        close=_optional(table.table("close"), _close),
        refused=_optional(table.table("refused"), _refusal),
        message=table.take("message", str, ""),
        ending=table.take("ending", str, ""),
        by=table.take("by", str, ""),
        failed_where=table.take("failed_where", str, ""),
        request=table.take("request", str, ""),
        host=table.take("host", str, ""),
        sent=table.take(_sent_key(table), str, ""),
    )
    table.done()
    if table.valid and not (example.close or example.refused or example.message or example.ending):
        table.mistake("", "shows nothing")
    return example
