"""Frames of a session that is being recorded, read from its trace when a page asks for them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from wsproxy.errors import StalePlace
from wsproxy.report.html.frame_table import FrameTable, TableFrame, limits_of
from wsproxy.report.html.page_data import frame_columns
from wsproxy.trace import FrameIndex, FramePlace, FrameRecord, TraceReader, bounded_runs

T = TypeVar("T")

FRAME_LIMITS = (4000, 128)  # bytes of a text, and of a binary payload, of a frame that is sent
MAX_FRAMES = 512  # of one answer
AROUND = 32  # frames before and after a time
_NEAR = 256  # frames that are read through rather than sought


class FrameWindow:
    """Reads frames of a trace by their numbers.

    Args:
        path: of the trace.
        index: of its frames. After the trace was written again, as at the end of a session, a new
            one is made.
    """

    def __init__(self, path: Path, index: FrameIndex) -> None:
        self._path, self._index = path, index

    def columns(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Frames as `frame_columns` has them; those that there are.

        Args:
            numbers: ascending, at most MAX_FRAMES.

        Raises:
            TraceError: the trace cannot be read.
        """
        found = self._current(lambda: list(self._read(numbers)))
        return frame_columns(found, self._index.count, limits_of(found, FRAME_LIMITS))

    def at_time(self, seconds: float) -> dict[str, Any]:
        """The frames around a time, and `at`: the number of the last frame until then, or 1.

        Raises:
            TraceError: the trace cannot be read.
        """
        number = max(1, self._current(lambda: self._number_at(round(seconds * 1e9))))
        around = range(max(1, number - AROUND), number + AROUND)
        return {"at": number, **self.columns(around)}

    def _current(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except StalePlace:
            self._index = _index_of(self._path)
            return read()

    def _number_at(self, t_ns: int) -> int:
        place = self._index.before_time(t_ns)
        if place is None:
            return 0
        number = place.before
        with closing(self._read_from(place)) as frames:
            for frame in frames:
                if frame.t_ns > t_ns:
                    break
                number = frame.number
        return number

    def _read(self, numbers: Sequence[int]) -> Iterator[TableFrame]:
        wanted = list(numbers)[::-1]
        while wanted and (place := self._index.before_frame(wanted[-1])) is not None:
            with closing(self._read_from(place)) as frames:
                for frame in frames:
                    if frame.number == wanted[-1]:
                        yield frame
                        wanted.pop()
                        if not wanted or wanted[-1] > frame.number + _NEAR:
                            break
                else:
                    return

    def _read_from(self, place: FramePlace) -> Generator[TableFrame, None, None]:
        table = FrameTable(place.before, place.is_text)
        with TraceReader(self._path) as reader:
            for record in reader.from_block(place.block):
                if isinstance(record, FrameRecord):
                    table.add(record)
                    (frame,) = table.after(table.count - 1)
                    table.forget()
                    yield frame


def _index_of(path: Path) -> FrameIndex:
    index = FrameIndex()
    with TraceReader(path) as reader:
        for record in bounded_runs(reader):
            assert reader.place is not None, "it is read"
            index.add(record, reader.place)
    return index
