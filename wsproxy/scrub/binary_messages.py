"""Binary messages: text in them, envelopes around JSON and audio, or audio alone."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from .text_encodings import Sound
from .texts import Texts, is_text

_PRELUDE = struct.Struct(">III")
_STRING = 7  # type of an event-stream header


def scrubbed(
    content: bytes, envelope: str, texts: Texts, sound: Sound, *, from_client: bool
) -> bytes:
    """A binary message made public, as long as it was."""
    opened: Callable[[], bytes | None] = {
        "azure": lambda: _azure(content, texts, sound, from_client=from_client),
        "event-stream": lambda: _event(content, texts, sound, from_client=from_client),
    }.get(envelope, lambda: None)
    made = opened()
    if made is not None:
        return made
    if envelope in ("azure", "event-stream"):
        return texts.aliases.data(content)  # its envelope is broken
    if is_text(content):
        return markup_or_message(content, texts, sound, from_client=from_client)
    return sound(content)


def markup_or_message(content: bytes, texts: Texts, sound: Sound, *, from_client: bool) -> bytes:
    """A text in bytes: a page of a gateway keeps what it says of the failure."""
    if content.lstrip()[:1] == b"<":
        return texts.failure(content.decode("utf-8", "surrogateescape")).encode(
            "utf-8", "surrogateescape"
        )
    return texts.bytes(content, sound, from_client=from_client)


def azure_text(text: str, texts: Texts, sound: Sound, *, from_client: bool) -> str:
    """A text message of Azure Speech: lines of headers, an empty one, JSON or SSML."""
    head, blank, body = text.partition("\r\n\r\n")
    made = _lines(head, texts)
    if not body.lstrip().startswith("{"):
        return made + blank + texts.free(body)
    return made + blank + texts.message(body, sound, from_client=from_client)


def _lines(head: str, texts: Texts) -> str:
    out = []
    for line in head.split("\r\n"):
        name, colon, value = line.partition(":")
        bare = value.strip()
        made = value.replace(bare, texts.value(name.strip(), bare)) if bare else value
        known = texts.known.keeps_name(name.strip())
        out.append((name if known else texts.free(name)) + colon + made)
    return "\r\n".join(out)


def _azure(content: bytes, texts: Texts, sound: Sound, *, from_client: bool) -> bytes | None:
    size = int.from_bytes(content[:2], "big")
    if len(content) < 2 + size:
        return None
    try:
        head = content[2 : 2 + size].decode()
    except UnicodeDecodeError:
        return None
    body = content[2 + size :]
    made = scrubbed(body, "", texts, sound, from_client=from_client) if body else b""
    return content[:2] + _lines(head, texts).encode() + made


def _event(content: bytes, texts: Texts, sound: Sound, *, from_client: bool) -> bytes | None:
    if len(content) < 16:
        return None
    total, size, _ = _PRELUDE.unpack_from(content)
    if total != len(content) or total < size + 16:
        return None
    payload = content[12 + size : -4]
    made = _event_headers(content[12 : 12 + size], texts)
    if made is None:
        return None
    if payload.lstrip()[:1] == b"{":
        inside = texts.bytes(payload, sound, from_client=from_client)
    else:
        inside = sound(payload) if payload else b""
    data = content[:12] + made + inside
    return data + zlib.crc32(data).to_bytes(4, "big")


def _event_headers(data: bytes, texts: Texts) -> bytes | None:
    """The headers; values that are no text become noise."""
    out, at = bytearray(), 0
    while at < len(data):
        value = at + 2 + data[at]  # behind its name and type
        if len(data) < value + 2 or data[value - 1] != _STRING:
            return None
        end = value + 2 + int.from_bytes(data[value : value + 2], "big")
        if end > len(data):
            return None
        name = data[at + 1 : value - 1].decode("utf-8", "replace")
        text = data[value + 2 : end].decode("utf-8", "surrogateescape")
        out += data[at : at + 1] + texts.name(name).encode("utf-8", "replace")[: data[at]]
        out += data[value - 1 : value + 2]
        out += texts.value(name, text).encode("utf-8", "surrogateescape")
        at = end
    return bytes(out)
