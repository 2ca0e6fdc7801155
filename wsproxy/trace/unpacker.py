"""The records of one block, from bytes that may be anything."""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any, cast

import msgpack

from .blocks import MAX_BLOCK
from .frame_run import MAX_RUN, FrameRun, RunReader
from .packed_frame import unpack_frame
from .records import MAX_RECORD, AnyRecord, BadRecord, from_map, max_size

MAX_LIST = 10_000  # items of one list, or keys of one map
MAX_ITEMS = 50_000  # items of all lists and maps of one record
_PIECE = 64 << 10  # bytes of a block that msgpack gets at once, at least


class Unpacker:
    """Iterates over the records of a block; records of unknown kinds are skipped.

    Args:
        limit: the most records, those of unknown kinds and bad ones included.

    Attributes:
        bad: how many records are invalid. The checksum is right, so they were written so.
        reason: what was wrong with the first of them.
        count: how many records were read; known once the iteration has ended or is closed.
        over: whether there were more than `limit`.
        size: bytes of the current record, if it is neither a frame nor bytes.
    """

    def __init__(self, block: bytes, limit: int = sys.maxsize) -> None:
        self.bad = 0
        self.reason = ""
        self.count = 0
        self.over = False
        self.size = 0
        self._block = block
        self._limit = limit
        # Not a method of this object: a reference cycle would keep every block until the next
        # garbage collection.
        self._items = _ItemLimit()
        self._open(0)

    def _open(self, offset: int) -> None:
        """Start msgpack at an offset."""
        self._start = self._fed = offset
        # The hooks get every list and map once it is complete. The lengths are limited
        # before that, because they allocate memory.
        self._msgpack = msgpack.Unpacker(
            max_buffer_size=MAX_BLOCK,
            max_str_len=MAX_RECORD,
            max_array_len=MAX_LIST,
            max_map_len=MAX_LIST,
            max_ext_len=0,
            strict_map_key=True,
            unicode_errors="replace",
            list_hook=self._items.count,
            object_hook=self._items.count,
        )

    def _feed(self) -> bool:
        """Feed msgpack more of the block, which it copies; False at the block's end."""
        if self._fed >= len(self._block):
            return False
        more = memoryview(self._block)[self._fed : self._fed + max(_PIECE, self._fed - self._start)]
        self._msgpack.feed(more)
        self._fed += len(more)
        return True

    def __iter__(self) -> Generator[AnyRecord, None, None]:
        # Without a generator around it, which would cost time for each record.
        return cast("Generator[AnyRecord, None, None]", self.with_runs(longest=0))

    def with_runs(self, longest: int = MAX_RUN) -> Generator[AnyRecord | FrameRun, None, None]:
        """The records, with runs of messages in place of their frames.

        Args:
            longest: frames of a run; 0: each frame is a record.
        """
        block, size, offset, left = self._block, len(self._block), 0, self._limit
        read_run = RunReader(block).read
        try:
            while offset < size:
                if not left:
                    self.over = True
                    break
                if longest and (run := read_run(offset, min(longest, left))) is not None:
                    left -= run[0].count
                    offset = run[1]
                    yield run[0]
                    continue
                left -= 1
                record, offset = unpack_frame(block, offset) or self._unpack(offset)
                if record is not None:
                    yield record
        finally:
            self.count = self._limit - left

    def _unpack(self, offset: int) -> tuple[AnyRecord | None, int]:
        """The record at an offset, and the offset behind it; the block's end if that is unknown."""
        if offset > self._fed:
            self._open(offset)
        while (behind := offset - self._start - self._msgpack.tell()) > 0:
            self._msgpack.read_bytes(min(behind, MAX_RECORD))  # which copies them
        self._items.items = 0
        record = None
        try:
            record = from_map(self._next())
        except BadRecord as error:
            self._reject(str(error))
        except msgpack.OutOfData:
            self._reject("cut inside a record")
            return None, len(self._block)
        except (ValueError, TypeError, MemoryError, msgpack.UnpackException) as error:
            self._reject(f"not msgpack: {error}")
            return None, len(self._block)
        end = self._start + self._msgpack.tell()
        self.size = end - offset
        if record is not None and self.size > max_size(record):
            self._reject(f"a {record.kind} record of {self.size} bytes")
            record = None
        return record, end

    def _next(self) -> object:
        while True:
            try:
                return self._msgpack.unpack()
            except msgpack.OutOfData:
                if not self._feed():
                    raise

    def _reject(self, reason: str) -> None:
        self.bad += 1
        self.reason = self.reason or reason


class _ItemLimit:
    """Counts the items of one record's lists and maps."""

    def __init__(self) -> None:
        self.items = 0

    def count(self, items: Any) -> Any:
        """Count a complete list or map, and return it.

        Raises:
            ValueError: with it there are over MAX_ITEMS.
        """
        self.items += 1 + len(items)
        if self.items > MAX_ITEMS:
            raise ValueError(f"over {MAX_ITEMS} items in one record")
        return items
