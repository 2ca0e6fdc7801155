"""Text in binary messages: which parts are text, and names with their values.

Formats with lengths are not parsed (MessagePack, CBOR, Protocol Buffers, event streams ...): in
all of them a name, a few bytes and the value follow each other. After a value is redacted, the
lengths in the message remain those of the original.

Audio of every codec stays unchanged: names and formats count only in what is text beyond doubt.
The evidence is a likelihood ratio (Wald's test): in random bytes 37 of 100 are printable, in
packed names and values 85. Random bytes reach a sum of S with a probability of at most exp(-S).

- A complete message is text with a sum of 16 (1e-7) and few unusual characters, or as UTF-8
  without control characters. Everything counts in it that counts in a text message.
- At both ends, and around 16 printable characters in a row, only these count: names of 6
  characters and more with values of 8 and more (each offset of random bytes begins such a pair
  with a probability of 1e-14), shorter names if the lengths of both name and value precede them
  (1e-12), and key formats of 20 characters and more.

The probability that anything is redacted from random bytes is therefore below 1e-9 per KiB.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import zstandard

from . import heuristics

_MAX_DECOMPRESSED = 1 << 20  # bytes
_ASCII = r"[\t\n\r -~]"
# The characters of a text in UTF-32 or UTF-16, and Python's name of the encoding.
_WIDE = {
    "utf-32-le": rf"(?:{_ASCII}\0\0\0){{4,}}+",
    "utf-32-be": rf"(?:\0\0\0{_ASCII}){{4,}}+",
    "utf-16-le": rf"(?:{_ASCII}\0){{4,}}+",
    "utf-16-be": rf"(?:\0{_ASCII}){{4,}}+",
}
_WIDE_TEXT = re.compile("|".join(f"({pattern})" for pattern in _WIDE.values()))
_PRINTABLE_RUN = re.compile(r"[ -~]{3,}+")
_MAX_GAP = 6  # bytes between a name and its value: types and lengths
_MAX_NAME = 40
_MIN_PAIR_VALUE = 4
_CBOR_TEXT = 0x60  # RFC 8949, section 3.1: plus the length of a short text
_MAGIC = {b"\x1f\x8b\x08": 31, b"\x78\x01": 15, b"\x78\x5e": 15, b"\x78\x9c": 15, b"\x78\xda": 15}
_MAX_MAGIC_OFFSET = 16  # bytes before the compressed data
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class WideText:
    """The ASCII characters of a text in UTF-16 or UTF-32, and its offset.

    Attributes:
        codec: Python's name of the encoding.
        width: bytes per character.
    """

    start: int
    text: str
    codec: str
    width: int


def wide_texts(text: str) -> Iterator[WideText]:
    """Texts in UTF-16 and UTF-32 inside a message (Latin-1)."""
    if "\0" in text:
        for match in _WIDE_TEXT.finditer(text):
            codec = tuple(_WIDE)[(match.lastindex or 1) - 1]
            width = 4 if "32" in codec else 2
            first = width - 1 if codec.endswith("be") else 0
            yield WideText(match.start(), match[0][first::width], codec, width)


def decompress(data: bytes) -> tuple[bytes, bool] | None:
    """Decompress a message: (content, whether it is complete); None if it is not compressed."""
    for magic, window in _MAGIC.items():
        at = data.find(magic, 0, _MAX_MAGIC_OFFSET if window == 31 else len(magic))
        if at >= 0:
            stream = zlib.decompressobj(window)
            try:
                content = stream.decompress(data[at:], _MAX_DECOMPRESSED)
            except zlib.error:
                continue
            return content, not stream.unconsumed_tail
    if data.startswith(_ZSTD):
        try:
            with zstandard.ZstdDecompressor(max_window_size=8 << 20).stream_reader(data) as reader:
                content = reader.read(_MAX_DECOMPRESSED)
                return content, not reader.read(1)
        except zstandard.ZstdError:
            return None
    return None


def name_value_pairs(text: str) -> Iterator[tuple[str, int, int]]:
    """Names and the spans of their values in a binary message: (name, start, end)."""
    previous: re.Match[str] | None = None
    for run in _PRINTABLE_RUN.finditer(text):
        if (length := _length_in(run[0])) > 0:
            yield run[0][: length - 1], run.start() + length, run.end()
        if (
            previous is not None
            and run.start() - previous.end() <= _MAX_GAP
            and len(previous[0]) <= _MAX_NAME
            and len(run[0]) >= _MIN_PAIR_VALUE
        ):
            yield name_in(previous[0]), run.start(), run.end()
        previous = run


def name_in(run: str) -> str:
    """The name in a run that may begin with its length in CBOR, and end with the value's type."""
    size = ord(run[0]) - _CBOR_TEXT
    return run[1 : size + 1] if size in (len(run) - 1, len(run) - 2) else run


