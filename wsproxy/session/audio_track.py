"""The audio of one direction in one carrier, as running totals.

A track never holds more than the head of its audio and a few thousand numbers, however long
the session lasts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from operator import sub
from typing import Protocol

from wsproxy.audio.analyzer import AudioAnalyzer
from wsproxy.audio.containers import ContainerHeader, read_header
from wsproxy.audio.encodings import AudioFormat
from wsproxy.audio.report import AudioReport, SpeechSoFar
from wsproxy.audio.sniff import sniff
from wsproxy.statistics import median

from .message_block import MessageBlock
from .size_histogram import KEPT_PLACES, Place, SizeHistogram

KEPT_HEAD = 64 << 10  # bytes of audio kept from the beginning of a track
WINDOW_NS = 5 * 10**9  # the window in which the fastest pace is measured
_WINDOW_CHUNKS = 4096  # chunks in that window that are kept apart
_MAX_BEFORE = 512  # chunks before it that are still in memory
_CURSOR_POINTS = 2048  # points of the curve of bytes over time
_RECENT_CHUNKS = 1024  # chunks at the end whose position is exact


TrackKey = tuple[bool, str, str]  # whether the client sent it, the carrier, the JSON field


class Analyzer(Protocol):
    """What examines the samples of a track."""

    def add(self, data: bytes, frame: int, t_ns: int) -> None: ...
    def add_all(
        self, data: Sequence[bytes], frames: Sequence[int], times: Sequence[int]
    ) -> None: ...
    @property
    def last_frame(self) -> int: ...
    def settle(self) -> None: ...
    def speech_before(self, frame: int | None) -> SpeechSoFar | None: ...
    def report(self) -> AudioReport: ...


@dataclass(frozen=True, slots=True)
class AudioGap:
    """A time without chunks.

    Attributes:
        length_ns: its length.
        at_ns: when it began.
        after_frame: the frame before it, 0 if there is none.
    """

    length_ns: int = 0
    at_ns: int = 0
    after_frame: int = 0


@dataclass(slots=True)
class FastestWindow:
    """The WINDOW_NS with the most audio, by two pointers over the chunks.

    Attributes:
        size: bytes of audio in the window.
        start: its first chunk, None without chunks.
    """

    size: int = 0
    start: Place | None = None
    # The chunks of the window, from index `_first` on.
    _frames: list[int] = field(default_factory=list)
    _times: list[int] = field(default_factory=list)
    _sizes: list[int] = field(default_factory=list)
    _first: int = 0
    _current: int = 0

    def add(self, frame: int, t_ns: int, size: int) -> None:
        """Add a chunk."""
        self._frames.append(frame)
        self._times.append(t_ns)
        self._sizes.append(size)
        self._look_through(len(self._times) - 1)
        self._forget()

    def add_all(self, frames: Sequence[int], times: Sequence[int], sizes: Sequence[int]) -> None:
        """Add chunks, in their order."""
        self._drop_before()
        added = len(self._times)
        self._frames += frames
        self._times += times
        self._sizes += sizes
        if not self._skip(added):
            self._look_through(added)
        self._forget()

    def _look_through(self, added: int) -> None:
        """Find the best window that ends with one of the chunks from an index on."""
        times, sizes, first, current = self._times, self._sizes, self._first, self._current
        for at in range(added, len(times)):
            current += sizes[at]
            oldest = times[at] - WINDOW_NS
            while times[first] < oldest:
                current -= sizes[first]
                first += 1
            if current > self.size:
                self.size, self.start = current, Place(self._frames[first], times[first])
        self._first, self._current = first, current

    def _skip(self, added: int) -> bool:
        """Move the window to the last chunk, if none that ends with the new ones is the best.

        Found without looking at each where chunks have the same size: then a better window has
        to have more chunks.

        Args:
            added: index of the first new chunk.
        """
        times, sizes = self._times, self._sizes
        size = sizes[-1]
        more = self.size // size if size else 0  # chunks before the last one of a better window
        if not more or sizes.count(size) != len(sizes) or times != sorted(times):
            return False
        last = max(added, more)  # the first that may end a better window
        if last < len(times) and min(map(sub, times[last:], times[last - more :])) <= WINDOW_NS:
            return False
        self._first = bisect_left(times, times[-1] - WINDOW_NS)
        self._current = size * (len(times) - self._first)
        return True

    def _forget(self) -> None:
        """Free most of the chunks before the window, and join pairs of its chunks if it is full."""
        if self._first > _MAX_BEFORE:
            self._drop_before()
        if len(self._times) - self._first > _WINDOW_CHUNKS:
            self._halve()

    def _drop_before(self) -> None:
        first, self._first = self._first, 0
        del self._frames[:first], self._times[:first], self._sizes[:first]

    def _halve(self) -> None:
        self._drop_before()
        last = len(self._times) // 2 * 2
        pairs = zip(self._sizes[0:last:2], self._sizes[1::2], strict=True)
        self._sizes = [a + b for a, b in pairs] + self._sizes[last:]
        self._frames, self._times = self._frames[::2], self._times[::2]


class AudioCursor:
    """How many bytes of audio had passed at a time, in bounded memory.

    Exact for the last 1,024 chunks, and for all chunks of a track with up to 2,048; between
    the points that are kept of a longer one, the position is interpolated.
    """

    def __init__(self) -> None:
        self._times: list[int] = []
        self._sizes: list[int] = []
        self._last_times: list[int] = []  # of the last _RECENT_CHUNKS, or a few more
        self._last_sizes: list[int] = []
        self._stride = 1
        self._count = 0

    def add(self, t_ns: int, size: int) -> None:
        """Add a chunk; `size` is that of all chunks including this one."""
        self._keep_last((t_ns,), (size,))
        if self._count % self._stride == 0:
            self._times.append(t_ns)
            self._sizes.append(size)
            if len(self._times) >= _CURSOR_POINTS:
                self._times, self._sizes = self._times[::2], self._sizes[::2]
                self._stride *= 2
        self._count += 1

    def add_all(self, times: Sequence[int], sizes: Sequence[int]) -> None:
        """Add chunks, in their order."""
        self._keep_last(times, sizes)
        at = -self._count % self._stride
        while at < len(times):
            self._times.append(times[at])
            self._sizes.append(sizes[at])
            at += self._stride
            if len(self._times) >= _CURSOR_POINTS:
                self._times, self._sizes = self._times[::2], self._sizes[::2]
                self._stride *= 2
                at += -(self._count + at) % self._stride
        self._count += len(times)

    def _keep_last(self, times: Sequence[int], sizes: Sequence[int]) -> None:
        self._last_times += times
        self._last_sizes += sizes
        if len(self._last_times) > 2 * _RECENT_CHUNKS:
            del self._last_times[:-_RECENT_CHUNKS], self._last_sizes[:-_RECENT_CHUNKS]

    @property
    def recent(self) -> list[tuple[int, int]]:
        """When the last 1,024 chunks came, and the bytes up to each, inclusive."""
        times, sizes = self._last_times[-_RECENT_CHUNKS:], self._last_sizes[-_RECENT_CHUNKS:]
        return list(zip(times, sizes, strict=True))

    def count_at(self, t_ns: int) -> int:
        """The number of chunks up to a time, inclusive; exact where `size_at` is."""
        recent = self.recent
        later = sum(1 for when, _ in recent if when > t_ns)
        if later < len(recent):
            return self._count - later
        return min(self._count - later, bisect_right(self._times, t_ns) * self._stride)

    @property
    def median_interval_ns(self) -> float:
        """The median time between two of the last 1,024 chunks, 0 if there are fewer than two."""
        times = [when for when, _ in self.recent]
        return median(b - a for a, b in pairwise(times)) if len(times) > 1 else 0.0

    def size_at(self, t_ns: int) -> int:
        """Bytes of all chunks up to a time, inclusive."""
        last = self._last_times
        if not last:
            return 0
        if t_ns >= last[0] and len(last) < self._count:
            return self._last_sizes[bisect_right(last, t_ns) - 1]
        at = bisect_right(self._times, t_ns)
        if not at:
            return 0
        if self._stride == 1 or at == len(self._times):
            return self._sizes[at - 1]
        start, end = self._times[at - 1], self._times[at]
        done = (t_ns - start) / max(1, end - start)
        return self._sizes[at - 1] + int(done * (self._sizes[at] - self._sizes[at - 1]))

    def time_at(self, size: int) -> int | None:
        """When so many bytes had passed; None if fewer did. Exact where `size_at` is."""
        times, sizes = self._last_times, self._last_sizes
        if not sizes or size > sizes[-1]:
            return None
        if size < sizes[0] and self._sizes[-1] >= size:
            times, sizes = self._times, self._sizes
        return times[bisect_left(sizes, size)]


@dataclass(frozen=True, slots=True)
class _ExaminedHead:
    """What the first bytes of a track are, `length` of them."""

    length: int
    kind: str
    header: ContainerHeader | None


@dataclass(slots=True)
class AudioTrack:
    """The audio of one direction in one carrier.

    Attributes:
        from_client: who sent it.
        carrier: one of `audio_carrier.CARRIERS`.
        json_field: the name of the JSON field that carries it, "" outside of JSON.
        known: whether it is audio for certain; otherwise its content has to show it.
        messages: number of messages with audio.
        size: bytes of audio, without the carrier.
        first_places: the first messages, at most KEPT_PLACES.
        first_content: the first message that is not empty, None if there is none.
        last_size: bytes of audio in the last message.
        longest_gap: the longest time between two messages.
        meant_pauses_ns: all times between two messages in which `keep_open` was called.
        longest_other_ns: the longest of the other times between two messages.
        sizes: bytes of audio in each message.
        fastest: the 5 seconds with the most audio.
        cursor: bytes of audio over time.
        fragmented: number of messages in more than one frame.
        media: (place, media type) as declared next to the audio, each change, at most 32.
        analyzer: examines the samples; None: the audio is only counted.
    """

    from_client: bool
    carrier: str
    json_field: str = ""
    known: bool = True
    messages: int = 0
    size: int = 0
    last_size: int = 0
    longest_gap: AudioGap = AudioGap()
    meant_pauses_ns: int = 0
    longest_other_ns: int = 0
    sizes: SizeHistogram = field(default_factory=SizeHistogram)
    fastest: FastestWindow = field(default_factory=FastestWindow)
    cursor: AudioCursor = field(default_factory=AudioCursor)
    first_places: list[Place] = field(default_factory=list)
    first_content: Place | None = None
    fragmented: int = 0
    media: list[tuple[Place, str]] = field(default_factory=list)
    analyzer: Analyzer | None = None
    _is_kept_open: bool = False
    _head_is_full: bool = False
    _last_frame: int = 0
    _last_ns: int = 0
    _head: bytearray = field(default_factory=bytearray, repr=False)
    _examined_head: _ExaminedHead | None = field(default=None, repr=False)

    def add(self, frame: int, t_ns: int, size: int, *, fragmented: bool = False) -> None:
        """Count a message.

        Args:
            frame, t_ns: of its first frame.
            size: bytes of its audio.
            fragmented: whether it has several frames.
        """
        if self.messages:
            gap = t_ns - self._last_ns
            if gap > self.longest_gap.length_ns:
                self.longest_gap = AudioGap(gap, self._last_ns, self._last_frame)
            if self._is_kept_open:
                self.meant_pauses_ns += gap
            elif gap > self.longest_other_ns:
                self.longest_other_ns = gap
        self._is_kept_open = False
        self._last_frame = frame
        self._last_ns = t_ns
        self.last_size = size
        self.messages += 1
        if self.messages <= KEPT_PLACES:
            self.first_places.append(Place(frame, t_ns))
        if size and self.first_content is None:
            self.first_content = Place(frame, t_ns)
        self.size += size
        self.fragmented += fragmented
        self.sizes.add(size, frame, t_ns)
        self.fastest.add(frame, t_ns, size)
        self.cursor.add(t_ns, self.size)

    def add_all(self, block: MessageBlock) -> None:
        """Add complete binary messages of this direction that are the audio.

        As `add` and `add_data` of each would do, at a fraction of the time.
        """
        numbers, times, lengths = block.numbers, block.times, block.lengths
        self.add(numbers[0], times[0], lengths[0])
        gap = block.longest_gap
        if gap > self.longest_gap.length_ns:
            at = block.before_gap
            self.longest_gap = AudioGap(gap, times[at], numbers[at])
        self.longest_other_ns = max(self.longest_other_ns, gap)
        for number, t_ns in zip(numbers[1:KEPT_PLACES], times[1:], strict=False):
            if len(self.first_places) < KEPT_PLACES:
                self.first_places.append(Place(number, t_ns))
        frames, later, sizes = numbers[1:], times[1:], lengths[1:]
        self.cursor.add_all(later, list(accumulate(sizes, initial=self.size))[1:])
        self.sizes.add_all(sizes, frames, later)
        self.fastest.add_all(frames, later, sizes)
        self.messages += len(numbers) - 1
        self.size += sum(lengths) - lengths[0]
        self.last_size = lengths[-1]
        self._last_frame, self._last_ns = numbers[-1], times[-1]
        if not self._head_is_full:
            self._add_head(b"".join(block.payloads))
        if self.analyzer is not None:
            self.analyzer.add_all(block.payloads, numbers, times)

    def keep_open(self) -> None:
        """The sender says that it is there: the time until its next message is a pause by intent.

        All messages before that have to be added.
        """
        self._is_kept_open = True

    @property
    def wants_data(self) -> bool:
        """Whether `add_data` has to follow `add`."""
        return not self._head_is_full or self.analyzer is not None

    def add_data(self, data: bytes, frame: int, t_ns: int) -> None:
        """Add the audio of a message that was counted, as much as was recorded."""
        if not self._head_is_full:
            self._add_head(data)
        if self.analyzer is not None:
            self.analyzer.add(data, frame, t_ns)

    def _add_head(self, data: bytes) -> None:
        self._head += data[: KEPT_HEAD - len(self._head)]
        self._head_is_full = len(self._head) >= KEPT_HEAD

    @property
    def key(self) -> TrackKey:
        """What tells it from the other tracks of its session: direction, carrier, JSON field."""
        return self.from_client, self.carrier, self.json_field

    def __bool__(self) -> bool:
        """Whether it has messages."""
        return self.messages > 0

    @property
    def first(self) -> Place | None:
        """The first message."""
        return self.first_places[0] if self.first_places else None

    @property
    def last(self) -> Place | None:
        """The last message."""
        return Place(self._last_frame, self._last_ns) if self.messages else None

    @property
    def last_media(self) -> str:
        """The media type that was declared last, "" if none."""
        return self.media[-1][1] if self.media else ""

    @property
    def head(self) -> bytes:
        """The first KEPT_HEAD bytes of the audio."""
        return bytes(self._head)

    def signal(self, declared: AudioFormat | None) -> AudioReport:
        """What the samples are: of all of them where they were analyzed, else of the head.

        Args:
            declared: the format of the head.
        """
        if self.analyzer is not None:
            return self.analyzer.report()
        analyzer = AudioAnalyzer(declared)
        if self.first is not None:
            analyzer.add(self.head, self.first.frame, self.first.t_ns)
        return analyzer.report()

    @property
    def kind(self) -> str:
        """What the audio is by its first bytes, see `audio.sniff.sniff`."""
        return self._examined().kind

    @property
    def header(self) -> ContainerHeader | None:
        """The header of a container at its start, None if there is none."""
        return self._examined().header

    def _examined(self) -> _ExaminedHead:
        """What the head is, found once for each length of it."""
        if self._examined_head is None or self._examined_head.length != len(self._head):
            head = self.head
            self._examined_head = _ExaminedHead(len(head), sniff(head), read_header(head))
        return self._examined_head

    @property
    def span_ns(self) -> int:
        """From the first to the last message."""
        return self.last.t_ns - self.first.t_ns if self.first and self.last else 0

    def pace(self, declared: AudioFormat) -> float:
        """Seconds of audio in a second, from the first message to the end of playing the last."""
        wall = max(self.span_ns / 1e9, 0.001) + declared.duration(self.last_size)
        return declared.duration(self.size) / wall
