"""Text behind encodings: escapes, base64 and hexadecimal digits.

`unescape` removes the escapes of JSON and JavaScript (``\\u002B``, at any depth of JSON in
JSON), of HTML and XML (``&#43;``), and percent-encoding (``%2B``, ``%252B``, applied once or
repeatedly). It keeps the position of each character in the original. `encoded_words` decodes words
of base64 and hexadecimal digits.
"""

from __future__ import annotations

import binascii
import html
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

_ESCAPE = re.compile(
    r"(?<!\\)\\++(?:u(?P<u>[0-9a-fA-F]{4})|x(?P<x>[0-9a-fA-F]{2})|(?P<c>[\"'/\\bfnrt]))"
    r"|%(?:25)*+(?P<p>[0-9a-fA-F]{2})"
    r"|&(?P<e>#\d{1,7}+;|#[xX][0-9a-fA-F]{1,6}+;|[a-zA-Z]{2,8}+;)"
)
_LETTER_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_MAX_ROUNDS = 3  # levels of escapes inside escapes


@dataclass(slots=True)
class UnescapedText:
    """A text without escapes, and the offsets of its characters in the original.

    Attributes:
        text: without escapes; one character per byte (Latin-1).
        length: of the original, characters.
    """

    text: str
    length: int
    _piece_starts: list[int] = field(
        default_factory=list, repr=False
    )  # where a piece begins here ...
    _raw_starts: list[int] = field(default_factory=list, repr=False)  # ... and in the original
    _source: UnescapedText | None = field(default=None, repr=False)
    _rounds: int = 1

    def raw_start(self, at: int) -> int:
        """The offset in the original of the character at an offset."""
        piece = bisect_right(self._piece_starts, at) - 1
        raw = self._raw_starts[piece] + at - self._piece_starts[piece]
        return self._source.raw_start(raw) if self._source is not None else raw

    def raw_end(self, end: int) -> int:
        """The offset in the original of the end of a span that ends at an offset."""
        if end >= len(self.text):
            return self.length
        piece = bisect_right(self._piece_starts, end) - 1
        raw = self._raw_starts[piece] + end - self._piece_starts[piece]
        return self._source.raw_end(raw) if self._source is not None else raw

    def unescape_again(self) -> UnescapedText | None:
        """The text without the remaining escapes; None if there are none."""
        if self._rounds >= _MAX_ROUNDS:
            return None
        inner = unescape(self.text)
        if inner is None:
            return None
        inner._source, inner.length, inner._rounds = self, self.length, self._rounds + 1
        return inner


def unescape(text: str) -> UnescapedText | None:
    """A text without its escapes; None if it has none."""
    if "\\" not in text and "%" not in text and "&" not in text:
        return None
    out: list[str] = []
    at, raw, size, done = [0], [0], 0, 0
    for match in _ESCAPE.finditer(text):
        decoded = _decode_escape(match)
        if decoded is None:
            continue
        before = text[done : match.start()]
        out += [before, decoded]
        size += len(before)
        # The decoded character is a piece of its own: its end is that of the escape.
        at.append(size)
        raw.append(match.start())
        size += len(decoded)
        done = match.end()
        at.append(size)
        raw.append(done)
    if not out:
        return None
    return UnescapedText("".join([*out, text[done:]]), len(text), at, raw)


def _decode_escape(match: re.Match[str]) -> str | None:
    """The decoded escape, its UTF-8 as Latin-1 characters; None if it is not an escape."""
    number = match["u"] or match["x"]
    if number is not None:
        char = chr(int(number, 16))
    elif match["p"] is not None:
        return chr(int(match["p"], 16))
    elif match["c"] is not None:
        return _LETTER_ESCAPES.get(match["c"], match["c"])
    else:
        char = html.unescape(match[0])
        if char == match[0]:
            return None
    return char.encode("utf-8", "surrogatepass").decode("latin-1")


_WORD = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}+={0,2}+")
_PREFIX = re.compile(r"[A-Za-z0-9]{1,32}[_-](?=.{16})")  # of the encoded part
_HEX = re.compile(r"[0-9a-fA-F]{16,}+")
_BLOB = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{1024,}+")
_PROBE = 64  # characters that decide whether a long word is text

# Bytes of text: printable, white space, or a part of UTF-8 beyond ASCII.
_TEXT = bytes(range(32, 127)) + b"\t\r\n"


def encoded_words(text: str) -> Iterator[tuple[int, int, str]]:
    """Words that encode a text, as (start, end, the text in Latin-1)."""
    for match in _WORD.finditer(text):
        plain = decode_word(match[0])
        start = match.start()
        if not plain and (prefix := _PREFIX.match(match[0])) is not None:
            plain, start = decode_word(match[0][prefix.end() :]), start + prefix.end()
        if plain:
            yield start, match.end(), plain[0]


def decode_word(word: str) -> list[str]:
    """The text that a word encodes: a list of one, or an empty list."""
    digits = word.removeprefix("0x")
    if _HEX.fullmatch(digits):
        plain = _utf16_to_bytes(bytes.fromhex(digits[: len(digits) // 2 * 2]))
        if is_text(plain):
            return [plain.decode("latin-1")]
    head = decode_base64(word[:_PROBE])
    if head is None or not is_text(_utf16_to_bytes(head)):
        return []
    complete = _utf16_to_bytes(decode_base64(word) or b"\0")
    return [complete.decode("latin-1")] if is_text(complete) else []


def _utf16_to_bytes(data: bytes) -> bytes:
    """Convert ASCII in UTF-16, as .NET encodes it, to one byte per character."""
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


def blank_base64_audio(text: str) -> str:
    """The text without long base64 that encodes no text: audio, which is slow to search."""
    return _BLOB.sub(_blank_audio, text) if len(text) >= 1024 else text


def _blank_audio(blob: re.Match[str]) -> str:
    return blob[0] if is_text(decode_base64(blob[0][:_PROBE]) or b"\0") else "\0" * len(blob[0])


def decode_base64(word: str) -> bytes | None:
    """Decode a word of base64; None if it is not base64."""
    word = word.rstrip("=").replace("-", "+").replace("_", "/")
    word = word[: len(word) - (len(word) % 4 == 1)]  # of a truncated word
    try:
        return binascii.a2b_base64(word + "=" * (-len(word) % 4))
    except (binascii.Error, ValueError):
        return None