def _length_in(run: str) -> int:
    """Where a value begins in a run in which its length is a printable character; else 0."""
    for at in range(min(_MAX_NAME, len(run) - _MIN_PAIR_VALUE)):
        if ord(run[at]) == len(run) - at - 1:
            return at + 1
    return 0


_PRINTABLE = bytes(120 if 32 <= c < 127 else 46 for c in range(256))
_PRINTABLE_WEIGHT, _OTHER_WEIGHT = 0.83, -1.43  # log(0.85 / 0.37), log(0.15 / 0.63)
_TEXT_THRESHOLD = 16.0
_RUN = b"x" * 16
_MAX_SINGLE_REGIONS = 8  # regions that are checked one by one
_AROUND = 64  # bytes around a run that belong to it: a name, and lengths
_END = 512  # bytes at both ends
_COMMON = b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ":,{}[]_-./'
_MAX_UNCOMMON = 0.15  # of the printable ones
_LETTER_KINDS = bytes(
    48 if 48 <= c < 58 else 65 if 65 <= c < 91 else 97 if 97 <= c < 123 else 46 for c in range(256)
)
# Each name of a credential has one of these, and each key by its shape without digits.
_STEMS = (
    b"pass",
    b"pwd",
    b"jwt",
    b"key",
    b"token",
    b"auth",
    b"secret",
    b"creden",
    b"signat",
    b"cookie",
    b"-begin",
)
_MIN_UTF8 = 16  # bytes
_NO_CONTROLS = bytes(range(32, 127)) + b"\t\r\n" + bytes(range(128, 256))
_BOM = b"\xef\xbb\xbf"
_MAX_HEADER = 16  # bytes before text, in protocols with a header
_HEAD = 1024  # bytes that decide for a long message
_MIN_NAME = 6
_MIN_VALUE = 8
_MIN_SHAPE = 20
_MAX_BETWEEN = 3  # bytes between a name and its value, both with their lengths


def is_text(data: bytes) -> bool:
    """Whether a binary message is text from its beginning to its end, or nearly so."""
    if _is_utf8(data.removeprefix(_BOM)):
        return True
    start = min((at for mark in b"{[<" if (at := data.find(mark, 0, _MAX_HEADER)) >= 0), default=0)
    if start and _is_utf8(data[start:]):
        return True
    if (
        len(data) > _HEAD
        and _log_likelihood(data[:_HEAD].translate(_PRINTABLE).count(b"x"), _HEAD) < _TEXT_THRESHOLD
    ):
        return False
    printable = data.translate(_PRINTABLE).count(b"x")
    return _log_likelihood(printable, len(data)) >= _TEXT_THRESHOLD and _has_common_characters(
        data, printable
    )


def has_no_controls(data: bytes) -> bool:
    """Whether bytes have no control character that is invalid in JSON and HTML."""
    return not data.translate(None, _NO_CONTROLS)


def text_regions(data: bytes) -> list[tuple[int, int]]:
    """Parts of a binary message that are likely to be text, as (start, end), in their order."""
    size = len(data)
    parts = [(max(0, s - _AROUND), min(size, e + _AROUND)) for s, e in _printable_runs(data)]
    if len(parts) <= _MAX_SINGLE_REGIONS:
        kept = [part for part in parts if may_hold_credential(data[slice(*part)])]
    else:
        kept = _may_hold_credential_each(data, parts)
    # A part without such a run cannot hold a key by its format, only a named value.
    if _has_stem(data[:_END]):
        kept.insert(0, (0, min(size, _END + _AROUND)))
    if _has_stem(data[-_END:]):
        kept.append((max(0, size - _END - _AROUND), size))
    found = [(0, 0)]
    for start, end in kept:
        if start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return [each for each in found if each[1]]


