"""Blocks: complete zstd frames, one after another, and the seek table behind them.

The zstd frame layout is RFC 8878, section 3.1; the seek table is zstd's seekable
format, a skippable frame that every decoder passes over.
"""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Iterator
from typing import BinaryIO

import zstandard

_MAGIC = b"\x28\xb5\x2f\xfd"
# Frame_Header_Descriptor (RFC 8878, section 3.1.1.1.1): a content size is there, a checksum
# is, a dictionary is not. All blocks have that, so damage in this byte is noticed as well.
_DESCRIPTORS = bytes(d for d in range(256) if d & 0x1F == 0x04 and d & 0xE0)
_HEADER = re.compile(re.escape(_MAGIC) + b"[" + re.escape(_DESCRIPTORS) + b"]")
# What follows the header of a frame without content: its one block, and the checksum.
_NOTHING = b"\x01\x00\x00\x99\xe9\xd8\x51"
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_SEEK_TABLE_MAGIC = 0x184D2A5E
_SEEK_FOOTER_MAGIC = 0x8F92EAB1
_LEVEL = 3

BLOCK_SIZE = 256 << 10  # bytes of packed records after which a block is closed
MAX_BLOCK = 80 << 20  # bytes that one block may hold, compressed or not
READ_AHEAD = 1 << 20  # bytes; with a file buffer of this size most blocks cost one read
PEEK = 128 << 10  # bytes of a zstd block at most (RFC 8878, section 3.1.1.2.4)


class BadBlock(Exception):
    """There is no complete, sound block at this place of the file.

    Attributes:
        cost: bytes that were unpacked, at most, to find that out.
        is_cut: whether the file ends inside of it; more may follow if the file is growing.
    """

    def __init__(self, reason: str, *, cost: int = 0, is_cut: bool = False) -> None:
        super().__init__(reason)
        self.cost = cost
        self.is_cut = is_cut


class Compressor:
    """Packs a block into one zstd frame with content size and content checksum.

    Args:
        level: of zstd; 3 costs a live session least.
    """

    def __init__(self, level: int = _LEVEL) -> None:
        self._level = level

    def compress(self, data: bytes | bytearray) -> bytes:
        zstd = _contexts.compressors.get(self._level)
        if zstd is None:
            zstd = zstandard.ZstdCompressor(level=self._level, write_checksum=True)
            _contexts.compressors[self._level] = zstd
        return zstd.compress(data)


class _Contexts(threading.local):
    """zstd's contexts of a thread.

    One for all sessions: its tables stay in the processor's caches. With a context for each
    session they would have to be fetched for every block. A new one is filled with zeros as well.

    Attributes:
        compressors: by level.
    """

    def __init__(self) -> None:
        self.compressors: dict[int, zstandard.ZstdCompressor] = {}
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def seek_table_entry(compressed: int, decompressed: int) -> bytes:
    """One line of the seek table: a block's size in the file and unpacked, bytes."""
    return struct.pack("<II", compressed, decompressed)


def seek_table(entries: bytes | bytearray) -> bytes:
    """The seek table of the blocks with these entries, in their order, as a skippable frame."""
    footer = struct.pack("<IBI", len(entries) // 8, 0, _SEEK_FOOTER_MAGIC)
    head = struct.pack("<II", _SEEK_TABLE_MAGIC, len(entries) + len(footer))
    return head + entries + footer


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
        file: seekable, with a buffer of READ_AHEAD.
        offset: where the block begins, bytes.

    Returns:
        The block's content (empty for a skippable frame) and the offset behind it.

    Raises:
        BadBlock: no sound block is there, or one over MAX_BLOCK.
        EOFError: the file ends at `offset`.
    """
    file.seek(offset)
    head = file.read(18)
    if not head:
        raise EOFError
    if len(head) < 9:  # an empty frame with its checksum has more, and so has a seek table
        raise BadBlock("the file ends inside of it", is_cut=True)
    if int.from_bytes(head[:4], "little") in _SKIPPABLE:
        return b"", _end_of_skippable(file, offset, head)
    if not _HEADER.match(head):
        raise BadBlock("no block begins here")
    try:
        content_size = zstandard.get_frame_parameters(head).content_size
        header_size = zstandard.frame_header_size(head)
    except zstandard.ZstdError as error:
        raise BadBlock("its header is damaged") from error
    if content_size > MAX_BLOCK:
        raise BadBlock(f"it asks for {content_size} bytes, over the limit of {MAX_BLOCK}")
    end = _end_of_frame(file, offset + header_size, content_size)
    file.seek(offset)
    data = file.read(end - offset)
    if len(data) < end - offset:
        raise BadBlock("the file ends inside of it", cost=content_size, is_cut=True)
    if not content_size and data[header_size:] != _NOTHING:
        # The library would not look at what follows the header.
        raise BadBlock("it is damaged: it is not as empty as it says")
    try:
        # The checksum is known to be right before a byte is used.
        return _contexts.decompressor.decompress(data), end
    except (zstandard.ZstdError, MemoryError) as error:
        raise BadBlock("it is damaged: its checksum does not match", cost=content_size) from error


def _end_of_skippable(file: BinaryIO, offset: int, head: bytes) -> int:
    end = offset + 8 + int.from_bytes(head[4:8], "little")
    file.seek(end - 1)
    if not file.read(1):
        raise BadBlock("the file ends inside of it", is_cut=True)
    return end


def _end_of_frame(file: BinaryIO, position: int, content_size: int) -> int:
    """Walk the zstd block headers (RFC 8878, section 3.1.1.2) to the frame's end."""
    # A compressor splits into blocks of at least a few KiB. A frame of nothing but empty
    # blocks would be a long walk for a short file.
    for _ in range(64 + (content_size >> 10)):
        file.seek(position)
        raw = file.read(3)
        if len(raw) < 3:
            raise BadBlock("the file ends inside of it", cost=content_size, is_cut=True)
        value = int.from_bytes(raw, "little")
        last, kind, length = value & 1, value >> 1 & 3, value >> 3
        if kind == 3:
            raise BadBlock("it is damaged", cost=content_size)
        position += 3 + (1 if kind == 1 else length)
        if last:
            return position + 4
    raise BadBlock("it is damaged: it is cut into too many pieces", cost=content_size)


def find_blocks(file: BinaryIO, offset: int) -> Iterator[int]:
    """Offsets, from one on, of bytes that look like the head of a block."""
    while True:
        file.seek(offset)
        chunk = file.read(READ_AHEAD)
        for match in _HEADER.finditer(chunk):
            yield offset + match.start()
        if len(chunk) < READ_AHEAD:
            return
        offset += len(chunk) - len(_MAGIC)  # a head may lie across two chunks


def peek(file: BinaryIO, offset: int, size: int) -> bytes:
    """The first bytes of a block's content, not checked; nothing if no block begins here.

    Costs no more than unpacking the first PEEK bytes of it.
    """
    file.seek(offset)
    head = file.read(PEEK + 32)
    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 23).stream_reader(head) as reader:
            return reader.read(size)
    except (zstandard.ZstdError, MemoryError):
        return b""
