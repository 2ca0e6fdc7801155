"""RFC 6455 frames as values: what was on the wire, byte for byte."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from .mask import apply_mask


class Opcode(enum.IntEnum):
    """Frame opcodes (RFC 6455, section 5.2); the others are reserved."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA

    def __str__(self) -> str:
        return self.name.lower()


CONTROL = frozenset({Opcode.CLOSE, Opcode.PING, Opcode.PONG})

# Bits of `Frame.rsv`, as they stand in the first byte of a frame, shifted down by four.
RSV1, RSV2, RSV3 = 4, 2, 1


# Not frozen: creating one would cost five times as much, and there is one for every frame.
@dataclass(slots=True, unsafe_hash=True)
class Frame:
    """One frame, unmasked. Treat it as immutable.

    Attributes:
        opcode: what the frame is.
        payload: unmasked payload, bytes. Still deflated if the sender deflated it.
        fin: whether it ends its message.
        rsv: the three reserved bits, RSV1 (4), RSV2 (2), RSV3 (1).
        mask: the 4-byte masking key, or None for an unmasked frame.
        wire_length: bytes that the frame took on the wire, header included.
        cut: bytes of payload that were not kept because the frame is over the
            parser's limit; they follow `payload`.
        digest: SHA-256 of the complete unmasked payload of a frame with `cut` bytes, in
            hexadecimal; None if its end never arrived.
    """

    opcode: Opcode
    payload: bytes
    fin: bool = True
    rsv: int = 0
    mask: bytes | None = None
    wire_length: int = 0
    cut: int = 0
    digest: str | None = None

    @property
    def control(self) -> bool:
        return self.opcode in CONTROL

    def serialize(self) -> bytes:
        """Bytes of this frame on the wire, with its own masking key (RFC 6455, section 5.2)."""
        length = len(self.payload)
        masked = 0x80 if self.mask is not None else 0
        head = bytes([(0x80 if self.fin else 0) | self.rsv << 4 | self.opcode])
        if length < 126:
            head += bytes([masked | length])
        elif length < 1 << 16:
            head += struct.pack("!BH", masked | 126, length)
        else:
            head += struct.pack("!BQ", masked | 127, length)
        if self.mask is None:
            return head + self.payload
        return head + self.mask + apply_mask(self.payload, self.mask)


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no valid frame, verbatim.

    Attributes:
        data: the bytes, as on the wire.
        broken_rule: the rule of RFC 6455 that they break; empty for the beginning
            of a frame whose end never arrived.
    """

    data: bytes
    broken_rule: str


@dataclass(frozen=True, slots=True)
class Close:
    """The payload of a Close frame (RFC 6455, section 5.5.1).

    Attributes:
        code: the close code, or None if the payload has none.
        reason: the close reason; bytes that are not UTF-8 are replaced.
    """

    code: int | None
    reason: str = ""

    @classmethod
    def parse(cls, payload: bytes) -> Close:
        if len(payload) < 2:
            return cls(None)
        return cls(int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace"))

    def serialize(self) -> bytes:
        if self.code is None:
            return b""
        return self.code.to_bytes(2, "big") + self.reason.encode()

    def __str__(self) -> str:
        if self.code is None:
            return "no code"
        return f"{self.code} {self.reason}".rstrip()
