"""Reads traces: whole ones, ones still being written, cut ones, damaged ones, hostile ones."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgpack

from wsproxy.errors import NotATrace, TraceError

from .blocks import (
    MAX_BLOCK,
    PEEK,
    READ_AHEAD,
    BadBlock,
    find_blocks,
    last_block,
    peek,
    read_block,
)
from .records import (
    MAX_RECORD,
    VERSION,
    AnyRecord,
    BadRecord,
    Bytes,
    End,
    FrameRecord,
    Record,
    Sync,
    from_map,
)

SUFFIX = ".wstrace"

MAX_LIST = 10_000  # items of one list, or keys of one map
MAX_ITEMS = 50_000  # items of all lists and maps of one record
MAX_SYNC = 512  # bytes of a sync record
MAX_LOSSES = 1000  # that are told one by one


@dataclass(frozen=True, slots=True)
class Loss:
    """A part of the file that could not be read.

    Attributes:
        offset, size: where in the file, bytes. Size 0: something that should be at
            this place is not in the file.
        reason: what is wrong with it.
        at_end: nothing readable follows: the file was cut, or is still being written.
    """

    offset: int
    size: int
    reason: str
    at_end: bool = False

    def __str__(self) -> str:
        if not self.size:
            return f"at offset {self.offset}: {self.reason}"
        return f"{self.size} bytes at offset {self.offset} not readable: {self.reason}"


class TraceReader:
    """Iterates over the records of a trace; holds one block at a time.

    Use it as a context manager. After the iteration `losses` tells what could not be
    read and `ended` whether the end record was there.

    Args:
        path: the trace.

    Raises:
        TraceError: the file cannot be opened or read; it has a later format.
        NotATrace: while iterating: nothing in the file is a trace.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.losses: list[Loss] = []
        self.ended = False
        self._session: str | None = None
        self._next_block = 0
        self._budget = 0
        try:
            self._file: BinaryIO = open(self.path, "rb", READ_AHEAD)  # noqa: SIM115  # see close()
        except OSError as error:
            raise self._unreadable(error) from error

    def __enter__(self) -> TraceReader:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Record]:
        self.losses, self.ended = [], False
        self._session, self._next_block = None, 0
        # What looking for the next block after damage may cost, bytes unpacked. A file
        # made of false blocks is given up, instead of being unpacked over and over.
        self._budget = (1 << 31) + 16 * self._size()
        found = False
        offset: int | None = 0
        while offset is not None:
            try:
                block, end = read_block(self._file, offset)
            except EOFError:
                break
            except BadBlock as error:
                offset = self._resume(offset, error)
                continue
            except OSError as error:
                raise self._unreadable(error) from error
            for record in self._records(block, offset, end):
                found = True
                yield record
            offset = end
        if not found:
            raise NotATrace(f"{self.path} is not a trace: no record in it can be read")

    def last(self) -> End | None:
        """The end record, found by the seek table without reading the rest; None without one.

        Raises:
            TraceError: the file cannot be read.
        """
        record: AnyRecord | None = None
        try:
            offset = last_block(self._file, self._size())
            if offset is not None:
                block, _ = read_block(self._file, offset)
                record = deque(_Records(block), maxlen=1).pop()
        except (BadBlock, EOFError, IndexError):
            return None
        except OSError as error:
            raise self._unreadable(error) from error
        return record if isinstance(record, End) else None

    def _records(self, block: bytes, offset: int, end: int) -> Iterator[Record]:
        """The records of a block; those of a block that has no place here are left out."""
        if not block:
            return
        records = _Records(block)
        iterator = iter(records)
        if not self._check_sync(next(iterator, None), offset, end):
            return
        for record in iterator:
            if not isinstance(record, Sync):
                self.ended = self.ended or isinstance(record, End)
                yield record
        if records.bad:
            self._lose(Loss(offset, end - offset, f"{records.bad} bad records: {records.reason}"))

    def _check_sync(self, sync: AnyRecord | None, offset: int, end: int) -> bool:
        if not isinstance(sync, Sync):
            self._lose(Loss(offset, end - offset, "a block without a sync record"))
            return False
        if sync.version > VERSION:
            raise TraceError(
                f"{self.path} has trace format {sync.version}; this wsproxy reads up to {VERSION}"
            )
        if not self._is_ours(sync):
            self._lose(Loss(offset, end - offset, "a block of another session"))
            return False
        if sync.block < self._next_block:
            # Its records would come twice, or after later ones.
            self._lose(Loss(offset, end - offset, f"block {sync.block} is out of order"))
            return False
        if sync.block > self._next_block:
            missing = sync.block - self._next_block
            self._lose(Loss(offset, 0, f"{missing} blocks before this place are missing"))
        self._session = sync.session
        self._next_block = sync.block + 1
        return True

    def _is_ours(self, sync: Sync) -> bool:
        return self._session is None or sync.session == self._session

    def _resume(self, offset: int, error: BadBlock) -> int | None:
        """Offset at which reading goes on after a bad block, or None.

        The bad block's own length is not trusted. What looks like a block is one of
        this trace if its sync record has this session's id, which is random: payloads
        can hold blocks, and even traces.
        """
        end: int | None = None
        self._budget -= error.cost
        for candidate in find_blocks(self._file, offset + 1):
            if self._budget < 0:
                break
            self._budget -= PEEK
            sync = next(iter(_Records(peek(self._file, candidate, MAX_SYNC))), None)
            if isinstance(sync, Sync) and self._is_ours(sync):
                end = candidate
                break
        size = (self._size() if end is None else end) - offset
        self._lose(Loss(offset, size, f"{error}", at_end=end is None))
        return end

    def _lose(self, loss: Loss) -> None:
        if len(self.losses) < MAX_LOSSES:
            self.losses.append(loss)
        else:
            last = self.losses[-1]
            size = loss.offset + loss.size - last.offset
            self.losses[-1] = replace(last, size=size, reason="many losses", at_end=loss.at_end)

    def _size(self) -> int:
        """The file's length now, bytes; it may be growing."""
        return os.fstat(self._file.fileno()).st_size

    def _unreadable(self, error: OSError) -> TraceError:
        return TraceError(f"cannot read {self.path}: {error.strerror or error}")


