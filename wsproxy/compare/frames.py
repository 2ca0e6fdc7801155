"""Two sessions frame by frame: what an exact comparison compares.

Of each direction its frames in order: opcode, FIN and payload; Pongs apart from the others,
as each answers a Ping whenever that comes. Masks, reserved bits (a message may have been
compressed), times, and how the directions interleave are not compared.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from wsproxy.trace import Bytes, FrameRecord, TraceReader
from wsproxy.wire import Opcode

from .text import around_difference

_SHOWN = 4000  # bytes of a payload that are looked at for showing
_PIECE = 4096  # bytes; how they were split into records is the network's


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A frame with its number, 0 for bytes that are no frame."""

    number: int
    opcode: int
    fin: bool
    payload: bytes
    cut: int

    def is_like(self, other: _Numbered) -> bool:
        return (self.opcode, self.fin, self.cut, self.payload) == (
            other.opcode,
            other.fin,
            other.cut,
            other.payload,
        )

    @property
    def name(self) -> str:
        kind = "no frame" if self.opcode < 0 else str(Opcode(self.opcode))
        more = "" if self.fin else ", more follows"
        return f"{kind}{more}, {len(self.payload) + self.cut} bytes"


@dataclass(frozen=True, slots=True)
class FrameDifference:
    """The first frame of a direction that differs; a side that has none is None."""

    recorded: str | None
    replayed: str | None
    recorded_frame: int | None
    replayed_frame: int | None


def first_frame_difference(
    recorded: str | os.PathLike[str], replayed: str | os.PathLike[str], *, from_client: bool
) -> FrameDifference | None:
    """Compare one direction of two traces, frame by frame.

    Raises:
        TraceError: one of the traces cannot be read.
    """
    for pongs in (False, True):
        found = _first_difference(
            _frames(recorded, from_client, pongs=pongs), _frames(replayed, from_client, pongs=pongs)
        )
        if found is not None:
            return found
    return None


def _first_difference(
    recorded: Iterator[_Numbered], replayed: Iterator[_Numbered]
) -> FrameDifference | None:
    for a, b in zip_longest(recorded, replayed):
        if a is None or b is None or not a.is_like(b):
            left, right = _shown(a, b)
            return FrameDifference(
                left,
                right,
                a.number or None if a else None,
                b.number or None if b else None,
            )
    return None


def _shown(a: _Numbered | None, b: _Numbered | None) -> tuple[str | None, str | None]:
    left, right = (_content(frame) if frame else "" for frame in (a, b))
    left, right = around_difference(left, right)
    return (
        f"{a.name}: {left}".rstrip(": ") if a else None,
        f"{b.name}: {right}".rstrip(": ") if b else None,
    )


def _content(frame: _Numbered) -> str:
    data = frame.payload[:_SHOWN]
    return data.decode("utf-8", "replace") if frame.opcode == Opcode.TEXT else data.hex()


def _frames(path: str | os.PathLike[str], from_client: bool, *, pongs: bool) -> Iterator[_Numbered]:
    """The Pongs of a direction, or its other frames and bytes that are none, in _PIECEs."""
    number = 0
    rest = bytearray()
    with TraceReader(path) as reader:
        for record in reader:
            number += isinstance(record, FrameRecord)
            match record:
                case FrameRecord(opcode=opcode) if record.from_client is from_client:
                    if (opcode == Opcode.PONG) is not pongs:
                        continue
                    yield from _pieces(rest, 1)
                    yield _Numbered(number, record.opcode, record.fin, record.payload, record.cut)
                case Bytes() if record.from_client is from_client and not pongs:
                    rest += record.data
                    yield from _pieces(rest, _PIECE)
        yield from _pieces(rest, 1)


def _pieces(rest: bytearray, least: int) -> Iterator[_Numbered]:
    """Take pieces off, as long as at least so many bytes are there."""
    while len(rest) >= least:
        yield _Numbered(0, -1, True, bytes(rest[:_PIECE]), 0)
        del rest[:_PIECE]
