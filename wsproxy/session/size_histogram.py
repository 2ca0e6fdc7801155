"""The sizes of many messages: how often each occurs, and where it occurred first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

KEPT_PLACES = 6  # places kept of each size
_EXACT = 512  # different sizes that are kept exactly
_STEPS = 32  # buckets for each doubling of the size after that


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message or frame is.

    Attributes:
        frame: number of its first frame.
        t_ns: ns since the start of the session.
    """

    frame: int
    t_ns: int


@dataclass(slots=True)
class SizeBucket:
    """The messages of one size, or of a narrow range of sizes.

    Attributes:
        count: their number.
        shortest, longest: the smallest and the largest of their sizes, bytes.
        places: the first KEPT_PLACES of them.
    """

    shortest: int
    longest: int
    count: int = 0
    places: list[Place] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SizeSelection:
    """Messages that were selected by their size.

    Attributes:
        count: their number.
        shortest, longest: the smallest and the largest of their sizes, bytes.
        places: the first of them, at most KEPT_PLACES.
    """

    count: int = 0
    shortest: int = 0
    longest: int = 0
    places: Sequence[Place] = ()

    def __bool__(self) -> bool:
        return self.count > 0

    @property
    def frames(self) -> tuple[int, ...]:
        """The numbers of the first frames."""
        return tuple(place.frame for place in self.places)

    def without(self, frame: int) -> SizeSelection:
        """The same without one message, if it is the only one or among the places."""
        if frame not in self.frames:
            return self
        places = [place for place in self.places if place.frame != frame]
        return SizeSelection(self.count - 1, self.shortest, self.longest, places)

    def before(self, frame: int) -> SizeSelection:
        """Those before a frame; where more were selected than there are places, about as many."""
        places = [place for place in self.places if place.frame < frame]
        count = self.count if len(places) == len(self.places) else len(places)
        return SizeSelection(count, self.shortest, self.longest, places)


class SizeHistogram:
    """How often each size occurs, in bounded memory.

    Up to 512 different sizes are exact. If there are more, sizes that differ by less than about
    3 % share a bucket.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, SizeBucket] = {}
        self._exact = True

    def add(self, size: int, frame: int, t_ns: int) -> None:
        """Add a message."""
        bucket = self._buckets.get(size if self._exact else _rounded(size))
        if bucket is not None and self._exact and bucket.count >= KEPT_PLACES:
            bucket.count += 1  # nearly always
            return
        if bucket is None:
            bucket = self._new_bucket(size)
        bucket.count += 1
        if bucket.count <= KEPT_PLACES:
            bucket.places.append(Place(frame, t_ns))
        if not self._exact:
            bucket.shortest = min(bucket.shortest, size)
            bucket.longest = max(bucket.longest, size)

    def add_all(self, sizes: Sequence[int], frames: Sequence[int], times_ns: Sequence[int]) -> None:
        """Add messages, in their order."""
        for size, count in Counter(sizes).items():
            bucket = self._buckets.get(size) if self._exact else None
            if bucket is not None and bucket.count >= KEPT_PLACES:
                bucket.count += count
                continue
            for at, frame in enumerate(frames):
                if sizes[at] == size:
                    self.add(size, frame, times_ns[at])

    def _new_bucket(self, size: int) -> SizeBucket:
        if self._exact and len(self._buckets) >= _EXACT:
            self._exact = False
            exact, self._buckets = self._buckets, {}
            for one in exact.values():
                self._merge(one)
        key = size if self._exact else _rounded(size)
        return self._buckets.setdefault(key, SizeBucket(size, size))

    def _merge(self, one: SizeBucket) -> None:
        bucket = self._buckets.setdefault(
            _rounded(one.shortest), SizeBucket(one.shortest, one.longest)
        )
        bucket.count += one.count
        bucket.shortest = min(bucket.shortest, one.shortest)
        bucket.longest = max(bucket.longest, one.longest)
        bucket.places = _first(bucket.places + one.places)

    def __len__(self) -> int:
        """The number of messages."""
        return sum(bucket.count for bucket in self._buckets.values())

    @property
    def longest(self) -> int:
        """The largest size in bytes, 0 without messages."""
        return max((b.longest for b in self._buckets.values()), default=0)

    @property
    def shortest(self) -> int:
        """The smallest size in bytes, 0 without messages."""
        return min((b.shortest for b in self._buckets.values()), default=0)

    @property
    def median(self) -> int:
        """The median size in bytes, 0 without messages; the mean of the two in the middle."""
        count = len(self)
        if not count:
            return 0
        low, high = self._at((count - 1) // 2), self._at(count // 2)
        return (low + high) // 2

    def _at(self, rank: int) -> int:
        for key in sorted(self._buckets):
            bucket = self._buckets[key]
            if rank < bucket.count:
                return (bucket.shortest + bucket.longest) // 2
            rank -= bucket.count
        raise IndexError("no such rank")

    def select(self, wanted: Callable[[int], bool]) -> SizeSelection:
        """The messages whose size is wanted.

        Of a bucket with several sizes, all messages count if its smallest or its largest size
        is wanted.
        """
        found = [
            b
            for b in self._buckets.values()
            if b.count and (wanted(b.shortest) or wanted(b.longest))
        ]
        if not found:
            return SizeSelection()
        sizes = [size for b in found for size in (b.shortest, b.longest) if wanted(size)]
        places = _first(place for bucket in found for place in bucket.places)
        return SizeSelection(sum(b.count for b in found), min(sizes), max(sizes), places)


def _first(places: Iterable[Place]) -> list[Place]:
    return sorted(places, key=lambda place: place.frame)[:KEPT_PLACES]


def _rounded(size: int) -> int:
    """The size that stands for all sizes of a bucket."""
    shift = max(0, size.bit_length() - _STEPS.bit_length())
    return size >> shift << shift
