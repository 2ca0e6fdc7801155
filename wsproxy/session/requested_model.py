"""The model and the language that a session requests, under the names that APIs give them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .request_query import query_pairs, query_parameters
from .session import Session

_MODEL = ("model", "model_id", "modelid", "deployment", "speech_model", "engine")
_LANGUAGE = ("language", "language_code", "languagecode", "language-code", "lang", "locale")
# Of settings for one language or more, such as language_hints, and of translations.
_ANY_LANGUAGE = re.compile("(?i)lang|locale|transl")
_BETWEEN = re.compile(r"[\s,;|+]+")
_DEPTH = 5  # levels of JSON that are searched
_MESSAGES = 8  # first messages of the client that are searched
_TEXT = 16 << 10  # characters of a message; a longer one is audio or text
_LENGTH = 100  # characters of a model or a language


def requested_model(session: Session) -> str | None:
    """The model by the query, the client's first messages, or the path; None if none is named."""
    return _requested(session, _MODEL)


def requested_language(session: Session) -> str | None:
    """The language by the query, or the client's first messages; None if none is named."""
    return _requested(session, _LANGUAGE)


def requested_languages(session: Session) -> list[str]:
    """All values of settings for languages in the query and in the client's first messages.

    Words such as "multi", and flags of a query such as detect_language=true, are among them.
    """
    values = [pair for pair in query_pairs(session.request) if _ANY_LANGUAGE.search(pair[0])]
    found = [text for _, text in values]
    for content in _first_messages(session):
        found += _languages(content, _DEPTH, named=False)
    return [word[:_LENGTH] for text in found for word in _BETWEEN.split(text) if word]


def _languages(value: object, depth: int, *, named: bool) -> Iterator[str]:
    """The texts, and flags that are set, under names of languages."""
    if isinstance(value, str) and named:
        yield value
    elif value is True and named:
        yield "true"
    elif isinstance(value, list) and depth > 1:
        for item in value:
            yield from _languages(item, depth - 1, named=named)
    elif isinstance(value, dict) and depth > 1:
        for name, item in value.items():
            is_named = named or _ANY_LANGUAGE.search(name) is not None
            yield from _languages(item, depth - 1, named=is_named)


def _requested(session: Session, names: tuple[str, ...]) -> str | None:
    values = [query_parameters(session.request), *_first_messages(session)]
    found = (text for value in values for text in _named(value, names, _DEPTH))
    return next(found, None)


def _first_messages(session: Session) -> Iterator[Mapping[str, Any]]:
    for message in session.messages(from_client=True)[:_MESSAGES]:
        if len(message.text) > _TEXT:
            continue
        try:
            content = json.loads(message.text)
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            yield content


def _named(value: Mapping[str, Any], names: tuple[str, ...], depth: int) -> Iterator[str]:
    """The texts under one of these names, the outer ones first."""
    for name, item in value.items():
        if name.lower() in names and isinstance(item, str) and item.strip():
            yield item.strip()[:_LENGTH]
    if depth > 1:
        for item in value.values():
            if isinstance(item, dict):
                yield from _named(item, names, depth - 1)
