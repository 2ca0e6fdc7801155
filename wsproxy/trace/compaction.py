"""Packs finished traces into full blocks.

A live trace closes a block every 120 ms, so that a crash loses little; blocks that small
compress badly. Once a session has ended its records are packed again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgpack

from .atomic_file import Replacement
from .blocks import (
    BLOCK_SIZE,
    READ_AHEAD,
    BadBlock,
    Compressor,
    read_block,
    seek_table,
    seek_table_entry,
)
from .reader import MAX_SYNC
from .records import BadRecord, Sync, from_map, to_map

# Measured on 10 minutes of live transcription, against one run of zstd -3 over its records:
# level 3 gives 1.010, level 6 gives 0.996 and level 9 gives 0.995.
LEVEL = 6
ROOM = 4  # times a trace's size that must be free on the disk before it is packed again


def compact(path: Path, pace: Callable[[], None] | None = None) -> bool:
    """Pack a finished trace into full blocks; its records are unchanged.

    Holds two blocks in memory, whatever the size of the trace. The file is replaced atomically
    and keeps its time of last change.

    Args:
        pace: called between blocks. It may sleep, and an exception from it ends the work.

    Returns:
        Whether it was done. Not if the trace is unfinished or damaged, would not get smaller,
        was changed meanwhile, or if the disk has not ROOM times its size free.

    Raises:
        OSError: from the file system; the trace is unchanged.
    """
    with open(path, "rb", READ_AHEAD) as source:
        before = os.fstat(source.fileno())
        if _free(path.parent) < ROOM * before.st_size:
            return False
        with Replacement(path) as new:
            size = _copy(source, new.file, pace or _no_pace)
            if size is None or size >= before.st_size:
                return False
            os.utime(new.file.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
            # Each wait for the disk can delay recorders; one is enough. It may be long, so
            # it is checked after it that the trace is still there.
            return new.commit(sync_name=False, still_wanted=lambda: _is_at(path, before))


def _no_pace() -> None:
    pass


def _copy(source: BinaryIO, out: BinaryIO, pace: Callable[[], None]) -> int | None:
    """Copy all records; returns the new size, bytes, or None if this is no finished trace."""
    offset = 0
    packer: _Packer | None = None
    while True:
        try:
            block, end = read_block(source, offset)
        except (BadBlock, EOFError):
            return None
        if not block:  # the seek table; nothing may follow it
            source.seek(end)
            return None if packer is None or source.read(1) else packer.finish()
        try:
            sync, start = _sync(block)
        except BadRecord:
            return None
        if packer is None:
            packer = _Packer(out, sync)
        if not packer.add(sync, block, start):
            return None
        offset = end
        pace()


def _sync(block: bytes) -> tuple[Sync, int]:
    """A block's first record, and where the others begin.

    Raises:
        BadRecord: it is no sync record.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=MAX_SYNC)
    unpacker.feed(block[:MAX_SYNC])
    try:
        record = from_map(unpacker.unpack())
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise BadRecord(f"not msgpack: {error}") from error
    if not isinstance(record, Sync):
        raise BadRecord("a block without a sync record")
    return record, unpacker.tell()


class _Packer:
    """Collects the packed records of small blocks into full ones.

    Args:
        out: for the blocks; a write writes all data.
        first: the sync record of the first block; the new blocks are numbered from it.
    """

    def __init__(self, out: BinaryIO, first: Sync) -> None:
        self._out = out
        self._first = first
        self._zstd = Compressor(LEVEL)
        self._block = bytearray()
        self._blocks_read = 0
        self._blocks_written = 0
        self._entries = bytearray()
        self._size = 0

    def add(self, sync: Sync, block: bytes, start: int) -> bool:
        """Add the records of the next block; False if it is not the next one."""
        expected = self._first.block + self._blocks_read
        if (sync.version, sync.session) != (self._first.version, self._first.session):
            return False
        if sync.block != expected:
            return False
        self._blocks_read += 1
        if not self._block:
            number = self._first.block + self._blocks_written
            self._block += msgpack.packb(to_map(Sync(sync.version, sync.session, number)))
        self._block += memoryview(block)[start:]
        if len(self._block) >= BLOCK_SIZE:
            self._flush()
        return True

    def finish(self) -> int:
        """Write pending records and the seek table; returns the size of the file, bytes."""
        if self._block:
            self._flush()
        self._write(seek_table(self._entries))
        return self._size

    def _flush(self) -> None:
        data = self._zstd.compress(self._block)
        self._write(data)
        self._entries += seek_table_entry(len(data), len(self._block))
        self._blocks_written += 1
        self._block = bytearray()

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._size += len(data)


def _free(folder: Path) -> int:
    """Bytes that are free on the folder's disk."""
    if not hasattr(os, "statvfs"):
        return 1 << 62
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _is_at(path: Path, file: os.stat_result) -> bool:
    """Whether a path still is this file, unchanged."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    return all(
        getattr(now, name) == getattr(file, name)
        for name in ("st_dev", "st_ino", "st_size", "st_mtime_ns")
    )
