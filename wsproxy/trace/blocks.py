"""Blocks: complete zstd frames, one after another, and the seek table behind them.

The zstd frame layout is RFC 8878, section 3.1; the seek table is zstd's seekable
format, a skippable frame that every decoder passes over.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import zstandard

from wsproxy.errors import LimitExceeded

MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_SEEK_TABLE_MAGIC = 0x184D2A5E
_SEEK_FOOTER_MAGIC = 0x8F92EAB1
_LEVEL = 3

MAX_BLOCK = 160 << 20  # bytes that one block may hold, compressed or not


class BadBlock(Exception):
    """What stands at this place of the file is no whole, sound block.

    Attributes:
        end: offset of the next block if the extent of this one is known, else None.
        truncated: the file ends inside of it.
    """

    def __init__(self, reason: str, *, end: int | None = None, truncated: bool = False) -> None:
        super().__init__(reason)
        self.end = end
        self.truncated = truncated


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the seek table: a block's size in the file and unpacked, bytes."""

    compressed: int
    decompressed: int


class Compressor:
    """Packs a block into one zstd frame with content size and content checksum."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)

    def compress(self, data: bytes | bytearray) -> bytes:
        return self._zstd.compress(data)


def seek_table(entries: Sequence[Entry]) -> bytes:
    """The seek table of these blocks, in their order, as a skippable zstd frame."""
    body = b"".join(struct.pack("<II", e.compressed, e.decompressed) for e in entries)
    body += struct.pack("<IBI", len(entries), 0, _SEEK_FOOTER_MAGIC)
    return struct.pack("<II", _SEEK_TABLE_MAGIC, len(body)) + body


def last_block(file: BinaryIO, size: int) -> int | None:
    """Offset of the last block according to the seek table, or None without one.

    Args:
        file: seekable.
        size: the file's length, bytes.
    """
    if size < 17:
        return None
    file.seek(size - 9)
    count, _, magic = struct.unpack("<IBI", file.read(9))
    table = 8 + count * 8 + 9
    if magic != _SEEK_FOOTER_MAGIC or not count or table > size:
        return None
    file.seek(size - 9 - 8)
    compressed, _ = struct.unpack("<II", file.read(8))
    offset = size - table - int(compressed)
    return offset if offset >= 0 else None


def read_block(file: BinaryIO, offset: int) -> tuple[bytes, int]:
    """Read the block at an offset.

    Args:
        file: seekable.
        offset: where the block begins, bytes.

    Returns:
        The block's content (empty for a skippable frame) and the offset behind it.

    Raises:
        BadBlock: no sound block is there.
        LimitExceeded: it asks for more than MAX_BLOCK bytes.
        EOFError: the file ends at `offset`.
    """
    file.seek(offset)
    head = file.read(18)
    if not head:
        raise EOFError
    if len(head) < 4:
        raise BadBlock("cut inside a block's first bytes", truncated=True)
    magic = int.from_bytes(head[:4], "little")
    if magic in _SKIPPABLE:
        return b"", _end_of_skippable(file, offset, head)
    if head[:4] != MAGIC:
        raise BadBlock("no block begins here")
    end = _end_of_frame(file, offset, head)
    file.seek(offset)
    return _decompress(file.read(end - offset), end), end


def _end_of_skippable(file: BinaryIO, offset: int, head: bytes) -> int:
    if len(head) < 8:
        raise BadBlock("cut inside the seek table", truncated=True)
    end = offset + 8 + int.from_bytes(head[4:8], "little")
    if file.seek(0, 2) < end:
        raise BadBlock("cut inside the seek table", truncated=True)
    return end


def _end_of_frame(file: BinaryIO, offset: int, head: bytes) -> int:
    """Walk the zstd block headers (RFC 8878, section 3.1.1.2) to the frame's end."""
    try:
        parameters = zstandard.get_frame_parameters(head)
        header_size = zstandard.frame_header_size(head)
    except zstandard.ZstdError as error:
        raise BadBlock("damaged block header", truncated=len(head) < 18) from error
    if parameters.content_size < zstandard.CONTENTSIZE_ERROR and parameters.content_size > MAX_BLOCK:
        raise LimitExceeded(f"a block holds {parameters.content_size} bytes, over the limit")
    position = offset + header_size
    while True:
        file.seek(position)
        raw = file.read(3)
        if len(raw) < 3:
            raise BadBlock("cut inside a block", truncated=True)
        value = int.from_bytes(raw, "little")
        last, kind, length = value & 1, value >> 1 & 3, value >> 3
        if kind == 3:
            raise BadBlock("damaged block")
        position += 3 + (1 if kind == 1 else length)
        if position - offset > MAX_BLOCK:
            raise LimitExceeded("a block is over the limit in the file")
        if last:
            break
    position += 4 if parameters.has_checksum else 0
    if file.seek(0, 2) < position:
        raise BadBlock("cut inside a block", truncated=True)
    return position


def _decompress(data: bytes, end: int) -> bytes:
    """Unpack one frame, whole: its checksum is known to be right before a byte is used."""
    out = bytearray()
    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data) as reader:
            while chunk := reader.read(1 << 20):
                out += chunk
                if len(out) > MAX_BLOCK:
                    raise LimitExceeded("a block unpacks to more than the limit")
    except (zstandard.ZstdError, MemoryError) as error:
        raise BadBlock("a block is damaged (its checksum does not match)", end=end) from error
    return bytes(out)
