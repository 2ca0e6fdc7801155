"""Audio in the JSON fields of a message, as base64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from wsproxy.audio.base64_text import decode_base64, is_base64
from wsproxy.catalog.envelope import Json


def separate_audio(content: Json, paths: Sequence[str], kind: str) -> tuple[Json, bytes]:
    """Separate the base64 audio from a message.

    Args:
        content: of the message; "<audio>" replaces the audio in it.
        paths: of the fields that may have audio, dotted, as in the catalog.
        kind: of the message.
    """
    audio = b""
    for path in paths:
        for holder, name in _holders(content, path.split(".")):
            value = holder[name]
            # OpenAI uses one field name for text and audio; only the kind distinguishes them.
            if not isinstance(value, str) or (name == "delta" and "audio.delta" not in kind):
                continue
            audio += _decoded(value)
            holder[name] = "<audio>"
    return content, audio


def _holders(value: object, path: list[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects that hold the last name of a path, each with that name."""
    name, *rest = path
    if isinstance(value, list) and name == "*" and rest:
        for item in value:
            yield from _holders(item, rest)
    elif isinstance(value, dict) and name in value:
        if rest:
            yield from _holders(value[name], rest)
        else:
            yield value, name


def _decoded(text: str) -> bytes:
    """What a field of audio holds; its own bytes if that is not base64."""
    encoded = text.encode("utf-8", "surrogatepass")
    return (is_base64(encoded) and decode_base64(encoded)) or encoded
