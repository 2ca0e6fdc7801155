"""The records of one block, from bytes that may be anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack

from .blocks import MAX_BLOCK
from .packed_frame import unpack_frame
from .records import MAX_RECORD, AnyRecord, BadRecord, Bytes, FrameRecord, from_map

MAX_LIST = 10_000  # items of one list, or keys of one map
MAX_ITEMS = 50_000  # items of all lists and maps of one record


class Unpacker:
    """Iterates over the records of a block; those of unknown kinds are passed over.

    Attributes:
        bad: how many records could not be taken; the checksum was right, so whoever
            wrote the block wrote it so.
        reason: what was wrong with the first of them.
    """

    def __init__(self, block: bytes) -> None:
        self.bad = 0
        self.reason = ""
        self._block = block
        # Not a method of this object: a cycle would keep every block until the garbage
        # collector comes by.
        self._limit = _ItemLimit()
        # The hooks see every list and map once it is complete; the lengths are limited
        # before, because memory is taken by them.
        self._msgpack = msgpack.Unpacker(
            max_buffer_size=MAX_BLOCK,
            max_array_len=MAX_LIST,
            max_map_len=MAX_LIST,
            max_ext_len=0,
            strict_map_key=True,
            unicode_errors="replace",
            list_hook=self._limit.count,
            object_hook=self._limit.count,
        )
        self._msgpack.feed(block)

    def __iter__(self) -> Iterator[AnyRecord]:
        block, size, offset = self._block, len(self._block), 0
        while offset < size:
            record, offset = unpack_frame(block, offset) or self._unpack(offset)
            if record is not None:
                yield record

    def _unpack(self, offset: int) -> tuple[AnyRecord | None, int]:
        """The record at an offset, and the offset behind it; the block's end if that is unknown."""
        while (behind := offset - self._msgpack.tell()) > 0:
            self._msgpack.read_bytes(min(behind, MAX_RECORD))  # which copies them
        self._limit.items = 0
        record = None
        try:
            record = from_map(self._msgpack.unpack())
        except BadRecord as error:
            self._reject(str(error))
        except msgpack.OutOfData:
            self._reject("cut inside a record")
            return None, len(self._block)
        except (ValueError, TypeError, MemoryError, msgpack.UnpackException) as error:
            self._reject(f"not msgpack: {error}")
            return None, len(self._block)
        end = self._msgpack.tell()
        if not isinstance(record, FrameRecord | Bytes | None) and end - offset > MAX_RECORD:
            self._reject(f"a {record.kind} record of {end - offset} bytes")
            record = None
        return record, end

    def _reject(self, reason: str) -> None:
        self.bad += 1
        self.reason = self.reason or reason


class _ItemLimit:
    """Counts the items of one record's lists and maps."""

    def __init__(self) -> None:
        self.items = 0

    def count(self, items: Any) -> Any:
        """Take a list or map that is complete, and hand it back.

        Raises:
            ValueError: with it there are over MAX_ITEMS.
        """
        self.items += 1 + len(items)
        if self.items > MAX_ITEMS:
            raise ValueError(f"over {MAX_ITEMS} items in one record")
        return items
