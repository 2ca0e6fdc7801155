"""Frame records as the writer packs them, read without msgpack.

Nearly every record of a trace is a plain frame, and the writer packs all of those alike: the
same keys in the same order, only the values differ. Reading the values from their places costs
a third of unpacking and checking a map. Anything else is left to msgpack and `from_map`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
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
_HEADS = {
    _map(8) + _packed("kind", "frame", "t_ns"): False,
    _map(9) + _packed("kind", "frame", "t_ns"): True,
}
_HEAD = 17  # bytes of each
# What stands between the numbers, and its values.
_MIDDLES = {
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
_LENGTHS = {
    **dict.fromkeys(range(0x80), (struct.Struct(">B9sB"), _SMALL)),
    0xCC: (struct.Struct(">xB9sB"), _SMALL),
    0xCD: (struct.Struct(">xH9sH"), _MEDIUM),
    0xCE: (struct.Struct(">xI9sI"), _LARGE),
}
_MASK = _packed("mask") + b"\xc4\x04"  # of four bytes


def unpack_frame(block: bytes, offset: int) -> tuple[FrameRecord, int] | None:
    """The frame record at an offset of a block, bytes, and the offset behind it.

    Returns:
        None if there is anything else, which msgpack has to read.
    """
    try:
        front = _FRONTS[block[offset + _HEAD]]
        head, t_ns, middle = front.unpack_from(block, offset)
        masked = _HEADS[head]
        from_client, opcode, fin, rsv = _MIDDLES[middle]
        offset += front.size
        lengths, expected = _LENGTHS[block[offset]]
        wire_length, payload, length = lengths.unpack_from(block, offset)
    except (KeyError, IndexError, struct.error):
        return None
    start = offset + lengths.size
    end = behind = start + length
    mask = None
    if masked:
        behind = end + len(_MASK) + 4
        if block[end : behind - 4] != _MASK:
            return None
        mask = block[behind - 4 : behind]
    if payload != expected or t_ns > MAX_INT or behind > len(block):
        return None
    record = FrameRecord(t_ns, from_client, opcode, block[start:end], fin, rsv, mask, wire_length)
    return record, behind


# -- runs of audio

# As a front and its lengths together: everything before the payload. The first byte of `t_ns` is
# at the end of the head, that of `wire_length` at the end of the middle unless it is the number.
_TIMES = {0xCE: "I", 0xCF: "Q"}
_WIRE_LENGTHS = {0xCC: ("44s", "B"), 0xCD: ("44s", "H"), 0xCE: ("44s", "I")}
_RUN_LAYOUTS = {
    (time_type, length_type): struct.Struct(f">18s{time}{middle}{length}9s{length}")
    for time_type, time in _TIMES.items()
    for length_type, (middle, length) in (
        *_WIRE_LENGTHS.items(),
        *((number, ("43s", "B")) for number in range(0x80)),
    )
}
_MESSAGES = {  # middles of binary messages in one frame, without the type of `wire_length`
    middle: values[0]
    for middle, values in _MIDDLES.items()
    if values[1] == Opcode.BINARY and values[2]
}
_MIDDLE = 43  # bytes of each
MAX_RUN = 256  # frames


@dataclass(slots=True)
class FrameRun:
    """Binary messages of one direction that follow each other, each in one frame, in columns.

    None of them is empty, cut or redacted, and none broke a rule. A reader that needs no more
    than this is spared an object for each frame.

    Attributes:
        times, payloads, wire_lengths: what a `FrameRecord` has, of each.
        lengths: of the payloads, bytes.
    """

    from_client: bool
    times: list[int]
    payloads: list[bytes]
    lengths: list[int]
    wire_lengths: list[int]

    def __len__(self) -> int:
        return len(self.times)

    def frames(self) -> Iterator[FrameRecord]:
        """The same as frame records, without their masking keys and reserved bits."""
        for t_ns, payload, length in zip(self.times, self.payloads, self.wire_lengths, strict=True):
            yield FrameRecord(
                t_ns, self.from_client, int(Opcode.BINARY), payload, wire_length=length
            )


@dataclass(slots=True)
class _Row:
    """What the records of messages of one length have in common.

    Attributes:
        head: of each record, with the type of `t_ns`.
        between: what stands between `t_ns` and the payload, from `between_at` on.
        tag: what stands before the masking key; empty without one.
        layout: of all these and the payload.
        length, wire_length: of each.
    """

    from_client: bool
    head: bytes
    between: bytes
    between_at: int
    tag: bytes
    layout: struct.Struct
    length: int
    wire_length: int

    def read(self, block: bytes, offset: int, most: int) -> tuple[FrameRun, int] | None:
        """The run of these records at an offset, as `RunReader.read` does."""
        if not block.startswith(self.between, offset + self.between_at):
            return None  # nearly always where another record begins
        head, between, tag, size = self.head, self.between, self.tag, self.layout.size
        times: list[int] = []
        payloads: list[bytes] = []
        rows = memoryview(block)[offset : offset + (len(block) - offset) // size * size]
        for row_head, t_ns, row_between, payload, row_tag in self.layout.iter_unpack(rows):
            if row_head != head or row_between != between or row_tag != tag or t_ns > MAX_INT:
                break
            times.append(t_ns)
            payloads.append(payload)
            if len(times) == most:
                break
        count = len(times)
        if not count:
            return None
        run = FrameRun(
            self.from_client, times, payloads, [self.length] * count, [self.wire_length] * count
        )
        return run, offset + size * count


class RunReader:
    """Reads the runs of a block."""

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._row: _Row | None = None  # of the latest messages that were of one length

    def read(self, offset: int, most: int) -> tuple[FrameRun, int] | None:
        """The run of messages at an offset of the block, and the offset behind it.

        Args:
            most: frames of it.

        Returns:
            None if there is anything else.
        """
        found = self._row.read(self._block, offset, most) if self._row is not None else None
        return found or self._read_any(offset, most)

    def _read_any(self, offset: int, most: int) -> tuple[FrameRun, int] | None:
        """The same, up to two messages of one length: such a row is read in less time."""
        block = self._block
        try:
            time_type, length_type = block[offset + _HEAD], 0
            middle_at = offset + _HEAD + 1 + (8 if time_type == 0xCF else 4)
            from_client = _MESSAGES[block[middle_at : middle_at + _MIDDLE]]
            length_type = block[middle_at + _MIDDLE]
            layout = _RUN_LAYOUTS[time_type, length_type]
            head, _, middle, _, key, _ = first = layout.unpack_from(block, offset)
            tag = _MASK if _HEADS[head[:_HEAD]] else b""
        except (KeyError, IndexError, struct.error):
            return None
        if key != _LENGTHS[length_type][1]:
            return None
        times: list[int] = []
        payloads: list[bytes] = []
        lengths: list[int] = []
        wire_lengths: list[int] = []
        unpack, size, limit = layout.unpack_from, layout.size, len(block) - layout.size
        behind_payload = len(tag) + 4 if tag else 0
        one_byte = length_type < 0x80
        between_at, last_length, front = middle_at - offset, 0, first
        while True:
            new_head, t_ns, new_middle, wire_length, new_key, length = front
            if new_head != head or new_middle != middle or new_key != key or not length:
                break
            start = offset + size
            end = start + length
            behind = end + behind_payload
            if block[end : end + len(tag)] != tag or behind > len(block):
                break
            if t_ns > MAX_INT or (one_byte and wire_length >= 0x80):
                break
            times.append(t_ns)
            payloads.append(block[start:end])
            lengths.append(length)
            wire_lengths.append(wire_length)
            if length == last_length:
                between = block[offset + between_at : start]
                row_parts = f">{len(head)}s{_TIMES[time_type]}{len(between)}s{length}s{len(tag)}s"
                row_layout = struct.Struct(f"{row_parts}{4 if tag else 0}x")
                self._row = _Row(
                    from_client, head, between, between_at, tag, row_layout, length, wire_length
                )
            offset = behind
            if offset > limit or len(times) == most or length == last_length:
                break
            last_length = length
            front = unpack(block, offset)
        if not times:
            return None
        return FrameRun(from_client, times, payloads, lengths, wire_lengths), offset
