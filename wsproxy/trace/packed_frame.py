"""Frame records as the writer packs them, read without msgpack.

Nearly every record of a trace is a plain frame, and the writer packs all of those alike: the
same keys in the same order, only the values differ. Reading the values from their places costs
a third of unpacking and checking a map. Anything else is left to msgpack and `from_map`.
"""

from __future__ import annotations

import struct
from itertools import product

import msgpack

from wsproxy.wire import Opcode

from .records import MAX_INT, FrameRecord

_BOOLS = (False, True)


def _packed(*values: object) -> bytes:
    return b"".join(map(msgpack.packb, values))


def _map(keys: int) -> bytes:
    return bytes([0x80 | keys])


# The first bytes, and whether a masking key follows the payload.
HEADS = {
    _map(8) + _packed("kind", "frame", "t_ns"): False,
    _map(9) + _packed("kind", "frame", "t_ns"): True,
}
HEAD = 17  # bytes of each
# What stands between the numbers, and its values.
MIDDLES = {
    _packed("from_client", from_client, "opcode", opcode, "fin", fin, "rsv", rsv, "wire_length"): (
        from_client,
        opcode,
        fin,
        rsv,
    )
    for from_client, opcode, fin, rsv in product(_BOOLS, map(int, Opcode), _BOOLS, range(8))
}
# By the first byte of `t_ns`: head, `t_ns` and middle; those below 2**16 ns are left to msgpack.
_FRONTS = {
    0xCE: struct.Struct(">17sxI43s"),
    0xCF: struct.Struct(">17sxQ43s"),
}
# By the first byte of `wire_length`: it, the payload's key and type, and the payload's length,
# which is packed in as many bytes as `wire_length` but for a few lengths, left to msgpack.
_PAYLOAD = _packed("payload")
_SMALL, _MEDIUM, _LARGE = (_PAYLOAD + form for form in (b"\xc4", b"\xc5", b"\xc6"))
LENGTHS = {
    **dict.fromkeys(range(0x80), (struct.Struct(">B9sB"), _SMALL)),
    0xCC: (struct.Struct(">xB9sB"), _SMALL),
    0xCD: (struct.Struct(">xH9sH"), _MEDIUM),
    0xCE: (struct.Struct(">xI9sI"), _LARGE),
}
MASK = _packed("mask") + b"\xc4\x04"  # of four bytes


def unpack_frame(block: bytes, offset: int) -> tuple[FrameRecord, int] | None:
    """The frame record at an offset of a block, bytes, and the offset behind it.

    Returns:
        None if there is anything else, which msgpack has to read.
    """
    try:
        front = _FRONTS[block[offset + HEAD]]
        head, t_ns, middle = front.unpack_from(block, offset)
        masked = HEADS[head]
        from_client, opcode, fin, rsv = MIDDLES[middle]
        offset += front.size
        lengths, expected = LENGTHS[block[offset]]
        wire_length, payload, length = lengths.unpack_from(block, offset)
    except (KeyError, IndexError, struct.error):
        return None
    start = offset + lengths.size
    end = behind = start + length
    mask = None
    if masked:
        behind = end + len(MASK) + 4
        if block[end : behind - 4] != MASK:
            return None
        mask = block[behind - 4 : behind]
    if payload != expected or t_ns > MAX_INT or behind > len(block):
        return None
    record = FrameRecord(t_ns, from_client, opcode, block[start:end], fin, rsv, mask, wire_length)
    return record, behind
