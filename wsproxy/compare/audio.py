"""The audio of one direction of two sessions, as two streams of bytes however they are cut.

Read only where sums say that something differs: both traces are read once more, side by
side, a frame of each at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from wsproxy.catalog import Api
from wsproxy.trace import FrameRecord, TraceReader
from wsproxy.wire import Opcode

from .messages import MessageReader


@dataclass(frozen=True, slots=True)
class AudioDifference:
    """Where the audio first differs: offset in it, and the frames there."""

    offset: int
    recorded_frame: int
    replayed_frame: int


@dataclass(frozen=True, slots=True)
class AudioComparison:
    """The audio of two sides, as far as both go.

    Attributes:
        first: where it differs; None if one stream is the other's beginning.
        same_cuts: whether it is cut into messages in the same places.
    """

    first: AudioDifference | None
    same_cuts: bool


def compare_audio(
    recorded: str | os.PathLike[str],
    replayed: str | os.PathLike[str],
    recorded_api: Api | None,
    replayed_api: Api | None,
    *,
    from_client: bool,
) -> AudioComparison:
    """Compare what two apps, or two servers, sent as audio.

    Raises:
        TraceError: one of the traces cannot be read.
    """
    left = _audio(recorded, recorded_api, from_client=from_client)
    right = _audio(replayed, replayed_api, from_client=from_client)
    a, b = next(left, None), next(right, None)
    offset = 0
    same_cuts = True
    while a is not None and b is not None:
        size = min(len(a[1]), len(b[1]))
        same_cuts = same_cuts and len(a[1]) == len(b[1])
        if a[1][:size] != b[1][:size]:
            at = _first_unlike(a[1][:size], b[1][:size])
            return AudioComparison(AudioDifference(offset + at, a[0], b[0]), same_cuts)
        offset += size
        a = (a[0], a[1][size:]) if size < len(a[1]) else next(left, None)
        b = (b[0], b[1][size:]) if size < len(b[1]) else next(right, None)
    return AudioComparison(None, same_cuts)


def _first_unlike(a: memoryview, b: memoryview) -> int:
    """Where two views of the same size first differ, which they do; halves are compared whole."""
    at = 0
    while len(a) > 1:
        half = len(a) // 2
        if a[:half] == b[:half]:
            at, a, b = at + half, a[half:], b[half:]
        else:
            a, b = a[:half], b[:half]
    return at


def _audio(
    path: str | os.PathLike[str], api: Api | None, *, from_client: bool
) -> Iterator[tuple[int, memoryview]]:
    """(frame number, bytes) of one side's messages with audio, none of them empty."""
    messages = MessageReader(api)
    with TraceReader(path) as reader:
        number = 0
        for record in reader:
            if not isinstance(record, FrameRecord):
                continue
            number += 1
            if record.from_client is from_client and record.opcode <= Opcode.BINARY:
                part = messages.take(number, record)
                if part is not None and part.audio:
                    # A fragment is named by its own number; a message by its first frame's.
                    own = number if part.kind == "binary" else part.frame
                    yield own, memoryview(part.audio)
