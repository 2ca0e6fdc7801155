"""The transcript result in one message of the server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from wsproxy.catalog import Api
from wsproxy.catalog.envelope import Json
from wsproxy.catalog.envelope import field as field_of

from .message_kinds import is_interim

# In scripts without spaces each character counts as a word, as usual for their error rates.
CJK: str = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ASCII_WORD = re.compile(r"\S++")
_LONG = 1 << 20  # characters of a text whose words are not listed
_WRITTEN = re.compile(rf"[{CJK}]|[^\s{CJK}]+")  # a word with its punctuation
# The texts at these paths are parts of words and hold their own spaces.
_FRAGMENTED_PATHS = frozenset({"tokens.*.text", "serverContent.inputTranscription.text"})
# The texts at these paths are all parts of the transcript so far.
_LISTING_PATHS = frozenset({"segments.*.text", "lines.*.text"})
_AGENT = re.compile(r"agent|assistant|^response\.|outputTranscription", re.IGNORECASE)
_AGENT_ROLES = frozenset({"assistant", "agent"})
_CHANNELS = ("channel_index", "channel", "ChannelId")
_TURNS = ("turn_order", "turn_index")
# Fields that say whether a part is final, and with which value.
_FINAL_MARKS = (
    ("is_final", True),
    ("isFinal", True),
    ("end_of_turn", True),
    ("IsPartial", False),
    ("interim", False),
)
_MarkedText = tuple[str, bool | None]  # a text, and whether it is marked as final


class TranscriptResult(NamedTuple):
    """A transcript result of one message.

    Attributes:
        text: of its final part.
        has_text: whether it has any text, final or not.
        final: whether it is final, at least in part.
        track: the channel; the texts of different channels are separate.
        turn: a later result of the same turn replaces this one; None: it continues it.
        fragmented: `text` may begin or end inside a word.
        all_text: of its final part and of the rest.
    """

    text: str
    has_text: bool
    final: bool
    track: str = ""
    turn: int | None = None
    fragmented: bool = False
    all_text: str = ""


_WITHOUT_TEXT = {
    final: TranscriptResult("", has_text=False, final=final) for final in (True, False)
}


def transcript_result(api: Api, kind: str, content: Json) -> TranscriptResult | None:
    """Read the result in a message; None if it has none.

    Args:
        kind: of the message.
    """
    if is_agent_message(kind, content):
        return None
    for path, names in _split_paths(api.transcripts):
        if names[0] not in content:
            continue
        texts: list[_MarkedText] = []
        _collect_texts(texts, content, names, 0, None)
        if texts:
            return _build_result(api, kind, content, path, texts)
    if kind in api.vocabulary.results:
        return _WITHOUT_TEXT[not is_interim(kind) and _final_marker(content) is not False]
    return None


def agent_text(api: Api, kind: str, content: Json) -> str:
    """What an agent says in a message, as text; empty if nothing.

    Args:
        kind: of the message.
    """
    if not api.transcripts or "audio.delta" in kind or is_interim(kind):
        return ""
    by_agent = is_agent_message(kind, content)
    for path in api.transcripts:
        if by_agent or _AGENT.search(path):
            texts: list[_MarkedText] = []
            _collect_texts(texts, content, path.split("."), 0, None)
            if texts:
                return " ".join(text for text, _ in texts)
    return ""


@lru_cache
def _split_paths(paths: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """The paths of an API's transcripts without those of an agent's text, each with its names."""
    return [(path, path.split(".")) for path in paths if not _AGENT.search(path)]


def _build_result(
    api: Api, kind: str, content: Json, path: str, texts: list[_MarkedText]
) -> TranscriptResult:
    by_kind = not is_interim(kind)
    finals = [text for text, is_final in texts if (by_kind if is_final is None else is_final)]
    fragmented = path in _FRAGMENTED_PATHS
    keeps_spaces = fragmented or any(text != text.strip() for text in finals)
    turn = next((v for n in _TURNS if type(v := content.get(n)) is int), None)
    if turn is None and path in _LISTING_PATHS:
        turn = 0
    return TranscriptResult(
        ("" if keeps_spaces else " ").join(finals),
        any(text.strip() for text, _ in texts),
        bool(finals),
        _channel(api, content),
        turn,
        fragmented,
        ("" if keeps_spaces else " ").join(text for text, _ in texts),
    )


def is_agent_message(kind: str, content: Json) -> bool:
    """Whether a message is an agent's speech, or belongs to it."""
    if _names_agent(kind) or _has_agent_role(content):
        return True
    inner = content.get("message")
    return isinstance(inner, dict) and _has_agent_role(inner)


def _has_agent_role(content: Json) -> bool:
    role = content.get("role")
    return isinstance(role, str) and role in _AGENT_ROLES


@lru_cache(maxsize=512)
def _names_agent(kind: str) -> bool:
    return _AGENT.search(kind) is not None


def _collect_texts(
    found: list[_MarkedText],
    value: object,
    path: Sequence[str],
    at: int,
    is_final: bool | None,
) -> None:
    """Collect the texts at a path, from its name number `at` on; "*" stands for all items.

    Args:
        is_final: whether the surrounding objects are marked as final; None without a mark.
    """
    if isinstance(value, dict):
        own = _final_marker(value)
        is_final = is_final if own is None else own
        if at < len(path):
            _collect_texts(found, value.get(path[at]), path, at + 1, is_final)
    elif at == len(path):
        if isinstance(value, str):
            found.append((value, is_final))
    elif isinstance(value, list):
        name = path[at]
        items: list[object] = []
        if name == "*":
            # Alternatives are different texts for the same words.
            items = value[:1] if path[at + 1 :] == ["Transcript"] else value
        elif name.isdecimal():
            items = value[int(name[:6]) : int(name[:6]) + 1]
        for item in items:
            _collect_texts(found, item, path, at + 1, is_final)


def _final_marker(part: dict[str, Any]) -> bool | None:
    """Whether an object is marked as final; None without a mark."""
    for name, is_final in _FINAL_MARKS:
        if name in part and isinstance(value := part[name], bool):
            return value is is_final
    words = part.get("words")
    last = words[-1] if isinstance(words, list) and words else None
    if isinstance(last, dict) and isinstance(value := last.get("is_final"), bool):
        return value
    event = part.get("event")
    if "turn_index" in part and isinstance(event, str):
        return event == "EndOfTurn"
    return None


def _channel(api: Api, content: Json) -> str:
    """The name of the channel; that of the first one is empty where its number is 0."""
    if path := api.result_paths.channel:
        named = field_of(content, path)
        return str(named)[:80] if isinstance(named, str | int) and named else ""
    for name in _CHANNELS:
        value = content.get(name)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, str | int):
            return str(value)[:80]
    return ""


def split_words(text: str) -> list[str]:
    """The words of a text as they are written."""
    return text.split() if text.isascii() else _WRITTEN.findall(text)


def count_words(text: str) -> int:
    """The number of `split_words`; of a long text without a list of them, 15 times its size."""
    if len(text) <= _LONG:
        return len(split_words(text))
    return sum(1 for _ in (_ASCII_WORD if text.isascii() else _WRITTEN).finditer(text))
