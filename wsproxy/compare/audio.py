"""Compare the audio of one direction of two sessions as byte streams, whatever their chunking.

Runs only where the hashes differ: it reads both traces once more, side by side, one frame of
each at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from wsproxy.catalog import Catalog
from wsproxy.session import Session

from .messages import MessagePartReader


@dataclass(frozen=True, slots=True)
class AudioDifference:
    """The first difference of two audio streams.

    Attributes:
        offset: bytes from the beginning of the audio.
        recorded_frame, replayed_frame: numbers of the frames that hold this byte.
    """

    offset: int
    recorded_frame: int
    replayed_frame: int


@dataclass(frozen=True, slots=True)
class AudioComparison:
    """Two audio streams, compared up to the end of the shorter one.

    Attributes:
        first: the first difference; None if one stream is a prefix of the other.
        same_chunking: whether both are divided into messages at the same places.
    """

    first: AudioDifference | None
    same_chunking: bool


def compare_audio(
    recorded: str | os.PathLike[str],
    replayed: str | os.PathLike[str],
    catalog: Catalog,
    *,
    from_client: bool,
) -> AudioComparison:
    """Compare the audio that two clients, or two servers, sent.

    Raises:
        TraceError: one of the traces cannot be read.
    """
    left, right = (_audio(path, catalog, from_client=from_client) for path in (recorded, replayed))
    a, b = next(left, None), next(right, None)
    offset = 0
    same_chunking = True
    while a is not None and b is not None:
        size = min(len(a[1]), len(b[1]))
        same_chunking = same_chunking and len(a[1]) == len(b[1])
        if a[1][:size] != b[1][:size]:
            at = _first_mismatch(a[1][:size], b[1][:size])
            return AudioComparison(AudioDifference(offset + at, a[0], b[0]), same_chunking)
        offset += size
        a = (a[0], a[1][size:]) if size < len(a[1]) else next(left, None)
        b = (b[0], b[1][size:]) if size < len(b[1]) else next(right, None)
    return AudioComparison(None, same_chunking)


def _first_mismatch(a: memoryview, b: memoryview) -> int:
    """The first index at which two different views of equal size differ, by bisection."""
    at = 0
    while len(a) > 1:
        half = len(a) // 2
        if a[:half] == b[:half]:
            at, a, b = at + half, a[half:], b[half:]
        else:
            a, b = a[:half], b[:half]
    return at


def _audio(
    path: str | os.PathLike[str], catalog: Catalog, *, from_client: bool
) -> Iterator[tuple[int, memoryview]]:
    """(frame number, bytes) of one side's messages with audio, without empty ones."""
    for part in MessagePartReader(Session(), catalog).read(path):
        if part.from_client is from_client:
            for chunk in part.audio:
                if chunk.data:
                    yield chunk.frame, memoryview(chunk.data)
