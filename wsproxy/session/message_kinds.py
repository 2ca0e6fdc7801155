"""The kind of a message: the type that its JSON states, and what the name of a type says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from wsproxy.catalog.envelope import field

MAX_TEXT = 1 << 20  # bytes of a text message that are parsed for its kind

# Fields that name the kind of a JSON message, in order of preference.
KIND_FIELDS = ("type", "message_type", "event", "action")
_CODE_FIELDS = ("error_code", "err_code")  # errors with different codes are different kinds

_ERROR = re.compile(r"error|warn|fail|exception|goaway|refused|exceeded|throttled", re.IGNORECASE)
_INTERIM = re.compile(
    r"partial|interim|hypothesis|fragment|tentative|(?:^|[._])delta$", re.IGNORECASE
)
_PING = re.compile(r"keep_?alive|heartbeat|^ping$|^pong$", re.IGNORECASE)


def kind_of(text: bytes) -> str:
    """The kind of a text message: the type that its JSON states, or the names of its fields."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return "text"
    return kind_of_json(message) if isinstance(message, dict) else "text"


_few_kinds = lru_cache(maxsize=512)  # a session has few kinds of messages, again and again


def kind_of_json(message: Mapping[str, Any], path: str = "") -> str:
    """The kind of a JSON object.

    Args:
        path: dotted path of the field that names the kind in this API, "" if unknown.
    """
    if kind := stated_kind(message, path):
        return with_code(kind, message)
    # Many servers send `"error": null` and `"warnings": []` with each result.
    names = [name for name, value in message.items() if value or not is_error(name)]
    return "{" + ", ".join(sorted(names)[:8])[:80] + "}"


def kind_at(message: Mapping[str, Any], path: str, beside: Sequence[str] = ()) -> str:
    """The kind at a dotted path, "" if none.

    Without a path it is the name of the first field, but for those that come beside any other.
    """
    if not path:
        return next((name for name in message if name not in beside), next(iter(message), ""))
    value = field(message, path)
    return value if isinstance(value, str) else ""


def stated_kind(message: Mapping[str, Any], path: str) -> str:
    """The kind that a JSON object states, "" if none; `path` as of `kind_of_json`."""
    if path and isinstance(value := field(message, path), str) and value:
        return value
    for name in KIND_FIELDS:
        if isinstance(value := message.get(name), str) and value:
            return value
    return ""


def with_code(kind: str, message: Mapping[str, Any]) -> str:
    """A kind that a JSON object states, shortened, with its error code."""
    for name in _CODE_FIELDS:
        if name in message and isinstance(code := message[name], str | int):
            return f"{kind[:80]} {code}"[:120].rstrip()
    return kind[:80].rstrip()


@_few_kinds
def is_error(kind: str) -> bool:
    """Whether the name of a kind says that its messages report an error or a warning."""
    return _ERROR.search(kind) is not None


def is_ping(kind: str) -> bool:
    """Whether the name of a kind says that its messages only keep the session open."""
    return _PING.search(kind) is not None


@_few_kinds
def is_interim(kind: str) -> bool:
    """Whether the name of a kind says that later messages replace its messages."""
    return _INTERIM.search(kind) is not None
