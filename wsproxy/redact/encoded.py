"""Text inside words of base64 and hexadecimal digits."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

_WORD = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}+={0,2}+")
_PREFIX = re.compile(r"[A-Za-z0-9]{1,32}[_-](?=.{16})")  # of what is encoded
_HEX = re.compile(r"[0-9a-fA-F]{16,}+")
_BLOB = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{1024,}+")
_HEAD = 64  # characters that say whether a long word is text

# Bytes of text: printable, white space, or a part of UTF-8 beyond ASCII.
_TEXT = bytes(range(32, 127)) + b"\t\r\n"


def words(text: str) -> Iterator[tuple[int, int, str]]:
    """Words that stand for another text, as (start, end, that text in Latin-1)."""
    for match in _WORD.finditer(text):
        said = decoded(match[0])
        start = match.start()
        if not said and (prefix := _PREFIX.match(match[0])) is not None:
            said, start = decoded(match[0][prefix.end() :]), start + prefix.end()
        if said:
            yield start, match.end(), said[0]


def decoded(word: str) -> list[str]:
    """The text that a word stands for, if any: one, or none."""
    digits = word.removeprefix("0x")
    if _HEX.fullmatch(digits):
        said = _narrow(bytes.fromhex(digits[: len(digits) // 2 * 2]))
        if is_text(said):
            return [said.decode("latin-1")]
    head = from_base64(word[:_HEAD])
    if head is None or not is_text(_narrow(head)):
        return []
    whole = _narrow(from_base64(word) or b"\0")
    return [whole.decode("latin-1")] if is_text(whole) else []


def _narrow(data: bytes) -> bytes:
    """ASCII in UTF-16, as .NET encodes it, in one byte for each character."""
    return data[::2] if len(data) > 1 and not data[1::2].strip(b"\0") else data


def is_text(data: bytes) -> bool:
    """Whether bytes are text: ASCII, or UTF-8 without control characters."""
    if not data.translate(None, _TEXT):
        return True
    if data.isascii():
        return False
    try:
        return data[: len(data) - 3].decode("utf-8", "strict").isprintable()
    except UnicodeDecodeError:
        return False


def without_blobs(text: str) -> str:
    """The text without long base64 that is no text: audio, and slow to look through."""
    return _BLOB.sub(_blank, text) if len(text) >= 1024 else text


def _blank(blob: re.Match[str]) -> str:
    return blob[0] if is_text(from_base64(blob[0][:_HEAD]) or b"\0") else "\0" * len(blob[0])


def from_base64(word: str) -> bytes | None:
    """What a word in base64 stands for, None if it is not in base64."""
    word = word.rstrip("=").replace("-", "+").replace("_", "/")
    word = word[: len(word) - (len(word) % 4 == 1)]  # of one that was cut
    try:
        return binascii.a2b_base64(word + "=" * (-len(word) % 4))
    except (binascii.Error, ValueError):
        return None
