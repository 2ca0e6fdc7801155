"""Reads traces: complete, still being written, cut, damaged or hostile ones."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, NoReturn, Self, cast

from wsproxy.errors import LimitExceeded, NotATrace, StalePlace, TraceError
from wsproxy.system.regular_file import open_regular

from .blocks import PEEK, READ_AHEAD, BadBlock, find_blocks, last_block, peek, read_block
from .frame_run import MAX_RUN, FrameRun
from .parts import SUFFIX, later_parts, one_a_session, part_of, part_path
from .read_limits import BYTES_A_RECORD, SEARCHED_RATIO, VARIABLE, Allowance
from .records import (
    VERSION,
    AnyRecord,
    Bytes,
    End,
    FrameRecord,
    More,
    Record,
    Request,
    Response,
    Start,
    Sync,
)
from .unpacker import Unpacker

MAX_SYNC = 512  # bytes of a sync record
MAX_LOSSES = 1000  # that are listed one by one
MAX_RECORDS = 20_000_000  # of a trace that is read: two days of 100 frames a second
MAX_LAST = 50_000  # records of the last block; one that is written has some thousands

# Names that recorders give end in the beginning of the session's id.
_ID_IN_NAME = re.compile(r"-([0-9a-f]{8})(?:-recovered)?(?:\.part[0-9]+)?" + re.escape(SUFFIX))


@dataclass(frozen=True, slots=True)
class Loss:
    """A part of the file that could not be read.

    Attributes:
        offset, size: where in the file, bytes. Size 0: something that should be at
            this place is not in the file.
        reason: what is wrong with it.
        at_end: nothing readable follows: the file was cut, or is still being written.
        part: of which part of the trace, from 1.
    """

    offset: int
    size: int
    reason: str
    at_end: bool = False
    part: int = 1

    def __str__(self) -> str:
        part = f"part {self.part}, " if self.part > 1 else ""
        if not self.size:
            return f"{part or 'at '}offset {self.offset}: {self.reason}"
        return f"{part}{self.size} bytes at offset {self.offset} not readable: {self.reason}"


class BlockPlace(NamedTuple):
    """Where a block is.

    Attributes:
        part: of the trace, from 1.
        offset: in the file of that part, bytes.
        number: of the block in that part, from 0.
    """

    part: int
    offset: int
    number: int


class TraceReader:
    """Iterates over the records of a trace; holds one block at a time.

    A trace in parts is read as one, from the part that is named on.

    Use it as a context manager. After the iteration `losses` lists what could not be read,
    and `ended` is whether the end record was read.

    Args:
        path: of the trace, or of a part of it.
        allowance: how much may be read; by default one for this trace alone.

    Attributes:
        place: of the block that the last record is from; None before the first one.

    Raises:
        TraceError: the file cannot be opened or read; it has a later format.
        NotATrace: while iterating: nothing in the file is a trace.
        LimitExceeded: while iterating: there is more than may be read; `losses` has the rest.
    """

    def __init__(self, path: str | os.PathLike[str], allowance: Allowance | None = None) -> None:
        self.path = Path(path)
        self._shared = allowance
        self._allowance = allowance or Allowance()
        self.losses: list[Loss] = []
        self.ended = False
        self.place: BlockPlace | None = None
        self._session: str | None = None
        # If the first blocks are lost, a block of another trace may be in their place: the file
        # name has the session's id. It is not used if no block has that id.
        in_name = _ID_IN_NAME.search(self.path.name)
        self._id_begin = in_name[1] if in_name else ""
        self._next_block = 0
        self._first, self._from = part_of(self.path)
        self._part = self._from
        self._more = False  # whether the current part names a following one
        self._later: list[int] | None = None  # numbers of the parts in the folder, once asked for
        self._longest_run = 0  # frames that come together
        self._is_growing = False  # whether the current part is being written, see GrowingTrace
        self._seen: set[type[Record]] = set()  # of what the head of each part repeats
        try:
            self._file = _open(self.path)
        except OSError as error:
            raise self._unreadable(error) from error

    def __enter__(self) -> Self:
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

    @property
    def session(self) -> str | None:
        """The id in the blocks that were read so far; None before the first."""
        return self._session

    @property
    def allowance(self) -> Allowance:
        """What may still be read and held."""
        return self._allowance

    def __iter__(self) -> Iterator[Record]:
        return cast("Iterator[Record]", self._read(longest_run=0))

    def with_runs(self) -> Iterator[Record | FrameRun]:
        """The records, with runs of messages in place of their frames.

        Raises:
            NotATrace, LimitExceeded: as while iterating.
        """
        return cast("Iterator[Record | FrameRun]", self._read(longest_run=MAX_RUN))

    def _read(self, *, longest_run: int) -> Iterator[Record | FrameRun | None]:
        """The records; None where the rest of a growing trace is not written yet."""
        self._begin(longest_run, self._from)
        if self._from > 1:
            self._lose(Loss(0, 0, f"the parts before it are not read with it: {self._first.name}"))
        found = False
        records = self._parts()
        for first in records:
            yield first
            if first is not None:
                found = True
                yield from records
        if not found and self._id_begin:
            named, self._id_begin = self._id_begin, ""
            yield from self._read(longest_run=longest_run)
            self._lose(
                Loss(0, 0, f"nothing is of session {named}..., which the file is named after")
            )
        elif not found:
            raise NotATrace(f"{self.path} is not a trace: no record in it can be read")

    def _begin(self, longest_run: int, part: int) -> None:
        self._longest_run = longest_run
        self.losses, self.ended, self._session = [], False, None
        self._seen.clear()
        self._allowance = self._shared or Allowance()
        self._allowance.begin_trace()
        self._later = None
        self._enter(part)

    def from_block(self, place: BlockPlace) -> Iterator[Record]:
        """The records from a block on, as far as the trace is written.

        Args:
            place: where it was when the trace was read.

        Raises:
            StalePlace: while iterating: it is there no longer, the trace was written again.
        """
        try:
            self._begin(0, place.part)
        except OSError as error:
            raise self._unreadable(error) from error
        records = cast("Iterator[Record]", self._parts(place))
        for first in records:
            if self.losses or self.place != place:
                break
            yield first
            yield from records
            return
        raise StalePlace(f"{self.path} was written again: it has no such block")

    def last(self) -> End | None:
        """The end record, found by the seek table without reading the rest; None without one.

        Raises:
            TraceError: the file cannot be read.
        """
        try:
            self._enter(self._from)
            record = _last_record(self._file, self._size())
            while isinstance(record, More) and part_path(self._first, self._part + 1).is_file():
                self._enter(self._part + 1)
                record = _last_record(self._file, self._size())
        except OSError as error:
            raise self._unreadable(error) from error
        return record if isinstance(record, End) else None

    # -- parts

    def _parts(self, place: BlockPlace | None = None) -> Iterator[Record | FrameRun | None]:
        """The records of all parts, those left out that a part repeats in its head.

        Args:
            place: of the block in the current part to begin with; None: the first.
        """
        while True:
            records = self._part_records(place)
            place = None
            for record in records:
                if record is None:
                    yield None
                elif not isinstance(record, Start | Request | Response):  # the head has ended
                    yield record
                    yield from records
                elif self._part == self._from or type(record) not in self._seen:
                    self._seen.add(type(record))
                    yield record
            if self.ended or not self._next_part():
                return

    def _next_part(self) -> bool:
        """Go to the next part that exists, and report missing ones; False without a next part."""
        number = self._part + 1
        if not part_path(self._first, number).is_file():
            if not self._more:
                return False
            if self._later is None:
                self._later = later_parts(self._first, self._part)
            later = [each for each in self._later if each > self._part][:1]
            number = later[0] if later else 0
            names = [part_path(self._first, n).name for n in (self._part + 1, number - 1)]
            missing = names[0] if not later or len(set(names)) == 1 else " to ".join(names)
            self._lose(Loss(self._size(), 0, f"{missing} is missing", at_end=not later))
            if not later:
                return False
        elif not self._more:
            self._lose(Loss(self._size(), 0, "the end of this part is missing"))
        try:
            self._enter(number)
        except OSError as error:
            reason = f"part {number} cannot be read: {error.strerror or error}"
            self._lose(Loss(self._size(), 0, reason, at_end=True))
            return False
        return True

    def _enter(self, number: int) -> None:
        """Open a part's file."""
        if number != self._part:
            file = _open(part_path(self._first, number))
            self._file.close()
            self._file, self._part = file, number

    def _part_records(self, place: BlockPlace | None) -> Iterator[Record | FrameRun | None]:
        """The records of the current part, from a block on."""
        self._next_block, self._more = place.number if place else 0, False
        # Bytes that may be unpacked to find the next block after damage: a file of false
        # blocks must not be unpacked again and again.
        self._allowance.searched += SEARCHED_RATIO * self._size()
        offset: int | None = place.offset if place else 0
        while offset is not None:
            try:
                block, end = read_block(self._file, offset)
            except EOFError:
                if not self._waits:
                    return
                block, end = b"", offset
            except BadBlock as error:
                if not (error.is_cut and self._waits):
                    offset = self._resume(offset, error)
                    continue
                block, end = b"", offset
            except OSError as error:
                raise self._unreadable(error) from error
            if not block and self._waits:  # also at a seek table: it may be written over
                self._file.seek(0, os.SEEK_END)  # and so may what is in the buffer
                yield None
                continue
            if not self._allowance.take(end - offset, len(block)):
                times = len(block) // (end - offset)
                self.stop(f"it unpacks to {times:,} times its size", offset)
            yield from self._records(block, offset, end)
            del block  # the next one may be as large
            offset = end

    @property
    def _waits(self) -> bool:
        """Whether more is to be written behind what is there."""
        return self._is_growing and not self._more and not self.ended

    def stop(self, reason: str, offset: int | None = None) -> NoReturn:
        """Stop reading the trace: the rest is a loss.

        Args:
            reason: which limit is reached, "it ...".
            offset: where the rest begins; the end of the file if unknown.

        Raises:
            LimitExceeded: always.
        """
        at = self._size() if offset is None else offset
        self._lose(Loss(at, self._size() - at, f"not read: {reason}", at_end=True))
        raise LimitExceeded(
            f"{self.path} is not read to its end: {reason}, more than a recording has; "
            f"with {VARIABLE}=1 in the environment all of it is read"
        )

    # -- blocks

    def _records(self, block: bytes, offset: int, end: int) -> Iterator[Record | FrameRun]:
        """The records of a block; none if the block does not belong here."""
        if not block:
            return
        records = Unpacker(block, self._allowance.records)
        iterator = records.with_runs(self._longest_run)
        if not self._check_sync(next(iterator, None), offset, end):
            return
        for record in iterator:
            if type(record) is FrameRun or type(record) is FrameRecord or type(record) is Bytes:
                yield record
                continue
            if not self._allowance.take_note(records.size):
                iterator.close()
                self._allowance.records -= records.count
                self.stop("it has too many records other than frames, or too long ones", offset)
            if isinstance(record, More):
                self._more = True
            elif not isinstance(record, Sync):
                self.ended = self.ended or isinstance(record, End)
                yield record
        self._allowance.records -= records.count
        if records.bad:
            self._lose(Loss(offset, end - offset, f"{records.bad} bad records: {records.reason}"))
        if records.over:
            self.stop(f"it has records of less than {BYTES_A_RECORD} bytes in the mean", end)

    def _check_sync(self, sync: AnyRecord | FrameRun | None, offset: int, end: int) -> bool:
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
            # Its records would be read twice, or after later ones.
            self._lose(Loss(offset, end - offset, f"block {sync.block} is out of order"))
            return False
        if sync.block > self._next_block:
            missing = sync.block - self._next_block
            self._lose(Loss(offset, 0, f"{missing} blocks before this place are missing"))
        self._session = sync.session
        self._next_block = sync.block + 1
        self.place = BlockPlace(self._part, offset, sync.block)
        return True

    def _is_ours(self, sync: Sync) -> bool:
        if self._session is None:
            return sync.session.startswith(self._id_begin)
        return sync.session == self._session

    def _resume(self, offset: int, error: BadBlock) -> int | None:
        """Offset at which reading continues after a bad block, or None.

        The bad block's own length is not trusted. What looks like a block is one of
        this trace if its sync record has this session's id, which is random: payloads
        can hold blocks, and even traces.
        """
        end: int | None = None
        allowance = self._allowance
        allowance.searched -= error.cost
        for candidate in find_blocks(self._file, offset + 1):
            if allowance.searched < 0:
                break
            allowance.searched -= PEEK
            sync = next(iter(Unpacker(peek(self._file, candidate, MAX_SYNC))), None)
            if isinstance(sync, Sync) and self._is_ours(sync):
                end = candidate
                break
        size = (self._size() if end is None else end) - offset
        self._lose(Loss(offset, size, f"{error}", at_end=end is None))
        return end

    def _lose(self, loss: Loss) -> None:
        if self._part > 1:
            loss = replace(loss, part=self._part)
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


