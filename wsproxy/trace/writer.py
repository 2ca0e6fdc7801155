"""Writes one session as a trace, live: flushed blocks survive a crash of the process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import BinaryIO

import msgpack

from wsproxy.system.complete_write import write_completely

from .blocks import BLOCK_SIZE, Compressor, seek_table, seek_table_entry
from .records import VERSION, AnyRecord, More, Record, Sync, to_map

_LARGE = 1 << 20  # bytes of a packed record
_SEEK_TABLE = len(seek_table(b""))  # bytes of one without entries


class _Packers(threading.local):
    """The packer of a thread: one of each session's own would cost a buffer of 1 MiB each."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Free the buffer, which is as large as the largest record so far."""
        self.pack: Callable[[object], bytes] = msgpack.Packer().pack


_packers = _Packers()


class TraceWriter:
    """Packs records into blocks and writes each block with one write.

    The caller decides when a block is due by the clock (`flush`); this class has none.

    Args:
        file: unbuffered binary file, at its beginning.
        session: the session's id.

    Raises:
        OSError: from the file; a block that was not written completely is truncated, so that
            the file stays a sequence of sound blocks.
    """

    def __init__(self, file: BinaryIO, session: str) -> None:
        self._file = file
        self._session = session
        self._zstd = Compressor()
        self._block = bytearray()
        self._records = 0
        self._blocks = 0
        self._entries = bytearray()  # of the seek table
        self._offset = 0
        self._sealed = False  # whether the seek table is written
        self._torn = False  # whether there may be data behind the last complete block

    @property
    def pending(self) -> int:
        """Records that are not written yet and that a crash would lose."""
        return self._records

    @property
    def size(self) -> int:
        """Bytes of the current part with its seek table, without pending records."""
        return self._offset + (0 if self._sealed else len(self._entries) + _SEEK_TABLE)

    def add(self, record: AnyRecord) -> bool:
        """Add a record; returns whether the block is full, and due."""
        if not self._block:
            self._block += self._sync()
        self._block += self._packed(record)
        self._records += 1
        return len(self._block) >= BLOCK_SIZE

    def write(self, record: Record) -> None:
        """Add a record; closes the block when it is full."""
        if self.add(record):
            self.flush()

    def flush(self) -> None:
        """Close the current block and write it. Its records are lost if that fails."""
        if not self._block:
            return
        block, self._block, self._records = self._block, bytearray(), 0
        data = self._zstd.compress(block)
        self._write(data)
        self._blocks += 1
        self._entries += seek_table_entry(len(data), len(block))

    def drop(self) -> int:
        """Discard the current block; returns how many records were in it."""
        records, self._block, self._records = self._records, bytearray(), 0
        return records

    def hand_over(self, other: TraceWriter, more: More) -> None:
        """Close this part of the trace; pending records go to the writer of the next part.

        The file stays open. Its errors are ignored: a part can be read without its end.

        Args:
            other: of the next part, with nothing pending.
            more: the last record of this part.
        """
        if self._block:
            other._block = bytearray(other._sync())
            other._block += memoryview(self._block)[len(self._sync()) :]
        other._records = self.drop()
        with contextlib.suppress(OSError):
            self.add(more)
            self.finish()

    def finish(self) -> None:
        """Write what is pending and the seek table. The file stays open."""
        self.flush()
        self._seal()

    def _seal(self) -> None:
        self._write(seek_table(self._entries))
        self._sealed = True

    def _sync(self) -> bytes:
        return self._packed(Sync(VERSION, self._session, self._blocks))

    def _packed(self, record: AnyRecord) -> bytes:
        try:
            packed = _packers.pack(to_map(record))
        except UnicodeEncodeError:
            # Header bytes that are not UTF-8 are lone surrogates here (PEP 383). In the file
            # all text is UTF-8, so they are escaped.
            escaping: bytes = msgpack.Packer(unicode_errors="backslashreplace").pack(to_map(record))
            return escaping
        if len(packed) > _LARGE:
            _packers.renew()
        return packed

    def _write(self, data: bytes) -> None:
        if self._torn:
            self._truncate()
        try:
            self._torn = True
            write_completely(self._file.write, data)
        except OSError:
            with contextlib.suppress(OSError):  # then it is truncated before the next block
                self._truncate()
            raise
        self._torn = False
        self._offset += len(data)

    def _truncate(self) -> None:
        self._file.truncate(self._offset)
        self._file.seek(self._offset)
        self._torn = False
