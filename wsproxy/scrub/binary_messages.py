"""Scrubs binary messages: text, envelopes around JSON and audio, or only audio."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from .text_encodings import AudioReplacer
from .texts import TextScrubber, is_text

_PRELUDE = struct.Struct(">III")
_STRING = 7  # type of an event-stream header


def scrub_binary(
    content: bytes,
    envelope: str,
    texts: TextScrubber,
    replace_audio: AudioReplacer,
    *,
    from_client: bool,
) -> bytes:
    """Scrub a binary message; its length is unchanged."""
    open_envelope: Callable[[], bytes | None] = {
        "azure": lambda: _azure(content, texts, replace_audio, from_client=from_client),
        "event-stream": lambda: _event(content, texts, replace_audio, from_client=from_client),
    }.get(envelope, lambda: None)
    scrubbed = open_envelope()
    if scrubbed is not None:
        return scrubbed
    if envelope in ("azure", "event-stream"):
        return texts.aliases.data(content)  # its envelope is invalid
    if is_text(content):
        return scrub_text_bytes(content, texts, replace_audio, from_client=from_client)
    return replace_audio(content)


def scrub_text_bytes(
    content: bytes, texts: TextScrubber, replace_audio: AudioReplacer, *, from_client: bool
) -> bytes:
    """Scrub the bytes of a text. An HTML page of a gateway keeps its description of the error."""
    if content.lstrip()[:1] == b"<":
        return texts.error_text(content.decode("utf-8", "surrogateescape")).encode(
            "utf-8", "surrogateescape"
        )
    return texts.message_bytes(content, replace_audio, from_client=from_client)


def azure_text(
    text: str, texts: TextScrubber, replace_audio: AudioReplacer, *, from_client: bool
) -> str:
    """Scrub a text message of Azure Speech: header lines, an empty line, JSON or SSML."""
    head, blank, body = text.partition("\r\n\r\n")
    scrubbed = _lines(head, texts)
    if not body.lstrip().startswith("{"):
        return scrubbed + blank + texts.replace(body)
    return scrubbed + blank + texts.message(body, replace_audio, from_client=from_client)


def _lines(head: str, texts: TextScrubber) -> str:
    out = []
    for line in head.split("\r\n"):
        name, colon, value = line.partition(":")
        stripped = value.strip()
        scrubbed = (
            value.replace(stripped, texts.value(name.strip(), stripped)) if stripped else value
        )
        is_documented = texts.allowlist.keeps_name(name.strip())
        out.append((name if is_documented else texts.replace(name)) + colon + scrubbed)
    return "\r\n".join(out)


def _azure(
    content: bytes, texts: TextScrubber, replace_audio: AudioReplacer, *, from_client: bool
) -> bytes | None:
    size = int.from_bytes(content[:2], "big")
    if len(content) < 2 + size:
        return None
    try:
        head = content[2 : 2 + size].decode()
    except UnicodeDecodeError:
        return None
    body = content[2 + size :]
    scrubbed = (
        scrub_binary(body, "", texts, replace_audio, from_client=from_client) if body else b""
    )
    return content[:2] + _lines(head, texts).encode() + scrubbed


def _event(
    content: bytes, texts: TextScrubber, replace_audio: AudioReplacer, *, from_client: bool
) -> bytes | None:
    if len(content) < 16:
        return None
    total, size, _ = _PRELUDE.unpack_from(content)
    if total != len(content) or total < size + 16:
        return None
    payload = content[12 + size : -4]
    scrubbed = _event_headers(content[12 : 12 + size], texts)
    if scrubbed is None:
        return None
    if payload.lstrip()[:1] == b"{":
        inside = texts.message_bytes(payload, replace_audio, from_client=from_client)
    else:
        inside = replace_audio(payload) if payload else b""
    data = content[:12] + scrubbed + inside
    return data + zlib.crc32(data).to_bytes(4, "big")


def _event_headers(data: bytes, texts: TextScrubber) -> bytes | None:
    """Scrub the headers of an event; None if they are invalid."""
    out, at = bytearray(), 0
    while at < len(data):
        value = at + 2 + data[at]  # after its name and type
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
