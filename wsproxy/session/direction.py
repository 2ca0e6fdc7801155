"""The traffic of one side of a session."""

from __future__ import annotations

from dataclasses import dataclass

from wsproxy.trace import Eof


@dataclass(slots=True)
class Direction:
    """One side's traffic, counted.

    Attributes:
        frames: number of frames.
        size: bytes on the wire after the upgrade, frames and garbage.
        garbage: bytes that were no valid frame.
        ended: how the direction ended, if it did.
    """

    frames: int = 0
    size: int = 0
    garbage: int = 0
    ended: Eof | None = None
