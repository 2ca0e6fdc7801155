"""One session's records on their way into the file, or the files, of its trace.

A disk that does not take them never stops the session: what could not be written is
counted, and told in a gap record as soon as something can be written again.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from wsproxy.system.file_flags import OPEN_FILES_MOVE, PLAIN
from wsproxy.trace import Gap, More, Record, Request, Response, Start, TraceWriter
from wsproxy.trace.lock import hold
from wsproxy.trace.parts import MAX_PARTS, part_path
from wsproxy.trace.writer import BLOCK_SIZE

from .fsync import FsyncThread

FLUSH_AFTER_NS = 90_000_000  # a block is written once its first record is this old
# After a fault the file is tried again so much later, ns: a disk that is full or gone is
# not asked at every frame.
RETRY_NS = 250_000_000
_CHECK_NS = 1_000_000_000  # how often it is looked whether the file is still there, ns

_HEAD = (Start, Request, Response)  # what every part begins with; a tuple is asked faster

REMOVED = "the file was removed while it was written; what had been written is lost"


class TraceOutput:
    """Writes records, and keeps what every part begins with.

    Args:
        path: of the first part.
        start: the session's first record; given to `write` as well.
        max_size: bytes that a part may have, but for a frame larger than that; None: any.
        syncer: has what was written brought to the disk itself; None: nobody does.
        make_folder: make the folder if it is not there.
        told: called with each gap record that was written.

    Attributes:
        paths: the parts that are there, in their order.
        fault: why nothing can be written at the moment, or None.
        failures: how often writing has failed.
        error: why a part of the trace could not be written, if one could not.
        parts: how many parts were begun.
    """

    def __init__(
        self,
        path: Path,
        start: Start,
        *,
        max_size: int | None,
        syncer: FsyncThread | None,
        make_folder: bool,
        told: Callable[[Gap], None],
    ) -> None:
        self.paths: list[Path] = []
        self.fault: OSError | None = None
        self.failures = 0
        self.error: OSError | None = None
        self.parts = 0
        self._path = path
        self._start = start
        self._max_size = max_size
        self._syncer = syncer
        self._make_folder = make_folder
        self._told = told
        self._file: BinaryIO | None = None
        self._writer: TraceWriter | None = None
        self._closed_size = 0  # bytes of the parts before
        self._head: list[Record] = []  # start, request, response: what every part begins with
        self._owed: list[Record] = []  # those of them that are not in the file yet
        self._lost: Gap | None = None
        self._part_since = 0  # when the part at hand was begun, ns
        self._in_part = 0  # records written into it
        self._now = 0  # time of the latest record, ns
        self._pending_since: int | None = None
        self._retry_at = 0  # ns
        self._check_at = 0  # ns

    @property
    def incomplete(self) -> bool:
        """Whether records are missing that no gap record tells of yet."""
        return self._gap() is not None

    @property
    def size(self) -> int:
        """Bytes written so far, in all parts that are there."""
        return self._closed_size + (self._writer.size if self._writer is not None else 0)

    def write(self, record: Record) -> None:
        """Take the next record."""
        if record.t_ns > self._now:  # noqa: PLR1730  # `max` costs more, and this is for each frame
            self._now = record.t_ns
        if isinstance(record, _HEAD):
            self._head = [r for r in self._head if type(r) is not type(record)] + [record]
            self._owed.append(record)
            if self._is_out():
                self._recover()  # with what is owed
                return
        elif self._is_out() and not self._recover():
            self._lose(1)
            return
        assert self._writer is not None
        if self._pending_since is None:
            self._pending_since = record.t_ns
        if self._writer.add(record):
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        self._pending_since = None
        if self._writer is None or not self._writer.pending or self._lost is not None:
            return
        pending = self._writer.pending
        try:
            self._change_part()
            self._put()
        except OSError as error:
            self._failed(error, pending)

    def due(self, now_ns: int) -> bool:
        """Whether the oldest pending record is too old to stay in memory alone.

        Args:
            now_ns: on the session's clock.
        """
        return self._pending_since is not None and now_ns - self._pending_since >= FLUSH_AFTER_NS

    def try_again(self) -> None:
        """Something can be written again, it seems: do not wait for the next record."""
        if self._is_out():
            self._retry_at = 0
            self._recover()

    def settle(self) -> None:
        """See whether the file is there and can be written: the session is about to end.

        After that, `incomplete` says whether the disk is still out, and `parts` how many
        there will be.
        """
        self._retry_at = self._check_at = 0
        self._max_size = None  # the end record tells how many parts there are
        if self._is_out():
            self._recover()
        else:
            pending = self._writer.pending if self._writer is not None else 0
            try:
                self._change_part()
            except OSError as error:
                self._failed(error, pending)

    def finish(self) -> None:
        """Write the rest and the seek table, and close the file."""
        self.flush()
        if self._writer is None or self._file is None:
            return
        try:
            if not self._is_out():
                self._writer.finish()
        except OSError as error:
            self._failed(error, 0)
        self._close(self._file, self.paths[-1])
        self._closed_size, self._writer, self._file = self.size, None, None

    # -- faults

    def _is_out(self) -> bool:
        return self._writer is None or self._lost is not None

    def _failed(self, error: OSError, records: int) -> None:
        """What is pending could not be written; so many records."""
        self.failures += 1
        self.error = self.fault = error
        self._retry_at = self._now + RETRY_NS
        self._pending_since = None
        if self._writer is not None:
            self._writer.drop()
        self._lose(max(0, records - len(self._owed)))

    def _lose(self, records: int) -> None:
        if self._lost is None:
            why = (self.fault.strerror or self.fault) if self.fault is not None else ""
            self._lost = Gap(self._now, self._now, f"cannot write: {why}")
        self._lost = replace(self._lost, until_ns=self._now, records=self._lost.records + records)

    def _recover(self) -> bool:
        """Try to write what is owed and the gap; while that fails the disk is still out."""
        if self._now < self._retry_at:
            return False
        try:
            self._change_part()
            self._put_gap()
        except OSError as error:
            self._failed(error, 0)
            return False
        self.fault = None
        return True

    def _put_gap(self) -> None:
        """Write the gap record, and before it what is owed, in a block of its own."""
        assert self._writer is not None
        if self._gap() is None and not self._owed:
            self._lost = None
            return
        for record in self._owed:
            self._writer.add(record)
        if gap := self._gap():
            self._writer.add(gap)
        self._put()
        self._gap_is_told()

    def _gap(self) -> Gap | None:
        """What is missing up to now; None where nothing is after all."""
        if self._lost is None or not self._lost.records:
            return None
        return replace(self._lost, until_ns=self._now)

    def _gap_is_told(self) -> None:
        gap, self._lost = self._gap(), None
        if gap is not None:
            self._told(gap)

    # -- to the file

    def _put(self) -> None:
        assert self._writer is not None
        assert self._file is not None
        records = self._writer.pending - len(self._owed)
        self._writer.flush()
        self._in_part += records
        self._owed.clear()
        if self._syncer is not None:
            self._syncer.written(self._file, self.paths[-1])

    def _change_part(self) -> None:
        """See to it that there is a file to write to, and that it is not over its limit."""
        if self._writer is None:
            self._open()
        elif self._is_removed():
            self._note_removal()
            self._open()
        elif self._is_full():
            try:
                self._open()
            except OSError as error:
                # The file that there is takes it as well; the limit is what suffers.
                self.failures += 1
                self.fault = error
                self._retry_at = self._now + RETRY_NS
            else:
                self.fault = None

    def _is_full(self) -> bool:
        return (
            self._max_size is not None
            and self._writer is not None
            and self._writer.size + BLOCK_SIZE > self._max_size
            and self._in_part > 0
            and self._now >= self._retry_at
            and self.parts < MAX_PARTS
        )

    def _is_removed(self) -> bool:
        """Whether the file has no name any more; asked now and then."""
        if self._now < self._check_at or self._file is None:
            return False
        self._check_at = self._now + _CHECK_NS
        return os.fstat(self._file.fileno()).st_nlink == 0

    def _note_removal(self) -> None:
        self._check_at = 0  # until there is another file
        if not self._in_part:
            return
        self.failures += 1
        self.error = FileNotFoundError(errno.ENOENT, REMOVED)
        before = self._lost.records if self._lost is not None else 0
        records = before + self._in_part
        self._lost = Gap(self._part_since, self._now, REMOVED, records)
        self._in_part = 0

    def _open(self) -> None:
        """Begin the next part. It gets its name once it can be read: none is ever empty."""
        path = part_path(self._path, self.parts + 1)
        if self._make_folder or self.parts:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        unnamed = path.with_name(f".{path.name}.new") if OPEN_FILES_MOVE else path
        unnamed.unlink(missing_ok=True)  # of an attempt that failed
        fd = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | PLAIN, 0o600)
        file: BinaryIO = open(fd, "wb", buffering=0)  # noqa: SIM115  # see _close
        hold(fd)  # nobody recovers what is still being written
        try:
            writer = self._begun(file)
            if unnamed != path:
                unnamed.rename(path)
        except OSError:
            for undo in (file.close, unnamed.unlink):
                with contextlib.suppress(OSError):
                    undo()
            raise
        self._go_on_in(file, writer, path)

    def _begun(self, file: BinaryIO) -> TraceWriter:
        """A writer of a file that has the head of the next part."""
        writer = TraceWriter(file, self._start.session)
        part = self.parts + 1
        pending = self._writer is not None and self._writer.pending > 0
        for record in self._head:
            if pending and any(record is owed for owed in self._owed):
                continue  # it comes with what is pending
            if part > 1 and isinstance(record, Start):
                writer.add(replace(record, part=part))
            else:
                writer.add(record)
        if gap := self._gap():
            writer.add(gap)
        writer.flush()
        return writer

    def _go_on_in(self, file: BinaryIO, writer: TraceWriter, path: Path) -> None:
        """Close the part at hand, if there is one, and have the next one in its place."""
        if self._writer is not None and self._file is not None:
            self._writer.hand_over(writer, More(self._now, self.parts + 1))
            before = self.paths[-1]
            self.paths = [path for path in self.paths if path.exists()]
            if before in self.paths:
                self._closed_size += self._writer.size
            self._close(self._file, before)
        self._file, self._writer = file, writer
        self.parts += 1
        self.paths.append(path)
        self._part_since, self._in_part = self._now, 0
        if not writer.pending:
            self._owed.clear()
        if self._syncer is not None:
            self._syncer.written(file, path)
        self._gap_is_told()

    def _close(self, file: BinaryIO, path: Path) -> None:
        if self._syncer is not None:
            self._syncer.complete(file, path)
        else:
            with contextlib.suppress(OSError):
                file.close()
