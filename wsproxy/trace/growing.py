"""Reads a trace while it is written: each block once, however often is asked for more."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from .frame_index import FrameIndex
from .frame_run import MAX_RUN, FrameRun
from .lock import is_held_by_another
from .read_limits import SEARCHED_RATIO, Allowance
from .reader import MAX_RECORDS, TraceReader, stop_over_limit
from .records import Record

# Where no lock says whether a file is still being written: seconds since its last change, after
# which it is not. A session with keepalive messages has some more often.
QUIET = 120.0


class GrowingTrace(TraceReader):
    """Reads a trace while it is written, with all of its parts.

    Use it as a context manager, and call `poll` again and again until `is_read`, or iterate over
    `following`; nothing else reads it. Its file stays open: a trace that is repacked, moved or
    removed meanwhile is read to its end.

    Args:
        path: of the trace.
        allowance: how much may be read; by default one for this trace alone.
        index: notes where the frames are, if it is given.

    Attributes:
        is_read: whether nothing more will come: the end record was read, or the recorder has
            ended without one. It is known with the poll after that of the last records.

    Raises:
        TraceError: the file cannot be opened.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        allowance: Allowance | None = None,
        index: FrameIndex | None = None,
    ) -> None:
        super().__init__(path, allowance)
        self.is_read = False
        self._index = index
        self._rest = self.following()

    def poll(self) -> Iterator[Record | FrameRun]:
        """What was written since the last call.

        Raises:
            NotATrace, LimitExceeded, TraceError: as `following` does; nothing more can be read
                then.
        """
        for record in self._rest:
            if record is None:
                return
            yield record

    def following(self) -> Iterator[Record | FrameRun | None]:
        """The records, with runs of messages, see `with_runs`.

        None: nothing more is written so far. The iterator can be asked again later.

        Raises:
            NotATrace, LimitExceeded, TraceError: as while iterating over a `TraceReader`; also
                for more than MAX_RECORDS.
        """
        room = MAX_RECORDS
        for record in self._read(longest_run=MAX_RUN):
            if record is not None:
                room -= len(record) if type(record) is FrameRun else 1
                if room < 0:
                    stop_over_limit(self)
                if self._index is not None and self.place is not None:
                    self._index.add(record, self.place)
            yield record
            if record is None and self._is_growing and not self._is_written():
                # The look at the file that follows finds all that its recorder wrote.
                self._is_growing = False
                self._allowance.searched += SEARCHED_RATIO * self._size()
        self.is_read = True

    def _enter(self, number: int) -> None:
        super()._enter(number)
        self._is_growing = True

    def _is_written(self) -> bool:
        """Whether a recorder still writes the current part."""
        fd = self._file.fileno()
        held = is_held_by_another(fd)
        return time.time() - os.fstat(fd).st_mtime < QUIET if held is None else held
