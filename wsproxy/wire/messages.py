"""Messages from the data frames of one direction (RFC 6455, section 5.4)."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Protocol

from .frames import Opcode


class DataFrame(Protocol):
    """What the assembler reads of a frame."""

    @property
    def opcode(self) -> int: ...

    @property
    def payload(self) -> bytes: ...

    @property
    def fin(self) -> bool: ...

    @property
    def cut(self) -> int: ...


@dataclass(slots=True)
class AssembledMessage:
    """A message, as far as its frames have arrived.

    Attributes:
        number: of its first frame, as the caller counts.
        is_text: text, or binary; binary where the first frame is missing.
        has_start: whether it begins with a text or binary frame. False: a continuation frame
            without a message.
        frames: how many it has.
        length: bytes of all payloads, those that were not recorded included.
        kept_of_last: bytes of the last frame's payload that are in `content`.
        finished: whether its last frame has arrived.
    """

    number: int
    is_text: bool
    has_start: bool
    frames: int = 0
    length: int = 0
    kept_of_last: int = 0
    finished: bool = False
    _content: bytes | bytearray = field(default=b"", repr=False)

    @property
    def content(self) -> bytes:
        """The beginning of the payload, as much as the assembler keeps."""
        return bytes(self._content)

    def append(self, frame: DataFrame, keep: int) -> None:
        """Add the next frame; at most `keep` bytes of content are kept in all."""
        payload = frame.payload
        kept = payload[: max(0, keep - len(self._content))]
        if not self.frames:
            self._content = kept  # nearly all messages are one frame: nothing is copied
        elif kept:
            if not isinstance(self._content, bytearray):
                self._content = bytearray(self._content)
            self._content += kept
        self.frames += 1
        self.length += len(payload) + frame.cut
        self.kept_of_last = len(kept)
        self.finished = frame.fin


class MessageAssembler:
    """Joins the data frames of one direction to messages, in bounded memory.

    Control frames between the fragments are passed over. Frames out of order raise nothing:
    a text or binary frame inside a message begins the next one, and the message before it
    stays unfinished; a continuation frame without a message begins one without a start.

    Args:
        keep_text: bytes kept of a text message.
        keep_binary: bytes kept of a binary message.

    Attributes:
        open: the message that is not finished, None between messages. A caller that handles
            messages of one frame itself sets it to None at each of them.
    """

    def __init__(self, *, keep_text: int = sys.maxsize, keep_binary: int = sys.maxsize) -> None:
        self.open: AssembledMessage | None = None
        self._keep_text = keep_text
        self._keep_binary = keep_binary

    def add(self, frame: DataFrame, number: int = 0) -> AssembledMessage | None:
        """Add the direction's next frame.

        Args:
            number: of the frame, as the caller counts.

        Returns:
            The message that the frame belongs to; it begins with this frame if its `frames`
            is 1, and is complete if it is `finished`. None for a control frame.
        """
        opcode = frame.opcode
        if opcode > Opcode.BINARY:
            return None
        continues = opcode == Opcode.CONTINUATION
        message = self.open if continues else None
        if message is None:
            message = AssembledMessage(number, opcode == Opcode.TEXT, has_start=not continues)
        message.append(frame, self._keep_text if message.is_text else self._keep_binary)
        self.open = None if frame.fin else message
        return message
