"""Text behind encodings: escapes, base64 and hexadecimal digits.

`unescape` removes the escapes of JSON and JavaScript (``\\u002B``, at any depth of JSON in
JSON), of HTML and XML (``&#43;``), and percent-encoding (``%2B``, ``%252B``, applied once or
repeatedly). It keeps the position of each character in the original. `encoded_words` decodes words
of base64, base32 and hexadecimal digits, and lists of the numbers of characters.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

_ESCAPE = re.compile(
    r"(?<!\\)\\++(?:u(?P<u>[0-9a-fA-F]{4})|u\{(?P<b>[0-9a-fA-F]{1,5})\}"
    r"|x(?P<x>[0-9a-fA-F]{2})|(?P<o>[01][0-7]{2})|(?P<c>[\"'/\\bfnrt]))"
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
    number = match["u"] or match["b"] or match["x"]
    if number is not None:
        char = chr(int(number, 16))
    elif match["o"] is not None:
        char = chr(int(match["o"], 8))
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
_BASE32 = re.compile(r"[A-Z2-7]{24,}+")
_BREAK = r"(?:\r?\n|(?:\\++r)?\\++n)"
_LINES = re.compile(  # RFC 2045, section 6.8
    rf"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/]{{60,76}}+{_BREAK}(?:[A-Za-z0-9+/]{{60,76}}+{_BREAK})*+"
    r"[A-Za-z0-9+/]*+={0,2}+"
)
_BREAKS = re.compile(r"[\r\n]|(?<!\\)\\++[rn]")
_PRINTABLE = r"(?:3[2-9]|[4-9]\d|1[01]\d|12[0-6])"  # the number of a character
_BYTE_LIST = re.compile(rf"\[\s*+({_PRINTABLE}(?:\s*+,\s*+{_PRINTABLE}){{7,}}+)\s*+\]")
_LETTERS = re.compile(r"[A-Za-z0-9]++")
_HEX_PAIRS = re.compile(  # 41:42, 41 42, 0x41, 0x42
    r"(?<![0-9A-Za-z])(?:0x)?[0-9a-fA-F]{2}(?:(?:[ :-]|,[ ]?)(?:0x)?[0-9a-fA-F]{2}){7,}+"
)
_HEX_PAIR = re.compile(r"(?:0x)?([0-9a-fA-F]{2})")
_PACKED = (b"\x1f\x8b\x08", b"\x78\x9c", b"\x78\xda", b"\x78\x5e")
_MAX_UNPACKED = 1 << 18  # bytes
_ANY_HEADER = 47  # zlib's wbits: gzip or zlib
_BLOB = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{1024,}+")
_PROBE = 64  # characters that decide whether a long word is text

# Bytes of text: printable, white space, or a part of UTF-8 beyond ASCII.
_TEXT = bytes(range(32, 127)) + b"\t\r\n"


def byte_lists(text: str) -> Iterator[tuple[int, int, str]]:
    """Lists of the numbers of characters, without their brackets: (start, end, the text)."""
    for match in _BYTE_LIST.finditer(text):
        yield *match.span(1), "".join(chr(int(number)) for number in match[1].split(","))


def encoded_words(text: str) -> Iterator[tuple[int, int, str]]:
    """Words and lists that encode a text, as (start, end, the text in Latin-1)."""
    yield from byte_lists(text)
    for match in _HEX_PAIRS.finditer(text):
        plain = bytes.fromhex("".join(_HEX_PAIR.findall(match[0])))
        if is_text(plain):
            yield *match.span(), plain.decode("latin-1")
    for match in _LINES.finditer(text):
        for line in decode_word(_BREAKS.sub("", match[0])):
            yield *match.span(), line
    for match in _WORD.finditer(text):
        decoded = decode_word(match[0])
        start = match.start()
        if not decoded and (prefix := _PREFIX.match(match[0])) is not None:
            decoded, start = decode_word(match[0][prefix.end() :]), start + prefix.end()
        if decoded:
            yield start, match.end(), decoded[0]


@dataclass(frozen=True, slots=True)
class JoinedText:
    """The letters and digits of a text, and where they are in it.

    Attributes:
        text: letters and digits only.
        piece_starts: where a piece begins in `text`.
        raw_starts: where it begins in the original.
    """

    text: str
    piece_starts: list[int]
    raw_starts: list[int]

    def raw(self, at: int) -> int:
        """The offset in the original of the character at an offset."""
        piece = bisect_right(self.piece_starts, at) - 1
        return self.raw_starts[piece] + at - self.piece_starts[piece]


def join_words(text: str) -> JoinedText:
    """A text without what is between its letters and digits: spaces, hyphens, line breaks."""
    pieces, starts, raw, size = [], [], [], 0
    for match in _LETTERS.finditer(text):
        pieces.append(match[0])
        starts.append(size)
        raw.append(match.start())
        size += len(match[0])
    return JoinedText("".join(pieces), starts, raw)


def decode_word(word: str) -> list[str]:
    """The text that a word encodes: a list of one, or an empty list."""
    digits = word.removeprefix("0x")
    if _HEX.fullmatch(digits):
        plain = _utf16_to_bytes(bytes.fromhex(digits[: len(digits) // 2 * 2]))
        if is_text(plain):
            return [plain.decode("latin-1")]
    if not begins_text(word):
        return _decode_base32(word) if word[:_PROBE].isupper() else []
    complete = _unpacked(_utf16_to_bytes(decode_base64(word) or b"\0"))
    return [complete.decode("latin-1")] if is_text(complete) else []


def begins_text(word: str) -> bool:
    """Whether the beginning of a word of base64 encodes text, also compressed text."""
    head = decode_base64(word[:_PROBE])
    return head is not None and (head.startswith(_PACKED) or is_text(_utf16_to_bytes(head)))


def _decode_base32(word: str) -> list[str]:
    letters = word.rstrip("=")
    if not _BASE32.fullmatch(letters):
        return []
    # Of a truncated word; letters of these lengths are complete bytes.
    letters = letters[: len(letters) - (len(letters) % 8 in (1, 3, 6))]
    plain = base64.b32decode(letters + "=" * (-len(letters) % 8))
    return [plain.decode("latin-1")] if is_text(plain) else []


def _unpacked(data: bytes) -> bytes:
    """Decompress data that is compressed; other data unchanged."""
    if not data.startswith(_PACKED):
        return data
    try:
        return zlib.decompressobj(_ANY_HEADER).decompress(data, _MAX_UNPACKED)
    except zlib.error:
        return b"\0"


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
    return blob[0] if begins_text(blob[0]) else "\0" * len(blob[0])


def decode_base64(word: str) -> bytes | None:
    """Decode a word of base64; None if it is not base64."""
    word = word.rstrip("=").replace("-", "+").replace("_", "/")
    word = word[: len(word) - (len(word) % 4 == 1)]  # of a truncated word
    try:
        return binascii.a2b_base64(word + "=" * (-len(word) % 4))
    except (binascii.Error, ValueError):
        return None
