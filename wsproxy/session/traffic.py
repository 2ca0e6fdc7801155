"""The frames of a session in running totals, and its first and last frames.

Memory does not grow with the session: what is kept is counted in hundreds.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from wsproxy.wire import Opcode

from .message_block import MessageBlock
from .size_histogram import KEPT_PLACES, Place, SizeHistogram, SizeSelection

KEPT_FRAMES = 1024  # frames kept from the beginning, and as many from the end
KEPT_NUMBERS = 5  # numbers of the first and of the last frames of each kind
LARGE = 16 << 10  # bytes of a frame from which on its size is kept
_BINARY = int(Opcode.BINARY)
_PING, _PONG = int(Opcode.PING), int(Opcode.PONG)


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """What is kept of a frame.

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


@dataclass(slots=True)
class FrameTotals:
    """The frames of one kind of one direction, counted up to the end of the session.

    Attributes:
        count: their number.
        first_frames, last_frames: the numbers of the first and of the last KEPT_NUMBERS.
        first_ns, last_ns: when the first and the last came, 0 without frames.
        empty: those without a payload.
    """

    count: int = 0
    first_frames: list[int] = field(default_factory=list)
    last_frames: list[int] = field(default_factory=list)
    first_ns: int = 0
    last_ns: int = 0
    empty: SizeHistogram = field(default_factory=SizeHistogram)

    def add_all(self, numbers: Sequence[int], times: Sequence[int]) -> None:
        """Add frames that are not empty."""
        ends = max(KEPT_NUMBERS, len(numbers) - KEPT_NUMBERS)
        for number, t_ns in zip(numbers[:KEPT_NUMBERS], times, strict=False):
            self.add(number, t_ns, 1)
        self.count += max(0, ends - KEPT_NUMBERS)
        for number, t_ns in zip(numbers[ends:], times[ends:], strict=True):
            self.add(number, t_ns, 1)

    def add(self, number: int, t_ns: int, length: int) -> None:
        self.count += 1
        self.last_ns = t_ns
        if self.count <= KEPT_NUMBERS:
            self.first_frames.append(number)
            self.last_frames.append(number)
            if self.count == 1:
                self.first_ns = t_ns
        else:
            self.last_frames[self.count % KEPT_NUMBERS - 1] = number
        if not length:
            self.empty.add(0, number, t_ns)


@dataclass(slots=True)
class DataTotals:
    """The data frames of one direction, counted up to the end of the session.

    Attributes:
        count: their number.
        first: the first, None if there is none.
        last: the frame that begins the last message, at the time of the message's last frame.
        longest_gap_ns, gap_after: the longest time between two, and the one before it.
        largest: the largest, the first of several; None if there is none.
        large: the sizes of frames of at least LARGE bytes.
    """

    count: int = 0
    first: Place | None = None
    last_frame: int = 0
    last_ns: int = 0
    longest_gap_ns: int = -1
    gap_after: Place | None = None
    largest: FrameInfo | None = None
    largest_length: int = -1
    large: SizeHistogram = field(default_factory=SizeHistogram)

    @property
    def last(self) -> Place | None:
        return Place(self.last_frame, self.last_ns) if self.count else None

    def longest_gap(self, start_ns: int, end_ns: int) -> tuple[int, int, int]:
        """The longest time without a frame, from `start_ns` to `end_ns`.

        Returns:
            Its length and its start in ns, and the number of the frame before it, 0 if none.
        """
        if self.first is None:
            return end_ns - start_ns, start_ns, 0
        gaps = [(self.first.t_ns - start_ns, start_ns, 0)]
        if self.gap_after is not None:
            gaps.append((self.longest_gap_ns, self.gap_after.t_ns, self.gap_after.frame))
        gaps.append((end_ns - self.last_ns, self.last_ns, self.last_frame))
        return max(gaps, key=lambda gap: gap[0])


@dataclass(slots=True)
class OpenPings:
    """Pings of one side that were not answered since.

    Attributes:
        count: their number.
        first_ns: when the first of them came.
        frames: the numbers of the first KEPT_NUMBERS.
    """

    count: int = 0
    first_ns: int = 0
    frames: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _StoredBlock:
    """Frames of one kind, in columns."""

    bits: int
    numbers: array[int]
    times: array[int]
    lengths: array[int]
    wire_lengths: array[int]


