"""Reads what a catalog file says of messages that belong together."""

from __future__ import annotations

from .exchange import Exchange, FunctionCalls, UserTurns
from .toml_table import Table


def exchange(table: Table) -> Exchange:
    """What a table [api.exchange] says."""
    functions, turns = table.table("function"), table.table("turns")
    return Exchange(
        text_end=table.message_patterns("text_end"),
        text_flush=table.message_patterns("text_flush"),
        no_flush=tuple(_name_and_value(text) for text in table.strings("no_flush")),
        held=table.message_patterns("held"),
        held_for=table.strings("held_for"),
        held_ms=table.take("held_ms", int, 0),
        joins_texts=table.take("joins_texts", bool, False),
        ssml=tuple(_name_and_value(text) for text in table.strings("ssml")),
        spoken=table.take("spoken", str, ""),
        context=table.strings("context"),
        contextless=table.message_patterns("contextless"),
        context_end=table.message_patterns("context_end"),
        context_close=table.message_patterns("context_close"),
        user_text=table.message_patterns("user_text"),
        open_text=table.message_patterns("open_text"),
        turn=table.message_patterns("turn"),
        addition=table.message_patterns("addition"),
        greeting=table.strings("greeting"),
        instructions=table.strings("instructions"),
        own_instructions=table.strings("own_instructions"),
        default_instructions=table.take("default_instructions", str, ""),
        cancel=table.message_patterns("cancel"),
        own_context=table.message_patterns("own_context"),
        truncate=table.message_patterns("truncate"),
        ignored=table.message_patterns("ignored"),
        turn_begin=table.message_patterns("turn_begin"),
        turn_complete=table.message_patterns("turn_complete"),
        voice=table.strings("voice"),
        heard_tokens=table.take("heard_tokens", str, ""),
        forgets=table.message_patterns("forgets"),
        transcribed=table.take("transcribed", bool, False),
        interrupted=table.message_patterns("interrupted"),
        force_end=table.message_patterns("force_end"),
        text_answer=table.message_patterns("text_answer"),
        modalities=table.strings("modalities"),
        function=functions.read(_function_calls) if functions else FunctionCalls(),
        turns=turns.read(_user_turns) if turns else UserTurns(),
    )


def _user_turns(table: Table) -> UserTurns:
    return UserTurns(
        manual=table.message_patterns("manual"),
        automatic=table.message_patterns("automatic"),
        silent=table.message_patterns("silent"),
        uninterrupted=table.message_patterns("uninterrupted"),
        end=table.message_patterns("end"),
        request=table.message_patterns("request"),
        transcribe=table.message_patterns("transcribe"),
        language=table.strings("language"),
        words=table.message_patterns("words"),
    )


def _name_and_value(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _function_calls(table: Table) -> FunctionCalls:
    return FunctionCalls(
        message=table.message_patterns("message"),
        calls=table.take("calls", str, ""),
        id=table.take("id", str, "id"),
        name=table.take("name", str, "name"),
        answer=table.message_patterns("answer"),
        answers=table.take("answers", str, ""),
        answer_id=table.take("answer_id", str, "id"),
        answer_name=table.take("answer_name", str, ""),
        request=table.message_patterns("request"),
        cancelled=table.take("cancelled", str, ""),
    )
