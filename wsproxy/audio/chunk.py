"""The audio of one message, and where it was."""

from __future__ import annotations

from typing import NamedTuple


class Chunk(NamedTuple):
    """The audio of one message, or a part of it.

    Attributes:
        data: the bytes.
        frame: number of the frame that it begins in.
        t_ns: time of that frame.
    """

    data: bytes
    frame: int
    t_ns: int
