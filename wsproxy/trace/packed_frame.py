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
MIDDLE = 43  # bytes of each
# From the start of a record to its middle, by the first byte of `t_ns`, and the type of that. Those
# below 2**16 ns are left to msgpack.
MIDDLES_AT = {0xCE: HEAD + 5, 0xCF: HEAD + 9}
TIMES = {0xCE: "I", 0xCF: "Q"}
# By the first byte of `wire_length`: the payload's key and type.
_PAYLOAD = _packed("payload")
KEYS = {
    **dict.fromkeys((*range(0x80), 0xCC), _PAYLOAD + b"\xc4"),
    0xCD: _PAYLOAD + b"\xc5",
    0xCE: _PAYLOAD + b"\xc6",
}
# By both of these bytes: the layout of all before the payload. Its length is packed in as many
# bytes as `wire_length` but for a few lengths, left to msgpack. The first byte of `t_ns` is at the
# end of the head, that of `wire_length` at the end of the middle unless it is the number.
_WIRE_LENGTHS = {
    **dict.fromkeys(range(0x80), ("43s", "B")),
    0xCC: ("44s", "B"),
    0xCD: ("44s", "H"),
    0xCE: ("44s", "I"),
}
LAYOUTS = {
    (time_type, length_type): struct.Struct(f">18s{time}{middle}{length}9s{length}")
    for time_type, time in TIMES.items()
    for length_type, (middle, length) in _WIRE_LENGTHS.items()
}
MASK = _packed("mask") + b"\xc4\x04"  # of four bytes


def unpack_frame(block: bytes, offset: int) -> tuple[FrameRecord, int] | None:
    """The frame record at an offset of a block, bytes, and the offset behind it.

    Returns:
        None if there is anything else, which msgpack has to read.
    """
    try:
        time_type = block[offset + HEAD]
        length_type = block[offset + MIDDLES_AT[time_type] + MIDDLE]
        layout = LAYOUTS[time_type, length_type]
        head, t_ns, middle, wire_length, key, length = layout.unpack_from(block, offset)
        masked = HEADS[head[:HEAD]]
        from_client, opcode, fin, rsv = MIDDLES[middle[:MIDDLE]]
    except (KeyError, IndexError, struct.error):
        return None
    start = offset + layout.size
    end = behind = start + length
    mask = None
    if masked:
        behind = end + len(MASK) + 4
        if block[end : behind - 4] != MASK:
            return None
        mask = block[behind - 4 : behind]
    if key != KEYS[length_type] or t_ns > MAX_INT or behind > len(block):
        return None
    record = FrameRecord(t_ns, from_client, opcode, block[start:end], fin, rsv, mask, wire_length)
    return record, behind