class _Records:
    """The records of one block, one by one; those of unknown kinds are passed over.

    Attributes:
        bad: how many records could not be taken; the checksum was right, so whoever
            wrote the block wrote it so.
        reason: what was wrong with the first of them.
    """

    def __init__(self, block: bytes) -> None:
        self.bad = 0
        self.reason = ""
        self._size = len(block)
        # Not a method of this object: a cycle would keep every block until the garbage
        # collector comes by.
        self._limit = _ItemLimit()
        # The hooks see every list and map once it is complete; the lengths are limited
        # before, because memory is taken by them.
        self._unpacker = msgpack.Unpacker(
            max_buffer_size=MAX_BLOCK,
            max_array_len=MAX_LIST,
            max_map_len=MAX_LIST,
            max_ext_len=0,
            strict_map_key=True,
            unicode_errors="replace",
            list_hook=self._limit.count,
            object_hook=self._limit.count,
        )
        self._unpacker.feed(block)

    def __iter__(self) -> Iterator[AnyRecord]:
        while True:
            self._limit.items, start = 0, self._unpacker.tell()
            try:
                record = from_map(self._unpacker.unpack())
            except msgpack.OutOfData:
                if start < self._size:
                    self._reject("cut inside a record")
                return
            except BadRecord as error:
                self._reject(str(error))
                continue
            except (ValueError, TypeError, MemoryError, msgpack.UnpackException) as error:
                self._reject(f"not msgpack: {error}")
                return
            if record is None:
                continue
            size = self._unpacker.tell() - start
            if size > MAX_RECORD and not isinstance(record, FrameRecord | Bytes):
                self._reject(f"a {record.kind} record of {size} bytes")
                continue
            yield record

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


def find_traces(paths: list[str]) -> list[Path]:
    """The trace files among paths; of a folder, all below it, oldest first.

    Raises:
        TraceError: a path does not exist.
    """
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            found += sorted(path.rglob(f"*{SUFFIX}"))
        elif path.exists():
            found.append(path)
        else:
            raise TraceError(f"{path}: no such file or folder")
    return found