class Traffic:
    """The frames of a session.

    Totals count the frames up to the end of the session: its first Close frame, or the end of the
    server's direction. `frame_count` counts all.

    Attributes:
        frame_count: number of frames.
        ended: whether the session has ended; the totals stay as they are then.
        data: totals of data frames, of the server and of the client.
        open_pings: pings without an answer, of the server and of the client.
    """

    def __init__(self) -> None:
        self.frame_count = 0
        self.ended = False
        self.data = (DataTotals(), DataTotals())
        self.open_pings = (OpenPings(), OpenPings())
        self._totals: dict[int, FrameTotals] = {}
        self._last: list[tuple[int, int, int, int, int] | None] = [None, None]
        # The first KEPT_FRAMES, then a ring of as many. Columns: a long list of objects is slow.
        self._times = array("q")
        self._lengths = array("Q")
        self._wire_lengths = array("Q")
        self._bits = array("B")
        self._blocks: deque[_StoredBlock] = deque()  # of the last ones, not in the ring yet

    def add(  # of many frames of every session: without an object for each
        self,
        number: int,
        t_ns: int,
        from_client: bool,
        opcode: int,
        fin: bool,
        length: int,
        wire_length: int,
    ) -> None:
        """Add a frame.

        Args:
            number: of the frame; frames of one kind and direction are added in their order.
        """
        bits = opcode | fin << 4 | from_client << 5
        if number > 2 * KEPT_FRAMES:
            at = KEPT_FRAMES + (number - 1) % KEPT_FRAMES
            self._times[at] = t_ns
            self._lengths[at] = length
            self._wire_lengths[at] = wire_length
            self._bits[at] = bits
            self.frame_count = max(self.frame_count, number)
        else:
            self._store(number, t_ns, bits, length, wire_length)
        self._last[from_client] = (number, t_ns, bits, length, wire_length)
        if self.ended:
            return
        (self._totals.get(bits & 0x2F) or self._totals_of(bits & 0x2F)).add(number, t_ns, length)
        if opcode <= _BINARY:
            self._add_data(number, t_ns, from_client, opcode, length)
        elif opcode == _PING:
            self._add_ping(number, t_ns, self.open_pings[from_client])
        elif opcode == _PONG:
            self.open_pings[not from_client].count = 0

    def add_all(self, block: MessageBlock) -> None:
        """Add complete messages of one kind and direction, none of them empty, as `add` would."""
        from_client = block.from_client
        bits = block.opcode | 0x10 | from_client << 5
        if len(self._times) < 2 * KEPT_FRAMES:
            for number, t_ns, length, wire_length in zip(
                block.numbers, block.times, block.lengths, block.wire_lengths, strict=True
            ):
                self._store(number, t_ns, bits, length, wire_length)
        else:
            self._store_all(block, bits)
        self._last[from_client] = (
            block.numbers[-1],
            block.times[-1],
            bits,
            block.lengths[-1],
            block.wire_lengths[-1],
        )
        if self.ended:
            return
        self._totals_of(bits & 0x2F).add_all(block.numbers, block.times)
        self._add_all_data(block, bits)

    def _totals_of(self, kind: int) -> FrameTotals:
        totals = self._totals.get(kind)
        if totals is None:
            totals = self._totals[kind] = FrameTotals()
        return totals

    def _store(self, number: int, t_ns: int, bits: int, length: int, wire_length: int) -> None:
        """Keep a frame as one of the first or of the last."""
        at = number - 1
        if at >= KEPT_FRAMES:
            at = KEPT_FRAMES + at % KEPT_FRAMES
        if at >= len(self._times):
            missing = at + 1 - len(self._times)
            for column in (self._times, self._lengths, self._wire_lengths, self._bits):
                column.extend((0,) * missing)
        self._times[at] = t_ns
        self._lengths[at] = length
        self._wire_lengths[at] = wire_length
        self._bits[at] = bits
        self.frame_count = max(self.frame_count, number)

    def _store_all(self, block: MessageBlock, bits: int) -> None:
        """Keep frames as the last ones, as `_store` does: once they are asked for."""
        stored = _StoredBlock(
            bits,
            array("Q", block.numbers),
            array("q", block.times),
            array("Q", block.lengths),
            array("Q", block.wire_lengths),
        )
        self._blocks.append(stored)
        self.frame_count = max(self.frame_count, block.numbers[-1])
        oldest = self.frame_count - KEPT_FRAMES
        while self._blocks[0].numbers[-1] <= oldest:
            self._blocks.popleft()

    def _store_blocks(self) -> None:
        """Keep the frames of blocks that are still among the last ones."""
        oldest = self.frame_count - KEPT_FRAMES
        for block in self._blocks:
            for number, t_ns, length, wire_length in zip(
                block.numbers, block.times, block.lengths, block.wire_lengths, strict=True
            ):
                if number > oldest:
                    self._store(number, t_ns, block.bits, length, wire_length)
        self._blocks.clear()

    def _add_all_data(self, block: MessageBlock, bits: int) -> None:
        """Add messages to the totals of data frames."""
        data, numbers, times, lengths = (
            self.data[block.from_client],
            block.numbers,
            block.times,
            block.lengths,
        )
        self._add_data(numbers[0], times[0], block.from_client, block.opcode, lengths[0])
        gap = block.longest_gap
        if gap > data.longest_gap_ns:
            at = block.before_gap
            data.longest_gap_ns, data.gap_after = gap, Place(numbers[at], times[at])
        if (longest := max(lengths)) > data.largest_length:
            at = lengths.index(longest)
            data.largest_length = longest
            data.largest = _info(numbers[at], times[at], bits, longest, block.wire_lengths[at])
        if longest >= LARGE:
            for number, t_ns, length in zip(numbers[1:], times[1:], lengths[1:], strict=True):
                if length >= LARGE:
                    data.large.add(length, number, t_ns)
        data.count += len(numbers) - 1
        data.last_frame, data.last_ns = numbers[-1], times[-1]

    def _add_data(
        self, number: int, t_ns: int, from_client: bool, opcode: int, length: int
    ) -> None:
        data = self.data[from_client]
        if data.count:
            gap = t_ns - data.last_ns
            if gap > data.longest_gap_ns:
                data.longest_gap_ns = gap
                data.gap_after = Place(data.last_frame, data.last_ns)
        else:
            data.first = Place(number, t_ns)
        data.count += 1
        if opcode or not data.last_frame:  # a continuation belongs to the message before
            data.last_frame = number
        data.last_ns = t_ns
        if length > data.largest_length:
            data.largest_length = length
            data.largest = self.frame(number)
        if length >= LARGE:
            data.large.add(length, number, t_ns)

    def _add_ping(self, number: int, t_ns: int, pings: OpenPings) -> None:
        if not pings.count:
            pings.first_ns = t_ns
            pings.frames = []
        pings.count += 1
        if pings.count <= KEPT_NUMBERS:
            pings.frames.append(number)

    # -- frames that are kept

    def is_kept(self, number: int) -> bool:
        """Whether the frame of this number is one of the first or of the last KEPT_FRAMES."""
        kept_from = self.frame_count - KEPT_FRAMES
        return 1 <= number <= self.frame_count and (number <= KEPT_FRAMES or number > kept_from)

    def frame(self, number: int) -> FrameInfo:
        """The frame of this number, from 1.

        Raises:
            IndexError: there is none, or it is neither one of the first nor of the last.
        """
        if not self.is_kept(number):
            raise IndexError(f"frame {number} is not kept")
        if self._blocks:
            self._store_blocks()
        at = number - 1
        if at >= KEPT_FRAMES:
            at = KEPT_FRAMES + at % KEPT_FRAMES
        return _info(
            number, self._times[at], self._bits[at], self._lengths[at], self._wire_lengths[at]
        )

    def last(self, *, from_client: bool) -> FrameInfo | None:
        """The last frame of a direction."""
        last = self._last[from_client]
        return _info(*last) if last is not None else None

    def frames(self, *, from_client: bool | None = None) -> Iterator[FrameInfo]:
        """The frames that are kept in their order, or one direction's."""
        first = range(1, min(KEPT_FRAMES, self.frame_count) + 1)
        last = range(max(len(first), self.frame_count - KEPT_FRAMES) + 1, self.frame_count + 1)
        for frame in map(self.frame, chain(first, last)):
            if from_client is None or frame.from_client is from_client:
                yield frame

    def totals(self, opcode: Opcode, *, from_client: bool) -> FrameTotals:
        """The totals of the frames of one kind."""
        return self._totals.get(opcode | from_client << 5) or FrameTotals()

    def data_after(self, frame: int, *, from_client: bool) -> SizeSelection:
        """The data frames of a direction after a frame, with the places of those that are kept.

        Where frames between are not kept, all of them count as the direction's.
        """
        kept = [
            Place(f.number, f.t_ns)
            for f in self.frames(from_client=from_client)
            if f.number > frame and f.opcode <= Opcode.BINARY
        ]
        kept = [place for place in kept if place.frame <= self.data[from_client].last_frame]
        missing = max(0, self.frame_count - KEPT_FRAMES - max(frame, KEPT_FRAMES))
        return SizeSelection(len(kept) + missing, places=tuple(kept[:KEPT_PLACES]))


def _info(number: int, t_ns: int, bits: int, length: int, wire_length: int) -> FrameInfo:
    opcode, fin, from_client = Opcode(bits & 0x0F), bool(bits & 0x10), bool(bits & 0x20)
    return FrameInfo(number, t_ns, from_client, opcode, fin, length, wire_length)
