"""The kind of a message, and whether the number of its messages is compared.

Each kind has one of three roles. *Counted* messages (Begin, Flushed, Metadata, an error) answer
something once. *Repeatable* ones (final results, audio) come in runs: only their presence between
counted messages is compared. *Nondeterministic* ones (interim results, voice activity,
keepalives) depend on timing.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from typing import Any

from wsproxy.catalog import Api
from wsproxy.catalog.envelope import field

MAX_TEXT = 1 << 20  # bytes of a text message that are parsed for its kind

# Fields that name the kind of a JSON message, in order of preference.
_KIND_FIELDS = ("type", "message_type", "event", "action")
_CODE_FIELDS = ("error_code", "err_code")  # errors with different codes are different kinds

_ERROR = re.compile(r"error|warn|fail|exception|goaway|refused|exceeded|throttled", re.IGNORECASE)
_INTERIM = re.compile(
    r"partial|interim|hypothesis|fragment|tentative|(?:^|[._])delta$", re.IGNORECASE
)
_PING = re.compile(r"keep_?alive|heartbeat|^ping$|^pong$", re.IGNORECASE)
_NONDETERMINISTIC = re.compile(
    r"audio_?added|(?:speech|audio|voice)[._]?(?:start|stop|end)|(?:started|stopped)_?speaking"
    r"|utterance_?end|end_?of_?utterance|start_?of_?turn|^vad|progress"
    r"|keep_?alive|heartbeat|^ping$|^pong$",
    re.IGNORECASE,
)


class Role(enum.Enum):
    """What is compared of the messages of a kind."""

    COUNTED = enum.auto()
    REPEATABLE = enum.auto()
    NONDETERMINISTIC = enum.auto()


def kind_of(text: bytes) -> str:
    """The kind of a text message: the type that its JSON states, or the names of its fields."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return "text"
    return kind_of_json(message) if isinstance(message, dict) else "text"


def kind_of_json(message: Mapping[str, Any], path: str = "") -> str:
    """The kind of a JSON object.

    Args:
        path: dotted path of the field that names the kind in this API, "" if unknown.
    """
    code = next((c for name in _CODE_FIELDS if isinstance(c := message.get(name), str | int)), "")
    api_kind = field(message, path) if path else None
    for value in (api_kind, *(message.get(name) for name in _KIND_FIELDS)):
        if isinstance(value, str) and value:
            return f"{value[:80]} {code}"[:120].rstrip()
    return "{" + ", ".join(sorted(message)[:8])[:80] + "}"


def is_error(kind: str) -> bool:
    """Whether the name of a kind says that its messages report an error or a warning."""
    return _ERROR.search(kind) is not None


def is_ping(kind: str) -> bool:
    """Whether the name of a kind says that its messages only keep the session open."""
    return _PING.search(kind) is not None


def is_interim(kind: str) -> bool:
    """Whether the name of a kind says that later messages replace its messages."""
    return _INTERIM.search(kind) is not None


def role_of(kind: str, api: Api | None) -> Role:
    """The role of a server's message that is neither a result nor audio."""
    if api is None or is_error(kind):
        return Role.COUNTED  # of an unknown API no difference can be ignored
    if is_interim(kind) or _NONDETERMINISTIC.search(kind):
        return Role.NONDETERMINISTIC
    return Role.COUNTED if has_countable_messages(api) else Role.REPEATABLE


def has_countable_messages(api: Api | None) -> bool:
    """Whether the number of an API's messages is deterministic, as it is without an agent."""
    return api is None or api.audio.origin in ("client", "server")


def is_keepalive(kind: str, api: Api | None) -> bool:
    """Whether a client's message only keeps the session open."""
    keepalives = api.vocabulary.keepalive if api else ()
    return kind in keepalives if keepalives else _NONDETERMINISTIC.search(kind) is not None
