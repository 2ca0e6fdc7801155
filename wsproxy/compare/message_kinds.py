"""The role of a kind of message: whether the number of its messages is compared.

Each kind has one of three roles. *Counted* messages (Begin, Flushed, Metadata, an error) answer
something once. *Repeatable* ones (final results, audio) come in runs: only their presence between
counted messages is compared. *Nondeterministic* ones (interim results, voice activity,
keepalives) depend on timing.
"""

from __future__ import annotations

import enum
import re

from wsproxy.catalog import Api
from wsproxy.session.message_kinds import is_error, is_interim

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
