"""Where the frames of a trace are: some of them can be read without those before them."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import NamedTuple

from wsproxy.wire import Opcode

from .frame_run import FrameRun
from .reader import BlockPlace
from .records import FrameRecord, Record

MAX_PLACES = 1024  # beyond, half of them are dropped
_STRIDE = 64  # frames between two places, at least
_before = attrgetter("before")
_t_ns = attrgetter("t_ns")


class FramePlace(NamedTuple):
    """A block from which frames can be read.

    Attributes:
        before: how many frames are before it.
        t_ns: of the last of them; 0 without one.
        block: where it is.
        is_text: whether the message that is open there is text: of the server, and of the client.
    """

    before: int
    t_ns: int
    block: BlockPlace
    is_text: tuple[bool, bool]


class FrameIndex:
    """Notes where frames are while a trace is read, in bounded memory.

    Records may be added on another thread than the places are asked for.

    Attributes:
        count: frames so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._places: list[FramePlace] = []
        self._stride = _STRIDE
        self._block: BlockPlace | None = None
        self._t_ns = 0
        self._is_text = [False, False]

    def add(self, record: Record | FrameRun, block: BlockPlace) -> None:
        """Add the next record.

        Args:
            block: that it is from.
        """
        if block is not self._block:
            self._block = block
            if not self._places or self.count - self._places[-1].before >= self._stride:
                self._note(block)
        if type(record) is FrameRun:
            self.count += record.count
            self._t_ns = record.last_ns
            for _, text in record.texts:
                self._is_text[text.from_client] = True
        elif type(record) is FrameRecord:
            self.count += 1
            self._t_ns = record.t_ns
            if record.opcode in (Opcode.TEXT, Opcode.BINARY):
                self._is_text[record.from_client] = record.opcode == Opcode.TEXT

    def _note(self, block: BlockPlace) -> None:
        server, client = self._is_text
        self._places.append(FramePlace(self.count, self._t_ns, block, (server, client)))
        if len(self._places) > MAX_PLACES:
            self._places = self._places[::2]
            self._stride *= 2

    def before_frame(self, number: int) -> FramePlace | None:
        """The last place that is noted before a frame; None without one."""
        places = self._places
        at = bisect_right(places, number - 1, key=_before)
        return places[at - 1] if at else None

    def before_time(self, t_ns: int) -> FramePlace | None:
        """The last place that is noted before which all frames came until a time, or the first."""
        places = self._places
        return places[max(0, bisect_right(places, t_ns, key=_t_ns) - 1)] if places else None
