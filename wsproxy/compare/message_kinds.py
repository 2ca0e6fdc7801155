"""What kind of message one is, and whether how often it comes says anything.

Three roles: an *answer* (Begin, Flushed, Metadata, an error) comes once for what it answers
and is counted. Of what comes in *runs* (final results, audio) only that it came, and between
which answers. What is *passing* (interim results, voice activity, keepalives) depends on the
moment.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from typing import Any

from wsproxy.catalog import Api
from wsproxy.catalog.envelope import field

MAX_TEXT = 1 << 20  # bytes of a text message that are read for its kind

# Fields that name the kind of a JSON message, in the order in which they are asked.
_KIND_FIELDS = ("type", "message_type", "event", "action")
_CODE_FIELDS = ("error_code", "err_code")  # errors of different codes are different kinds

_ERROR = re.compile(r"error|warn|fail|exception|goaway|refused|exceeded|throttled", re.IGNORECASE)
_INTERIM = re.compile(
    r"partial|interim|hypothesis|fragment|tentative|(?:^|[._])delta$", re.IGNORECASE
)
_PING = re.compile(r"keep_?alive|heartbeat|^ping$|^pong$", re.IGNORECASE)
_PASSING = re.compile(
    r"audio_?added|(?:speech|audio|voice)[._]?(?:start|stop|end)|(?:started|stopped)_?speaking"
    r"|utterance_?end|end_?of_?utterance|start_?of_?turn|^vad|progress"
    r"|keep_?alive|heartbeat|^ping$|^pong$",
    re.IGNORECASE,
)


class Role(enum.Enum):
    """What is compared of a kind of message."""

    ANSWER = "answer"
    RUN = "run"
    PASSING = "passing"


def kind_of(text: bytes) -> str:
    """The kind of a text message: what its JSON says that it is, or the names of its fields."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return "text"
    return kind_of_json(message) if isinstance(message, dict) else "text"


def kind_of_json(message: Mapping[str, Any], path: str = "") -> str:
    """The kind of a JSON object.

    Args:
        path: dotted path of the field that names it at this API, "" where that is not known.
    """
    code = next((c for name in _CODE_FIELDS if isinstance(c := message.get(name), str | int)), "")
    own = field(message, path) if path else None
    for value in (own, *(message.get(name) for name in _KIND_FIELDS)):
        if isinstance(value, str) and value:
            return f"{value[:80]} {code}"[:120].rstrip()
    return "{" + ", ".join(sorted(message)[:8])[:80] + "}"


def is_error(kind: str) -> bool:
    """Whether messages of a kind tell that something is wrong, by its name."""
    return _ERROR.search(kind) is not None


def is_ping(kind: str) -> bool:
    """Whether messages of a kind only keep the session open, by its name."""
    return _PING.search(kind) is not None


def is_interim(kind: str) -> bool:
    """Whether messages of a kind are corrected by later ones, by its name."""
    return _INTERIM.search(kind) is not None


def role_of(kind: str, api: Api | None) -> Role:
    """The role of a server's message that is no result and no audio."""
    if api is None or is_error(kind):
        return Role.ANSWER  # nothing is known that could excuse a difference
    if is_interim(kind) or _PASSING.search(kind):
        return Role.PASSING
    return Role.ANSWER if answers(api) else Role.RUN


def answers(api: Api | None) -> bool:
    """Whether the messages of an API's server can be counted: not what an agent says."""
    return api is None or api.audio.origin in ("client", "server")


def keeps_alive(kind: str, api: Api | None) -> bool:
    """Whether an app's message only keeps the session open."""
    known = api.vocabulary.keepalive if api else ()
    return kind in known if known else _PASSING.search(kind) is not None
