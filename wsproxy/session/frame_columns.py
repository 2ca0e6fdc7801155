"""The frames of a session: a frame as a value, many frames as columns."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import compress

from wsproxy.wire import Opcode


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """What is kept of every frame.

    Attributes:
        number: 1 for the first frame of the session, either direction.
        length: payload as the application reads it, bytes.
        wire_length: on the wire, header included, bytes.
    """

    number: int
    t_ns: int
    from_client: bool
    opcode: Opcode
    fin: bool
    length: int
    wire_length: int


@dataclass(frozen=True, slots=True)
class FrameColumns:
    """Frames of one kind, as columns: long sessions have too many frames for objects.

    Attributes:
        numbers, times_ns, lengths: of each frame; payload bytes as the application reads it.
    """

    numbers: array[int]
    times_ns: array[int]
    lengths: array[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def until(self, t_ns: int) -> FrameColumns:
        """Those up to a time."""
        end = bisect_right(self.times_ns, t_ns)
        return self if end == len(self) else FrameColumns(*(c[:end] for c in self._columns))

    def where(self, wanted: Iterable[bool]) -> FrameColumns:
        """Those whose mark is true; one mark a frame."""
        marks = bytes(wanted)
        return FrameColumns(*(array(c.typecode, compress(c, marks)) for c in self._columns))

    @property
    def size(self) -> int:
        """Bytes of all payloads."""
        return sum(self.lengths)

    @property
    def _columns(self) -> tuple[array[int], array[int], array[int]]:
        return self.numbers, self.times_ns, self.lengths
