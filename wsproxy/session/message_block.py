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
        times: of their frames, ns.
        payloads: as much as was recorded of them; none of texts.
        lengths: bytes of all of each.
        wire_lengths: bytes of their frames on the wire.
        size: bytes of all payloads.
    """

    from_client: bool
    opcode: int = _BINARY
    numbers: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    wire_lengths: list[int] = field(default_factory=list)
    size: int = 0
    _longest_gap: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    @classmethod
    def of_texts(cls, from_client: bool) -> MessageBlock:
        """One for text messages."""
        return cls(from_client, _TEXT)

    @property
    def longest_gap(self) -> tuple[int, int]:
        """The longest time between two messages, ns, and the index of the first of them.

        Found once: nothing may be added afterwards. -1 ns if there is only one message.
        """
        if self._longest_gap is None:
            gaps = list(map(sub, self.times[1:], self.times))
            longest = max(gaps, default=-1)
            self._longest_gap = longest, gaps.index(longest) if gaps else 0
        return self._longest_gap

    def add(self, number: int, frame: FrameRecord) -> None:
        """Add a binary message."""
        size = len(frame.payload)
        self.numbers.append(number)
        self.times.append(frame.t_ns)
        self.payloads.append(frame.payload)
        self.lengths.append(size + frame.cut)
        self.wire_lengths.append(frame.wire_length)
        self.size += size

    def add_text(self, number: int, t_ns: int, length: int, wire_length: int) -> None:
        """Add a text message that is complete."""
        self.numbers.append(number)
        self.times.append(t_ns)
        self.lengths.append(length)
        self.wire_lengths.append(wire_length)

    def extend(self, first_number: int, run: FrameRun, start: int, end: int) -> None:
        """Add binary messages of a run that follow each other.

        Args:
            first_number: of the first frame.
            start, end: their indices in the columns of the run.
        """
        lengths = run.lengths[start:end]
        self.numbers += range(first_number, first_number + end - start)
        self.times += run.times[start:end]
        self.payloads += run.payloads[start:end]
        self.lengths += lengths
        self.wire_lengths += run.wire_lengths[start:end]
        self.size += sum(lengths)
