"""Compare two sessions frame by frame, as an exact comparison does.

Compares the frames of each direction in order: opcode, FIN and payload. Pongs are compared
separately, because each answers a Ping at a time of its own. Masking keys, reserved bits (a
message may have been compressed), times and the interleaving of the directions are not compared.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from wsproxy.trace import Bytes, FrameRecord, TraceReader
from wsproxy.wire import Opcode

from .excerpt import around_difference

_MAX_EXCERPT_BYTES = 4000  # of a payload
_GARBAGE_PIECE = 4096  # bytes; the network determines how garbage is divided into records


@dataclass(frozen=True, slots=True)
class _FrameEntry:
    """A frame with its number, or bytes that are not a frame (number 0, opcode -1)."""

    number: int
    opcode: int
    fin: bool
    payload: bytes
    cut: int

    def matches(self, other: _FrameEntry) -> bool:
        """Whether two frames count as equal."""
        return (self.opcode, self.fin, self.cut, self.payload) == (
            other.opcode,
            other.fin,
            other.cut,
            other.payload,
        )

    @property
    def description(self) -> str:
        """Opcode and size, for a difference."""
        kind = "no frame" if self.opcode < 0 else str(Opcode(self.opcode))
        continuation = "" if self.fin else ", more follows"
        return f"{kind}{continuation}, {len(self.payload) + self.cut} bytes"


@dataclass(frozen=True, slots=True)
class FrameDifference:
    """The first frame of a direction that differs; None on a side without a frame there."""

    recorded: str | None
    replayed: str | None
    recorded_frame: int | None
    replayed_frame: int | None


def first_frame_difference(
    recorded: str | os.PathLike[str], replayed: str | os.PathLike[str], *, from_client: bool
) -> FrameDifference | None:
    """Compare one direction of two traces, frame by frame.

    Raises:
        TraceError: a trace cannot be read.
    """
    for pongs in (False, True):
        found = _first_difference(
            _frames(recorded, from_client, pongs=pongs), _frames(replayed, from_client, pongs=pongs)
        )
        if found is not None:
            return found
    return None


def _first_difference(
    recorded: Iterator[_FrameEntry], replayed: Iterator[_FrameEntry]
) -> FrameDifference | None:
    for a, b in zip_longest(recorded, replayed):
        if a is None or b is None or not a.matches(b):
            left, right = _excerpts(a, b)
            return FrameDifference(
                left,
                right,
                a.number or None if a else None,
                b.number or None if b else None,
            )
    return None


def _excerpts(a: _FrameEntry | None, b: _FrameEntry | None) -> tuple[str | None, str | None]:
    left, right = (_payload_text(frame) if frame else "" for frame in (a, b))
    left, right = around_difference(left, right)
    return (
        f"{a.description}: {left}".rstrip(": ") if a else None,
        f"{b.description}: {right}".rstrip(": ") if b else None,
    )


def _payload_text(frame: _FrameEntry) -> str:
    data = frame.payload[:_MAX_EXCERPT_BYTES]
    return data.decode("utf-8", "replace") if frame.opcode == Opcode.TEXT else data.hex()


def _frames(
    path: str | os.PathLike[str], from_client: bool, *, pongs: bool
) -> Iterator[_FrameEntry]:
    """The Pongs of a direction, or its other frames and its garbage in _GARBAGE_PIECEs."""
    number = 0
    garbage = bytearray()
    with TraceReader(path) as reader:
        for record in reader:
            number += isinstance(record, FrameRecord)
            match record:
                case FrameRecord(opcode=opcode) if record.from_client is from_client:
                    if (opcode == Opcode.PONG) is not pongs:
                        continue
                    yield from _garbage_pieces(garbage, 1)
                    yield _FrameEntry(number, record.opcode, record.fin, record.payload, record.cut)
                case Bytes() if record.from_client is from_client and not pongs:
                    garbage += record.data
                    yield from _garbage_pieces(garbage, _GARBAGE_PIECE)
        yield from _garbage_pieces(garbage, 1)


def _garbage_pieces(garbage: bytearray, min_size: int) -> Iterator[_FrameEntry]:
    """Remove pieces from the beginning while at least `min_size` bytes are left."""
    while len(garbage) >= min_size:
        yield _FrameEntry(0, -1, True, bytes(garbage[:_GARBAGE_PIECE]), 0)
        del garbage[:_GARBAGE_PIECE]
