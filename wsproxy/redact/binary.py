"""Text inside binary messages: UTF-16, packed text, and names and values with their lengths.

Formats with lengths are not parsed (MessagePack, CBOR, Protocol Buffers, event streams ...):
in all of them a name, a few bytes, and the value stand behind each other. After a value is
taken out, the lengths in the message are those of before.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import zstandard

_MAX_UNPACKED = 1 << 20  # bytes
_WIDE = re.compile(r"((?:[\t\n\r -~]\0){4,}+)|((?:\0[\t\n\r -~]){4,}+)")
_RUN = re.compile(r"[ -~]{3,}+")
_MAX_BETWEEN = 6  # bytes between a name and its value: types and lengths
_MAX_NAME = 40
_MIN_VALUE = 4
_MAGIC = {b"\x1f\x8b\x08": 31, b"\x78\x01": 15, b"\x78\x5e": 15, b"\x78\x9c": 15, b"\x78\xda": 15}
_MAX_HEAD = 16  # bytes before what is packed
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class WideText:
    """A text in UTF-16, as far as it is ASCII, and where it begins; `codec` is Python's."""

    start: int
    text: str
    codec: str


def wide(text: str) -> Iterator[WideText]:
    """Texts in UTF-16 inside a message (Latin-1)."""
    if "\0" in text:
        for match in _WIDE.finditer(text):
            if match[1] is not None:
                yield WideText(match.start(), match[1][::2], "utf-16-le")
            else:
                yield WideText(match.start(), match[2][1::2], "utf-16-be")


def unpacked(data: bytes) -> tuple[bytes, bool] | None:
    """What a packed message holds, and whether that is all of it; None: it is not packed."""
    for magic, window in _MAGIC.items():
        at = data.find(magic, 0, _MAX_HEAD if window == 31 else len(magic))
        if at >= 0:
            stream = zlib.decompressobj(window)
            try:
                said = stream.decompress(data[at:], _MAX_UNPACKED)
            except zlib.error:
                continue
            return said, not stream.unconsumed_tail
    if data.startswith(_ZSTD):
        try:
            with zstandard.ZstdDecompressor(max_window_size=8 << 20).stream_reader(data) as reader:
                said = reader.read(_MAX_UNPACKED)
                return said, not reader.read(1)
        except zstandard.ZstdError:
            return None
    return None


def named(text: str) -> Iterator[tuple[str, int, int]]:
    """A name and where its value stands, in a message that is no text."""
    before: re.Match[str] | None = None
    for run in _RUN.finditer(text):
        if (length := _length_in(run[0])) > 0:
            yield run[0][: length - 1], run.start() + length, run.end()
        if (
            before is not None
            and run.start() - before.end() <= _MAX_BETWEEN
            and len(before[0]) <= _MAX_NAME
            and len(run[0]) >= _MIN_VALUE
        ):
            yield before[0], run.start(), run.end()
        before = run


def _length_in(run: str) -> int:
    """Where a value begins in a run in which its length is a printable character; else 0."""
    for at in range(min(_MAX_NAME, len(run) - _MIN_VALUE)):
        if ord(run[at]) == len(run) - at - 1:
            return at + 1
    return 0
