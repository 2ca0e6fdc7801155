"""Blocks and the seek table, byte by byte."""

from __future__ import annotations

import contextlib
import io
import struct
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from wsproxy.trace import blocks
from wsproxy.trace.blocks import (
    MAX_BLOCK,
    BadBlock,
    Compressor,
    find_blocks,
    last_block,
    peek,
    read_block,
    seek_table,
    seek_table_entry,
)


def compress(data: bytes) -> bytes:
    return Compressor().compress(data)


@given(st.lists(st.binary(max_size=2000), max_size=5))
def test_read_block_consecutive_blocks_are_read_in_order(contents: list[bytes]) -> None:
    file = io.BytesIO(b"".join(map(compress, contents)))
    offset, found = 0, []
    for _ in contents:
        content, offset = read_block(file, offset)
        found.append(content)
    assert found == contents
    with pytest.raises(EOFError):
        read_block(file, offset)


def test_read_block_of_many_zstd_blocks_is_complete() -> None:
    content = bytes(range(256)) * 8192  # 2 MiB; zstd blocks hold 128 KiB
    data = compress(content)
    assert read_block(io.BytesIO(data), 0) == (content, len(data))


@given(st.binary(max_size=300))
def test_read_block_arbitrary_bytes_raises_bad_block_only(data: bytes) -> None:
    try:
        _, end = read_block(io.BytesIO(data), 0)
    except (BadBlock, EOFError):
        return
    assert end <= len(data)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_read_block_flipped_byte_raises_bad_block(content: bytes, data: st.DataObject) -> None:
    block = bytearray(compress(content))
    at = data.draw(st.integers(0, len(block) - 1))
    block[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(BadBlock):
        assert read_block(io.BytesIO(bytes(block)), 0) == (content, len(block))


def test_read_block_truncated_anywhere_raises_bad_block() -> None:
    block = compress(b"hello " * 50)
    for size in range(1, len(block)):
        with pytest.raises(BadBlock):
            read_block(io.BytesIO(block[:size]), 0)


@pytest.mark.parametrize("options", [{"write_checksum": False}, {"write_content_size": False}])
def test_read_block_without_checksum_or_size_raises_bad_block(options: dict[str, Any]) -> None:
    packer = zstandard.ZstdCompressor(**{"write_checksum": True, **options})
    with pytest.raises(BadBlock, match="no block begins here"):
        read_block(io.BytesIO(packer.compress(b"hello")), 0)


def raw_frame(content_size: int, pieces: bytes) -> bytes:
    """A zstd frame head with an 8-byte content size, and whatever follows."""
    return b"\x28\xb5\x2f\xfd" + b"\xe4" + struct.pack("<Q", content_size) + pieces


def test_read_block_declared_size_over_limit_allocates_nothing() -> None:
    with pytest.raises(BadBlock, match="over the limit"):
        read_block(io.BytesIO(raw_frame(MAX_BLOCK + 1, b"\x01\0\0" + bytes(20))), 0)


def test_read_block_bomb_stops_at_declared_size() -> None:
    rle = struct.pack("<I", (128 << 10) << 3 | 1 << 1)[:3] + b"x"  # 128 KiB of x in 4 bytes
    last = struct.pack("<I", 1 << 3 | 1 << 1 | 1)[:3] + b"x"
    with pytest.raises(BadBlock):
        read_block(io.BytesIO(raw_frame(1000, rle * 1000 + last + bytes(4))), 0)


class CountingFile(io.BytesIO):
    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        return super().read(size)


def test_read_block_many_empty_pieces_stops_early() -> None:
    file = CountingFile(raw_frame(1000, b"\0\0\0" * 1_000_000))
    with pytest.raises(BadBlock, match="too many pieces"):
        read_block(file, 0)
    assert file.reads < 100


def test_read_block_skippable_frame_is_empty() -> None:
    table = seek_table(seek_table_entry(10, 20))
    assert read_block(io.BytesIO(table), 0) == (b"", len(table))
    for size in range(1, len(table)):
        with pytest.raises(BadBlock):
            read_block(io.BytesIO(table[:size]), 0)


def test_seek_table_is_in_zstd_seekable_format() -> None:
    table = seek_table(seek_table_entry(10, 20) + seek_table_entry(30, 40))
    assert table == struct.pack("<II IIII IBI", 0x184D2A5E, 25, 10, 20, 30, 40, 2, 0, 0x8F92EAB1)


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=5))
def test_last_block_with_seek_table_is_found(contents: list[bytes]) -> None:
    packed = [compress(content) for content in contents]
    entries = b"".join(
        seek_table_entry(len(p), len(c)) for p, c in zip(packed, contents, strict=True)
    )
    data = b"".join(packed) + seek_table(entries)
    offset = last_block(io.BytesIO(data), len(data))
    assert offset is not None
    assert read_block(io.BytesIO(data), offset)[0] == contents[-1]


@given(st.binary(max_size=60), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_last_block_hostile_seek_table_stays_inside_file(
    data: bytes, count: int, compressed: int
) -> None:
    data += struct.pack("<II IBI", compressed, 0, count, 0, 0x8F92EAB1)
    offset = last_block(io.BytesIO(data), len(data))
    assert offset is None or 0 <= offset < len(data)


def test_find_blocks_at_any_offset_finds_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "READ_AHEAD", 64)
    block = compress(b"hello")
    for before in range(140):
        assert list(find_blocks(io.BytesIO(bytes(before) + block + bytes(9)), 0)) == [before]


@given(st.binary(max_size=1000), st.integers(1, 600))
def test_peek_any_content_returns_beginning_and_never_raises(content: bytes, size: int) -> None:
    assert peek(io.BytesIO(compress(content) + b"rest"), 0, size) == content[:size]
    assert isinstance(peek(io.BytesIO(b"\x28\xb5\x2f\xfd\x24" + content), 0, size), bytes)


def test_read_block_declared_empty_with_content_raises_bad_block() -> None:
    block = bytearray(compress(b"12345"))
    assert block[5] == 5  # the content size
    block[5] = 0
    with pytest.raises(BadBlock, match="not as empty"):
        read_block(io.BytesIO(bytes(block)), 0)
