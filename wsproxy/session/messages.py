"""Messages and closes of a session, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class CompleteMessage(NamedTuple):
    """A message as its frames carry it.

    Attributes:
        frame, t_ns: of its first frame.
        data: the message, or its beginning.
        length: bytes of all of it.
        fragmented: whether it has several frames.
        packed: whether it was MessagePack, and is read as JSON.
    """

    frame: int
    t_ns: int
    from_client: bool
    is_text: bool
    data: bytes
    length: int
    fragmented: bool = False
    packed: bool = False


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A text message.

    Attributes:
        frame: the number of the frame that began it.
        text: its beginning, where it is long or was not recorded to its end: see `complete`.
    """

    frame: int
    t_ns: int
    from_client: bool
    text: str
    complete: bool = True


@dataclass(frozen=True, slots=True)
class BinaryMessage:
    """A binary message; `data` is its beginning, `length` the size of all of it in bytes."""

    frame: int
    t_ns: int
    from_client: bool
    data: bytes
    length: int


@dataclass(frozen=True, slots=True)
class CloseInfo:
    """A Close frame."""

    frame: int
    t_ns: int
    from_client: bool
    code: int | None
    reason: str
