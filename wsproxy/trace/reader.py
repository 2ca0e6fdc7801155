"""Reads traces: whole ones, ones still being written, cut ones, damaged ones, hostile ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgpack

from wsproxy.errors import LimitExceeded, NotATrace, TraceError

from .blocks import MAGIC, MAX_BLOCK, BadBlock, last_block, read_block
from .records import VERSION, BadRecord, End, Record, Sync, from_map

SUFFIX = ".wstrace"


@dataclass(frozen=True, slots=True)
class Loss:
    """A part of the file that could not be read.

    Attributes:
        offset, size: where in the file, bytes.
        reason: what is wrong with it.
        at_end: nothing readable follows: the file was cut, or is still being written.
    """

    offset: int
    size: int
    reason: str
    at_end: bool = False

    def __str__(self) -> str:
        return f"{self.size} bytes at offset {self.offset} not readable: {self.reason}"


class TraceReader:
    """Iterates over the records of a trace; holds one block at a time.

    Use it as a context manager. After the iteration `losses` tells what could not be
    read and `ended` whether the end record was there.

    Args:
        path: the trace.

    Raises:
        TraceError: the file cannot be opened.
        NotATrace: while iterating: nothing in the file is a trace.
        LimitExceeded: while iterating: the file asks for more memory than is given.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.losses: list[Loss] = []
        self.ended = False
        self._next_block = 0
        try:
            self._file: BinaryIO = open(self.path, "rb")  # noqa: SIM115  # closed by close()
        except OSError as error:
            raise TraceError(f"cannot read {self.path}: {error.strerror}") from error
        self._size = os.fstat(self._file.fileno()).st_size

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
        offset = 0
        found = False
        while True:
            try:
                block, end = read_block(self._file, offset)
            except EOFError:
                break
            except BadBlock as error:
                end = self._resume(offset, error)
                self._lose(offset, end, error)
                offset = end
                continue
            if block:
                for record in self._records(block, offset, end):
                    found = True
                    yield record
            offset = end
        if not found:
            raise NotATrace(f"{self.path} is not a trace: no record in it can be read")

    def last(self) -> End | None:
        """The end record, found by the seek table without reading the rest; None without one."""
        try:
            offset = last_block(self._file, self._size)
            if offset is None:
                return None
            block, end = read_block(self._file, offset)
        except (BadBlock, EOFError):
            return None
        record = None
        for record in self._records(block, offset, end):
            pass
        return record if isinstance(record, End) else None

    def _records(self, block: bytes, offset: int, end: int) -> Iterator[Record]:
        unpacker = msgpack.Unpacker(
            max_buffer_size=MAX_BLOCK, strict_map_key=True, max_ext_len=0, unicode_errors="replace"
        )
        unpacker.feed(block)
        while True:
            try:
                record = from_map(unpacker.unpack())
            except msgpack.OutOfData:
                return
            except BadRecord as error:
                self.losses.append(Loss(offset, 0, str(error)))
                continue
            except (ValueError, msgpack.UnpackException, RecursionError, TypeError) as error:
                # The checksum was right, so whoever wrote this block wrote it so.
                self.losses.append(Loss(offset, end - offset, f"not msgpack: {error}"))
                return
            if isinstance(record, Sync):
                self._check_sync(record, offset)
            elif record is not None:
                self.ended = self.ended or isinstance(record, End)
                yield record

    def _check_sync(self, sync: Sync, offset: int) -> None:
        if sync.version > VERSION:
            raise TraceError(
                f"{self.path} has trace format {sync.version}; this wsproxy reads up to {VERSION}"
            )
        if sync.block > self._next_block:
            missing = sync.block - self._next_block
            self.losses.append(Loss(offset, 0, f"{missing} blocks before this place are missing"))
        self._next_block = sync.block + 1

    def _resume(self, offset: int, error: BadBlock) -> int:
        """Offset at which reading goes on after a bad block; the file's end if nowhere."""
        if error.end is not None:
            return error.end
        position = offset + 1
        while True:
            self._file.seek(position)
            chunk = self._file.read(1 << 20)
            at = chunk.find(MAGIC)
            if at < 0:
                if len(chunk) < 4:
                    return self._size
                position += len(chunk) - 3
            elif self._plausible(position + at):
                return position + at
            else:
                position += at + 1

    def _plausible(self, offset: int) -> bool:
        """Whether a block begins here; one that is damaged but whole counts as well."""
        try:
            read_block(self._file, offset)
        except BadBlock as error:
            return error.end is not None
        except LimitExceeded:
            return False
        return True

    def _lose(self, offset: int, end: int, error: BadBlock) -> None:
        size = min(end, self._size) - offset
        self.losses.append(Loss(offset, size, str(error), at_end=end >= self._size))


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
