"""Complete messages of one direction that are added at once, in columns.

Nearly all frames of most sessions are such messages: an object for each would cost more than all
else that is done with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import sub

from wsproxy.trace import FrameRecord, FrameRun
from wsproxy.wire import Opcode

_BINARY, _TEXT = int(Opcode.BINARY), int(Opcode.TEXT)


@dataclass(slots=True)
class MessageBlock:
    """Messages of one kind in one frame each, none of them empty, in their order.

    Attributes:
        opcode: of all of them.
        numbers: of their frames.
        size: bytes of all payloads.
    """

    from_client: bool
    opcode: int = _BINARY
    numbers: list[int] = field(default_factory=list)
    size: int = 0
    _times: list[int] = field(default_factory=list)
    _payloads: list[bytes] = field(default_factory=list)
    _lengths: list[int] = field(default_factory=list)
    _wire_lengths: list[int] = field(default_factory=list)
    # The latest ones, which are still in the columns of a run, and their indices there. Between
    # texts there are few at a time: all of a run are taken over at once.
    _run: FrameRun | None = None
    _begin: int = 0
    _end: int = 0
    _longest_gap: int | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    @classmethod
    def of_texts(cls, from_client: bool) -> MessageBlock:
        """One for text messages."""
        return cls(from_client, _TEXT)

    @property
    def times(self) -> list[int]:
        """Of their frames, ns."""
        self.take_over()
        return self._times

    @property
    def payloads(self) -> list[bytes]:
        """As much as was recorded of them; none of texts."""
        self.take_over()
        return self._payloads

    @property
    def lengths(self) -> list[int]:
        """Bytes of all of each."""
        self.take_over()
        return self._lengths

    @property
    def wire_lengths(self) -> list[int]:
        """Bytes of their frames on the wire."""
        self.take_over()
        return self._wire_lengths

    @property
    def longest_gap(self) -> int:
        """The longest time between two messages, ns; -1 if there is only one message.

        Found once: nothing may be added afterwards.
        """
        if self._longest_gap is None:
            times = self.times
            self._longest_gap = max(map(sub, times[1:], times), default=-1)
        return self._longest_gap

    @property
    def before_gap(self) -> int:
        """The index of the message before the longest gap, the first of several."""
        times = self.times
        return list(map(sub, times[1:], times)).index(self.longest_gap)

    def add(self, number: int, frame: FrameRecord) -> None:
        """Add a binary message, after `take_over`."""
        size = len(frame.payload)
        self.numbers.append(number)
        self._times.append(frame.t_ns)
        self._payloads.append(frame.payload)
        self._lengths.append(size + frame.cut)
        self._wire_lengths.append(frame.wire_length)
        self.size += size

    def add_text(self, number: int, t_ns: int, length: int, wire_length: int) -> None:
        """Add a text message that is complete."""
        self.numbers.append(number)
        self._times.append(t_ns)
        self._lengths.append(length)
        self._wire_lengths.append(wire_length)

    def extend(self, first_number: int, run: FrameRun, start: int, end: int) -> None:
        """Add binary messages of a run that follow each other.

        Args:
            first_number: of the first frame.
            start, end: their indices in the columns of the run.
        """
        if run is not self._run or start != self._end:
            self.take_over()
            self._run, self._begin = run, start
        self._end = end
        self.numbers += range(first_number, first_number + end - start)
        self.size += sum(run.lengths[start:end])

    def take_over(self) -> None:
        """Copy the latest messages from the columns of their run."""
        run = self._run
        if run is None:
            return
        self._run, start, end = None, self._begin, self._end
        self._times += run.times[start:end]
        self._payloads += run.payloads[start:end]
        self._lengths += run.lengths[start:end]
        self._wire_lengths += run.wire_lengths[start:end]

    def totals(self, start: int) -> tuple[int, int, int, int]:
        """The number of messages from an index on, their bytes, and the first and last time, ns."""
        run, taken = self._run, len(self._times)
        if run is None or start < taken:
            times, lengths = self.times, self._lengths
            return len(times) - start, sum(lengths[start:]), times[start], times[-1]
        begin, end = self._begin + start - taken, self._end
        return end - begin, sum(run.lengths[begin:end]), run.times[begin], run.times[end - 1]