def bounded(reader: TraceReader) -> Iterator[Record]:
    """The records of a trace for a fold that keeps a few bytes of each.

    Raises:
        LimitExceeded: there are over MAX_RECORDS, or more than the reader may read.
    """
    iterator = iter(reader)
    yield from islice(iterator, MAX_RECORDS)
    if next(iterator, None) is not None:
        stop_over_limit(reader)


def bounded_runs(reader: TraceReader) -> Iterator[Record | FrameRun]:
    """As `bounded`, with runs of messages in place of their frames."""
    room = MAX_RECORDS
    for each in reader.with_runs():
        room -= each.count if type(each) is FrameRun else 1
        if room < 0:
            stop_over_limit(reader)
        yield each


def stop_over_limit(reader: TraceReader) -> NoReturn:
    """Stop reading a trace of more than MAX_RECORDS, see `TraceReader.stop`."""
    reader.stop(f"it has over {MAX_RECORDS:,} records")


def _open(path: Path) -> BinaryIO:
    return open_regular(path, READ_AHEAD)


def _last_record(file: BinaryIO, size: int) -> AnyRecord | None:
    """The last record by the seek table, or None."""
    offset = last_block(file, size)
    if offset is None:
        return None
    try:
        block, _ = read_block(file, offset)
        records = Unpacker(block, MAX_LAST)
        last = deque(records, maxlen=1).pop()
    except (BadBlock, EOFError, IndexError):
        return None
    return None if records.over else last


def find_traces(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The traces at paths: of a folder all below it, oldest first.

    Of a trace in parts, the first that is among them. Paths that do not exist are included:
    reading them raises an error.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        found += sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
    return one_a_session(found)