def _may_hold_credential_each(data: bytes, parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of many parts those that `may_hold_credential` says yes to, with one translation for all."""
    kinds, low = data.translate(_LETTER_KINDS), data.lower()
    stems = [stem for stem in _STEMS if stem in low]
    return [
        (start, end)
        for start, end in parts
        if _mixes_letters_and_digits(kinds, start, end)
        or any(low.find(s, start, end) >= 0 for s in stems)
    ]


def _printable_runs(data: bytes) -> list[tuple[int, int]]:
    """Runs of printable characters, as (start, end)."""
    kinds, size = data.translate(_PRINTABLE), len(data)
    found = []
    at = kinds.find(_RUN)
    while at >= 0:
        end = kinds.find(b".", at)
        end = size if end < 0 else end
        found.append((at, end))
        at = kinds.find(_RUN, end)
    return found


def may_hold_credential(data: bytes) -> bool:
    """Whether printable bytes may be names or keys rather than audio.

    8-bit audio, companded or not, has runs of letters as well, but it does not alternate between
    letters and digits, because the samples between them are not skipped.
    """
    return _mixes_letters_and_digits(data.translate(_LETTER_KINDS), 0, len(data)) or _has_stem(data)


def _has_stem(data: bytes) -> bool:
    low = data.lower()
    for stem in _STEMS:  # noqa: SIM110 - `any` takes twice as long
        if stem in low:
            return True
    return False


def _mixes_letters_and_digits(kinds: bytes, start: int, end: int) -> bool:
    return (
        kinds.find(b"a0", start, end) >= 0
        or kinds.find(b"0a", start, end) >= 0
        or kinds.find(b"A0A", start, end) >= 0
        or kinds.find(b"0A0", start, end) >= 0
    )


def is_length_prefixed(text: str, name: str, start: int, end: int) -> bool:
    """Whether the lengths of a name and its value precede them, as in packed formats.

    Args:
        start, end: of the value.
    """
    begin = text.rfind(name, max(0, start - _MAX_BETWEEN - len(name)), start)
    return (
        begin > 0
        and _is_length_byte(text[begin - 1], len(name))
        and _is_length_byte(text[start - 1], end - start)
    )


def _is_length_byte(char: str, length: int) -> bool:
    """Whether a byte is a length in Protocol Buffers, MessagePack or CBOR."""
    return ord(char) in (length, 0xA0 | length, 0x60 | length) and (length < 32 or ord(char) < 128)


def is_evident(name: str, why: str, secret: str, *, length_prefixed: bool = False) -> bool:
    """Whether a credential that was found in a text region is beyond doubt.

    Args:
        name: its name; empty without one.
        why: the heuristic that found it; empty if the catalog names the place.
        length_prefixed: see `is_length_prefixed`.
    """
    if why == "shape":
        return len(secret) >= _MIN_SHAPE
    clear = len(heuristics.normalized(name)) if why == "" else heuristics.explicit_length(name)
    return (
        (length_prefixed or clear >= _MIN_NAME)
        and len(secret) >= _MIN_VALUE
        and secret.isprintable()
    )


def _log_likelihood(printable: int, size: int) -> float:
    return _PRINTABLE_WEIGHT * printable + _OTHER_WEIGHT * (size - printable)


def _has_common_characters(data: bytes, printable: int) -> bool:
    uncommon = printable - (len(data) - len(data.translate(None, _COMMON)))
    return uncommon <= _MAX_UNCOMMON * printable


def _is_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8 without control characters; the last character may be cut."""
    if len(data) < _MIN_UTF8 or not has_no_controls(data[:_MIN_UTF8]):
        return False
    if not has_no_controls(data):
        return False
    if data.isascii():
        return _has_common_characters(data, len(data))
    try:
        data[: len(data) - 3].decode()
    except UnicodeDecodeError:
        return False
    return True
