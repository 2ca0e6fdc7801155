"""The frames of a session for its time axis: what there is in each of few intervals."""

from __future__ import annotations

from array import array
from operator import add, or_
from typing import Any

from wsproxy.trace import FrameRecord, FrameRun, Record
from wsproxy.wire import Opcode

from .growth import GrowingList

MAX_INTERVALS = 3000  # beyond, pairs of them are joined
WIDTH_S = 0.1  # of an interval of a session that is not long
_TEXT, _BINARY, _CONTROL = 1, 2, 4
_SERVER = 8  # times as high are the bits of the server's frames


class FrameMarks:
    """Counts frames by time, and notes their kinds, in bounded memory."""

    def __init__(self) -> None:
        self._width_s = WIDTH_S
        self._counts = array("Q")  # frames in each interval
        self._kinds = array("B")

    def add(self, record: Record | FrameRun) -> None:
        """Add the next record."""
        if type(record) is FrameRun:
            kind = _BINARY if record.from_client else _BINARY * _SERVER
            for start, end, text in record.pieces():
                for t_ns in record.times[start:end]:
                    self._add(t_ns, kind)
                if text is not None:
                    self._add_frame(text)
        elif type(record) is FrameRecord:
            self._add_frame(record)

    def _add_frame(self, frame: FrameRecord) -> None:
        kind = _TEXT if frame.opcode == Opcode.TEXT else _BINARY
        kind = _CONTROL if frame.opcode >= Opcode.CLOSE else kind
        self._add(frame.t_ns, kind if frame.from_client else kind * _SERVER)

    def _add(self, t_ns: int, kind: int) -> None:
        at = self._interval(t_ns)
        while at >= MAX_INTERVALS:
            self._join()
            at = self._interval(t_ns)
        if at >= len(self._counts):
            missing = at + 1 - len(self._counts)
            self._counts.extend((0,) * missing)
            self._kinds.extend((0,) * missing)
        self._counts[-1] += 1
        self._kinds[-1] |= kind

    def _interval(self, t_ns: int) -> int:
        # A frame that came before the last one, by its time, is with it.
        return max(0, len(self._counts) - 1, int(t_ns / 1e9 / self._width_s))

    def _join(self) -> None:
        self._width_s *= 2
        if len(self._counts) % 2:
            self._counts.append(0)
            self._kinds.append(0)
        self._counts = array("Q", map(add, self._counts[::2], self._counts[1::2]))
        self._kinds = array("B", map(or_, self._kinds[::2], self._kinds[1::2]))

    def parts(self) -> dict[str, Any]:
        """As data of a page, which grows: `width` of an interval in seconds, and of each interval
        `counts`, its frames, and `kinds`, the sum of 1 for text, 2 for binary and 4
        for control frames of the app, and of 8 times as much for those of the server.
        """
        return {
            "width": self._width_s,
            "counts": self._growing(self._counts),
            "kinds": self._growing(self._kinds),
        }

    def _growing(self, values: array[int]) -> GrowingList:
        length = len(values)
        return GrowingList(
            length,
            max(0, length - 1),  # the last may grow
            lambda start: list(values[start:]),
            source=self._width_s,
        )
