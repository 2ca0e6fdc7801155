"""Writes one session as a trace, live: what is flushed survives the process."""

from __future__ import annotations

from typing import BinaryIO

import msgpack

from .blocks import Compressor, seek_table, seek_table_entry
from .records import VERSION, AnyRecord, Record, Sync, to_map

BLOCK_SIZE = 256 << 10  # bytes of packed records after which a block is closed


class TraceWriter:
    """Packs records into blocks and writes each block with one write.

    The caller decides when a block is due by the clock (`flush`); this class has none.

    Args:
        file: unbuffered binary file, at its beginning.
        session: the session's id.

    Raises:
        OSError: from the file; a block that was not written whole is taken back, so
            that the file stays a sequence of sound blocks.
    """

    def __init__(self, file: BinaryIO, session: str) -> None:
        self._file = file
        self._session = session
        self._pack = msgpack.Packer().pack
        self._zstd = Compressor()
        self._block = bytearray()
        self._records = 0
        self._blocks = 0
        self._entries = bytearray()  # of the seek table
        self._offset = 0

    @property
    def pending(self) -> int:
        """Records that are in no block yet and that a crash would lose."""
        return self._records

    def write(self, record: Record) -> None:
        """Add a record; closes the block when it is full."""
        if not self._block:
            self._add(Sync(VERSION, self._session, self._blocks))
        self._add(record)
        self._records += 1
        if len(self._block) >= BLOCK_SIZE:
            self.flush()

    def flush(self) -> None:
        """Close the block at hand and write it. Its records are gone if that fails."""
        if not self._block:
            return
        block, self._block, self._records = self._block, bytearray(), 0
        data = self._zstd.compress(block)
        self._write(data)
        self._blocks += 1
        self._entries += seek_table_entry(len(data), len(block))

    def finish(self) -> None:
        """Write what is pending and the seek table. The file stays open."""
        self.flush()
        self._write(seek_table(self._entries))

    def _add(self, record: AnyRecord) -> None:
        try:
            self._block += self._pack(to_map(record))
        except UnicodeEncodeError:
            # Header bytes that are not UTF-8 come as lone surrogates (PEP 383). In the
            # file all text is UTF-8, so they are spelt out.
            escaping = msgpack.Packer(unicode_errors="backslashreplace")
            self._block += escaping.pack(to_map(record))

    def _write(self, data: bytes) -> None:
        try:
            written = self._file.write(data)
            if written != len(data):
                raise OSError("short write")
        except OSError:
            self._file.truncate(self._offset)
            self._file.seek(self._offset)
            raise
        self._offset += len(data)
