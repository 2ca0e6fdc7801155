"""Complete binary messages of one direction that are added at once, in columns.

Nearly all frames of most sessions are such messages: an object for each would cost more than all
else that is done with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import sub

from wsproxy.trace import FrameRecord, FrameRun


@dataclass(slots=True)
class BinaryBlock:
    """Messages in one frame each, none of them empty, in their order.

    Attributes:
        numbers: of their frames.
        times: of their frames, ns.
        payloads: as much as was recorded of them.
        lengths: bytes of all of each.
        wire_lengths: bytes of their frames on the wire.
        size: bytes of all payloads.
    """

    from_client: bool
    numbers: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    wire_lengths: list[int] = field(default_factory=list)
    size: int = 0
    _longest_gap: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

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
        """Add a message."""
        size = len(frame.payload)
        self.numbers.append(number)
        self.times.append(frame.t_ns)
        self.payloads.append(frame.payload)
        self.lengths.append(size + frame.cut)
        self.wire_lengths.append(frame.wire_length)
        self.size += size

    def extend(self, first_number: int, run: FrameRun) -> None:
        """Add messages that follow each other.

        Args:
            first_number: of the first frame.
        """
        self.numbers += range(first_number, first_number + len(run))
        self.times += run.times
        self.payloads += run.payloads
        self.lengths += run.lengths
        self.wire_lengths += run.wire_lengths
        self.size += sum(run.lengths)
