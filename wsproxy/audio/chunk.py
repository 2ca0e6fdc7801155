"""The audio of messages, and where it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class AudioChunk(NamedTuple):
    """The audio of one message, or a part of it.

    Attributes:
        data: the bytes.
        frame: number of the frame that it begins in.
        t_ns: time of that frame.
    """

    data: bytes
    frame: int
    t_ns: int


@dataclass(slots=True)
class ChunkBlock:
    """Consecutive chunks, in columns: there are many, and numpy reads them.

    Attributes:
        data, frames, times: what a `AudioChunk` has, of each.
        size: bytes of all.
    """

    data: list[bytes] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    size: int = 0

    def add(self, data: bytes, frame: int, t_ns: int) -> None:
        """Add a chunk."""
        self.data.append(data)
        self.frames.append(frame)
        self.times.append(t_ns)
        self.size += len(data)

    def extend(
        self, data: Sequence[bytes], frames: Sequence[int], times: Sequence[int], size: int
    ) -> None:
        """Add chunks, which have `size` bytes together."""
        self.data += data
        self.frames += frames
        self.times += times
        self.size += size

    @property
    def first(self) -> AudioChunk:
        """The first chunk."""
        return AudioChunk(self.data[0], self.frames[0], self.times[0])

    def __iter__(self) -> Iterator[AudioChunk]:
        return map(AudioChunk, self.data, self.frames, self.times)

    def __len__(self) -> int:
        return len(self.data)
