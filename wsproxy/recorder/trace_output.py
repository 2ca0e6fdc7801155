"""Writes one session's records to the file, or the files, of its trace.

A disk that cannot be written never stops the session: lost records are counted, and reported in
a gap record as soon as the file can be written again.
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
from wsproxy.trace.blocks import BLOCK_SIZE
from wsproxy.trace.lock import hold
from wsproxy.trace.parts import MAX_PARTS, part_path

from .fsync import FsyncThread
from .lost_records import REMOVED, LostRecords

# Seconds after which pending records are written, of live sessions and of replays: this much is
# lost in a crash. A shorter interval has more and smaller blocks: larger traces, and more CPU.
FLUSH_INTERVAL = 0.12
# Time after an error before the next attempt, ns: a disk that is full or gone is not tried at
# every frame.
RETRY_NS = 250_000_000
_CHECK_NS = 1_000_000_000  # interval of checks that the file still exists, ns

_HEAD = (Start, Request, Response)  # every part begins with these; a tuple is checked faster


class TraceOutput:
    """Writes records, and keeps the records that every part begins with.

    Args:
        path: of the first part.
        start: the session's first record; it is passed to `write` as well.
        max_size: bytes of a part, unless one frame is larger; None: no limit.
        syncer: syncs what was written; None: left to the operating system.
        make_folder: create the folder if it does not exist.
        on_gap: called with each gap record that was written.

    Attributes:
        paths: the parts that exist, in their order.
        fault: why nothing can be written at present, or None.
        failures: number of failed writes.
        error: why records are missing, if any are.
        parts: number of parts that were created.
    """

    def __init__(
        self,
        path: Path,
        start: Start,
        *,
        max_size: int | None,
        syncer: FsyncThread | None,
        make_folder: bool,
        on_gap: Callable[[Gap], None],
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
        self._on_gap = on_gap
        self._file: BinaryIO | None = None
        self._writer: TraceWriter | None = None
        self._closed_size = 0  # bytes of the previous parts
        self._head: list[Record] = []  # start, request, response: every part begins with them
        self._unwritten_head: list[Record] = []  # those of them that are not in the file yet
        self._lost = LostRecords()
        self._part_since = 0  # when the current part was created, ns
        self._records_in_part = 0
        self._now = 0  # time of the latest record, ns
        self._pending_since: int | None = None
        self._retry_at = 0  # ns
        self._check_at = 0  # ns

    @property
    def incomplete(self) -> bool:
        """Whether records are missing for which no gap record was written yet."""
        return self._lost.gap(self._now) is not None

    @property
    def size(self) -> int:
        """Bytes written so far, in all parts that exist."""
        return self._closed_size + (self._writer.size if self._writer is not None else 0)

    def write(self, record: Record) -> None:
        """Write the next record, or keep it pending."""
        if record.t_ns > self._now:  # noqa: PLR1730  # `max` costs more, and this is for each frame
            self._now = record.t_ns
        if isinstance(record, _HEAD):
            self._head = [r for r in self._head if type(r) is not type(record)] + [record]
            self._unwritten_head.append(record)
            if self._is_failing():
                self._recover()  # with the unwritten head
                return
        elif self._is_failing() and not self._recover():
            self._lost.add(1, self._now, self.fault)
            return
        assert self._writer is not None
        if self._pending_since is None:
            self._pending_since = record.t_ns
        if self._writer.add(record):
            self.flush()

    def flush(self) -> None:
        """Write pending records."""
        self._pending_since = None
        if self._writer is None or not self._writer.pending or self._lost.writing_failed:
            return
        pending = self._writer.pending
        try:
            self._ensure_part()
            self._write_block()
        except OSError as error:
            self._failed(error, pending)

    def is_flush_due(self, now_ns: int) -> bool:
        """Whether the oldest pending record is old enough to be written.

        Args:
            now_ns: on the session's clock.
        """
        return (
            self._pending_since is not None and now_ns - self._pending_since >= FLUSH_INTERVAL * 1e9
        )

    def retry(self) -> None:
        """Try to write again at once, without waiting for the next record."""
        if self._is_failing():
            self._retry_at = 0
            self._recover()

    def settle(self) -> None:
        """Check that the file exists and can be written, before the session ends.

        After that, `incomplete` and `parts` are final unless a later write fails.
        """
        self._retry_at = self._check_at = 0
        self._max_size = None  # the end record contains the number of parts
        if self._is_failing():
            self._recover()
        else:
            pending = self._writer.pending if self._writer is not None else 0
            try:
                self._ensure_part()
            except OSError as error:
                self._failed(error, pending)

    def finish(self) -> None:
        """Write pending records and the seek table, and close the file."""
        self.flush()
        if self._writer is None or self._file is None:
            return
        try:
            if not self._is_failing():
                self._writer.finish()
        except OSError as error:
            self._failed(error, 0)
        self._close(self._file, self.paths[-1])
        self._closed_size, self._writer, self._file = self.size, None, None

    # -- faults

    def _is_failing(self) -> bool:
        return self._writer is None or self._lost.writing_failed

    def _failed(self, error: OSError, records: int) -> None:
        """Pending records could not be written: count them and drop them."""
        self.failures += 1
        self.error = self.fault = error
        self._retry_at = self._now + RETRY_NS
        self._pending_since = None
        if self._writer is not None:
            self._writer.drop()
        lost = max(0, records - len(self._unwritten_head))
        self._lost.add(lost, self._now, error)

    def _recover(self) -> bool:
        """Try to write the unwritten head and the gap record; returns whether it succeeded."""
        if self._now < self._retry_at:
            return False
        try:
            self._ensure_part()
            self._write_gap()
        except OSError as error:
            self._failed(error, 0)
            return False
        self.fault = None
        return True

    def _write_gap(self) -> None:
        """Write the unwritten head and the gap record in a block of their own."""
        assert self._writer is not None
        gap = self._lost.gap(self._now)
        if gap is None and not self._unwritten_head:
            self._lost.clear()
            return
        for record in self._unwritten_head:
            self._writer.add(record)
        if gap is not None:
            self._writer.add(gap)
        self._write_block()
        self._report_gap()

    def _report_gap(self) -> None:
        gap = self._lost.gap(self._now)
        self._lost.clear()
        if gap is not None:
            self._on_gap(gap)

    # -- to the file

    def _write_block(self) -> None:
        assert self._writer is not None
        assert self._file is not None
        records = self._writer.pending - len(self._unwritten_head)
        self._writer.flush()
        self._records_in_part += records
        self._unwritten_head.clear()
        if self._syncer is not None:
            self._syncer.written(self._file, self.paths[-1])

    def _ensure_part(self) -> None:
        """Make sure that there is a file to write to, and that it is below its limit."""
        if self._writer is None:
            self._open()
        elif self._is_removed():
            self._note_removal()
            self._open()
        elif self._is_full():
            try:
                self._open()
            except OSError as error:
                # Continue with the current file, over the limit.
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
            and self._records_in_part > 0
            and self._now >= self._retry_at
            and self.parts < MAX_PARTS
        )

    def _is_removed(self) -> bool:
        """Whether the file was removed; checked once a _CHECK_NS."""
        if self._now < self._check_at or self._file is None:
            return False
        self._check_at = self._now + _CHECK_NS
        return os.fstat(self._file.fileno()).st_nlink == 0

    def _note_removal(self) -> None:
        self._check_at = 0  # check again until there is another file
        if not self._records_in_part:
            return
        self.failures += 1
        self.error = FileNotFoundError(errno.ENOENT, REMOVED)
        self._lost.add_removed(self._records_in_part, self._part_since, self._now)
        self._records_in_part = 0

    def _open(self) -> None:
        """Create the next part. It gets its name once it is readable: no part is ever empty."""
        path = part_path(self._path, self.parts + 1)
        if self._make_folder or self.parts:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        unnamed = path.with_name(f".{path.name}.new") if OPEN_FILES_MOVE else path
        unnamed.unlink(missing_ok=True)  # left by an attempt that failed
        fd = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | PLAIN, 0o600)
        file: BinaryIO = open(fd, "wb", buffering=0)  # noqa: SIM115  # see _close
        hold(fd)  # `recover` skips files that are being written
        try:
            writer = self._write_part_head(file)
            if unnamed != path:
                unnamed.rename(path)
        except OSError:
            for undo in (file.close, unnamed.unlink):
                with contextlib.suppress(OSError):
                    undo()
            raise
        self._switch_to(file, writer, path)

    def _write_part_head(self, file: BinaryIO) -> TraceWriter:
        """Write the head of the next part; returns the writer."""
        writer = TraceWriter(file, self._start.session)
        part = self.parts + 1
        pending = self._writer is not None and self._writer.pending > 0
        for record in self._head:
            if pending and any(record is each for each in self._unwritten_head):
                continue  # it is written with the pending records
            if part > 1 and isinstance(record, Start):
                writer.add(replace(record, part=part))
            else:
                writer.add(record)
        if gap := self._lost.gap(self._now):
            writer.add(gap)
        writer.flush()
        return writer

    def _switch_to(self, file: BinaryIO, writer: TraceWriter, path: Path) -> None:
        """Close the current part, if there is one, and continue in the next one."""
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
        self._part_since, self._records_in_part = self._now, 0
        if not writer.pending:
            self._unwritten_head.clear()
        if self._syncer is not None:
            self._syncer.written(file, path)
        self._report_gap()

    def _close(self, file: BinaryIO, path: Path) -> None:
        if self._syncer is not None:
            self._syncer.complete(file, path)
        else:
            with contextlib.suppress(OSError):
                file.close()
