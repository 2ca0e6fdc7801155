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
class _Form:
    """What the records of a run have in common.

    Attributes:
        head: up to `t_ns`, with its type.
        time: that type, as `struct` names it.
        middle: what stands between `t_ns` and `wire_length`, from `middle_at` on.
        key: what stands before the length of the payload.
        tag: what stands before the masking key; empty without one.
        front: the layout of all before the payload.
        most_wire: the longest `wire_length` of its type.
    """

    from_client: bool
    head: bytes
    time: str
    middle: bytes
    middle_at: int
    key: bytes
    tag: bytes
    front: struct.Struct
    most_wire: int

    @classmethod
    def at(cls, block: bytes, offset: int) -> _Form | None:
        """That of the record at an offset; None if it is in no run."""
        try:
            time_type = block[offset + _HEAD]
            middle_at = _HEAD + 1 + (8 if time_type == 0xCF else 4)
            begin = block[offset + middle_at : offset + middle_at + _MIDDLE]
            if (from_client := _MESSAGES.get(begin)) is None:
                return None
            length_type = block[offset + middle_at + _MIDDLE]
            front = _RUN_LAYOUTS[time_type, length_type]
            head, _, middle, _, key, _ = front.unpack_from(block, offset)
            tag = _MASK if _HEADS[head[:_HEAD]] else b""
        except (KeyError, IndexError, struct.error):
            return None
        if key != _LENGTHS[length_type][1]:
            return None
        most_wire = 0x7F if length_type < 0x80 else MAX_INT
        time = _TIMES[time_type]
        return cls(from_client, head, time, middle, middle_at, key, tag, front, most_wire)


@dataclass(slots=True)
class _Row:
    """What the records of a run with payloads of one length have in common.

    Attributes:
        between: what stands between `t_ns` and the payload.
        layout: of a record.
        length, wire_length: of each.
    """

    form: _Form
    between: bytes
    layout: struct.Struct
    length: int
    wire_length: int

    @classmethod
    def of(cls, form: _Form, between: bytes, length: int, wire_length: int) -> _Row:
        parts = f">{len(form.head)}s{form.time}{len(between)}s{length}s{len(form.tag)}s"
        layout = struct.Struct(f"{parts}{4 if form.tag else 0}x")
        return cls(form, between, layout, length, wire_length)

    def may_begin(self, block: bytes, offset: int) -> bool:
        """Whether a record at an offset of a block may be one of these."""
        return block.startswith(self.between, offset + self.form.middle_at)

    def extend(self, run: FrameRun, block: bytes, offset: int, most: int) -> int:
        """Add those at an offset to a run, which has `most` frames then at most.

        Returns:
            The offset behind them.
        """
        head, between, tag = self.form.head, self.between, self.form.tag
        size, times, payloads, before = self.layout.size, run.times, run.payloads, len(run)
        rows = memoryview(block)[offset:]
        rows = rows[: min(len(rows) // size, most - before) * size]
        for row_head, t_ns, row_between, payload, row_tag in self.layout.iter_unpack(rows):
            if row_head != head or row_between != between or row_tag != tag or t_ns > MAX_INT:
                break
            times.append(t_ns)
            payloads.append(payload)
        count = len(times) - before
        run.lengths += [self.length] * count
        run.wire_lengths += [self.wire_length] * count
        return offset + size * count


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
        block, row = self._block, self._row
        if row is not None and row.may_begin(block, offset):
            form = row.form
            run = FrameRun(form.from_client, [], [], [], [])
            offset = row.extend(run, block, offset, most)
            if run.times and not block.startswith(form.middle, offset + form.middle_at):
                return run, offset  # nearly always
        else:
            found = _Form.at(block, offset)
            if found is None:
                return None
            form, run = found, FrameRun(found.from_client, [], [], [], [])
        offset = self._extend(run, form, offset, most)
        return (run, offset) if run.times else None

    def _extend(self, run: FrameRun, form: _Form, offset: int, most: int) -> int:
        """Add the records of a form; returns the offset behind them."""
        block, times, payloads = self._block, run.times, run.payloads
        lengths, wire_lengths, most_wire = run.lengths, run.wire_lengths, form.most_wire
        unpack = form.front.unpack_from
        head, middle, key, tag = form.head, form.middle, form.key, form.tag
        size, behind_payload = form.front.size, len(tag) + 4 if tag else 0
        limit, last_length = len(block) - size, 0
        while offset <= limit and len(times) < most:
            new_head, t_ns, new_middle, wire_length, new_key, length = unpack(block, offset)
            if new_head != head or new_middle != middle or new_key != key or not length:
                break
            start = offset + size
            end = start + length
            behind = end + behind_payload
            if block[end : end + len(tag)] != tag or behind > len(block):
                break
            if t_ns > MAX_INT or wire_length > most_wire:
                break
            times.append(t_ns)
            payloads.append(block[start:end])
            lengths.append(length)
            wire_lengths.append(wire_length)
            if length == last_length:
                between = block[offset + form.middle_at : start]
                self._row = _Row.of(form, between, length, wire_length)
                behind = self._row.extend(run, block, behind, most)
            last_length = length
            offset = behind
        return offset
