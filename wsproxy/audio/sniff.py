"""What a stream of bytes is, by its first bytes: a container, text, samples or silence."""

from __future__ import annotations

import codecs
import functools
import json
import re

from .containers import container_name
from .sample_statistics import MIN_BYTES, sample_kind

SNIFFED_BYTES = 32 << 10  # how many bytes are examined
TEXT_KINDS = frozenset({"JSON", "HTML", "XML", "base64 text", "text"})
EMPTY, SILENCE = "nothing", "silence"
TOO_SHORT, UNIDENTIFIED = "too few to identify", "unidentified data"

_SILENT = tuple(map(frozenset, (b"\0", b"\xff\x7f", b"\xd5\x55", b"\x80")))
_MIN_TEXT = 32  # characters; shorter text may be samples by chance
_MIN_PLAIN = 4  # bytes; the same where the first message is expected to be audio
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_\r\n")
# An object that is longer than what is examined is identified by its first key.
_OBJECT = re.compile(r'\{\s*"[^"]*"\s*:')


# Several rules ask it of the same session.
@functools.lru_cache(maxsize=4)
def sniff(head: bytes) -> str:
    """Identify a stream by its first SNIFFED_BYTES.

    Returns:
        A name of `containers.container_name`, one of TEXT_KINDS or of
        `encodings.SAMPLE_KINDS`, or one of
        SILENCE (16-bit, 8-bit, μ-law or A-law samples without sound), TOO_SHORT,
        UNIDENTIFIED (compressed, encrypted, samples of another size) and EMPTY.
    """
    if not head:
        return EMPTY
    start = head[:SNIFFED_BYTES]
    found = container_name(start) or _text_kind(start)
    if found:
        return found
    # From the first sound on, at the start of a sample of any size.
    silent = len(head) - len(head.lstrip(b"\0"))
    sample = head[silent // 4 * 4 :][:SNIFFED_BYTES]
    if any(values.issuperset(sample) for values in _SILENT):
        return SILENCE
    if len(sample) < MIN_BYTES:
        return TOO_SHORT
    return sample_kind(sample) or UNIDENTIFIED


def is_plain_text(head: bytes) -> bool:
    """Whether a message that should be audio is text, if only a word; audio hardly ever is."""
    return len(head) >= _MIN_PLAIN and _printable(head) is not None


def _text_kind(head: bytes) -> str | None:
    text = _printable(head)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n")
    low = start[:9].lower()
    if low.startswith(("<!doctype", "<html", "<head", "<body")):
        return "HTML"
    if low.startswith("<?xml"):
        return "XML"
    if _is_json(head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")):
        return "JSON"
    if len(text) >= 2 * _MIN_TEXT and _BASE64.issuperset(text):
        return "base64 text"
    return "text" if len(text) >= _MIN_TEXT else None


def _printable(head: bytes) -> str | None:
    """The first 1,024 bytes as text, None where they are not printable text."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head[:1024])
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\ufeff\r\n\t" for c in text) else None


def _is_json(text: str) -> bool:
    if not text.startswith(("{", "[")):
        return False
    try:
        json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return _OBJECT.match(text) is not None
    return True
