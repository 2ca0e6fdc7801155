"""Runs of plain frames, which are read at once.

Nearly all frames of most sessions are binary messages of audio, of one direction for a while,
with a text message here and there: an object for each would cost more than all else that is done
with it. A run holds them in columns.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from wsproxy.wire import Opcode

from .packed_frame import (
    HEAD,
    HEADS,
    KEYS,
    LAYOUTS,
    MASK,
    MIDDLE,
    MIDDLES,
    MIDDLES_AT,
    TIMES,
    unpack_frame,
)
from .records import MAX_INT, FrameRecord

MAX_RUN = 256  # frames
_MAX_TEXT = 64 << 10  # bytes of a text message in a run
_BINARY, _TEXT = int(Opcode.BINARY), int(Opcode.TEXT)
_OPCODE = 20  # its place in the middle of a record


@dataclass(slots=True)
class FrameRun:
    """Messages that follow each other, each in one frame: binary ones of one direction, and texts.

    No binary message is empty, and no text is long. None of them is cut or redacted, and none
    broke a rule.

    Attributes:
        from_client: who sent the binary messages.
        times, payloads, wire_lengths: what a `FrameRecord` has, of each of them.
        lengths: of their payloads, bytes.
        texts: the text messages of both directions, each with its place in the run, from 0.
        count: number of frames.
    """

    from_client: bool = False
    times: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    wire_lengths: list[int] = field(default_factory=list)
    texts: list[tuple[int, FrameRecord]] = field(default_factory=list)
    count: int = 0

    def __len__(self) -> int:
        return self.count

    @property
    def last_ns(self) -> int:
        """The time of the last frame."""
        if self.texts and self.texts[-1][0] == self.count - 1:
            return self.texts[-1][1].t_ns
        return self.times[-1]

    def pieces(self) -> Iterator[tuple[int, int, FrameRecord | None]]:
        """What the run consists of, in order.

        Yields:
            The binary messages before a text, by the index of the first one and the index after
            the last one, and that text; at the end those after the last text, and None.
        """
        start = 0
        for texts, (index, text) in enumerate(self.texts):
            end = index - texts
            yield start, end, text
            start = end
        yield start, len(self.times), None

    def frames(self) -> Iterator[FrameRecord]:
        """The same as frame records; of binary ones without masking keys and reserved bits."""
        for start, end, text in self.pieces():
            for t_ns, payload, length in zip(
                self.times[start:end],
                self.payloads[start:end],
                self.wire_lengths[start:end],
                strict=True,
            ):
                yield FrameRecord(t_ns, self.from_client, _BINARY, payload, wire_length=length)
            if text is not None:
                yield text


@dataclass(slots=True)
class _Form:
    """What the records of binary messages have in common, whatever their length.

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
    def at(cls, block: bytes, offset: int, *, from_client: bool) -> _Form | None:
        """That of the record at an offset; None if it is in no run."""
        try:
            time_type = block[offset + HEAD]
            middle_at = MIDDLES_AT[time_type]
            length_type = block[offset + middle_at + MIDDLE]
            front = LAYOUTS[time_type, length_type]
            head, _, middle, _, key, _ = front.unpack_from(block, offset)
            tag = MASK if HEADS[head[:HEAD]] else b""
        except (KeyError, IndexError, struct.error):
            return None
        if key != KEYS[length_type]:
            return None
        most_wire = 0x7F if length_type < 0x80 else MAX_INT
        time = TIMES[time_type]
        return cls(from_client, head, time, middle, middle_at, key, tag, front, most_wire)


@dataclass(slots=True)
class _Row:
    """What the records of binary messages of one length have in common.

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
        size, times, payloads, before = self.layout.size, run.times, run.payloads, len(run.times)
        count = min((len(block) - offset) // size, most - run.count)
        rows = memoryview(block)[offset : offset + count * size]
        for row_head, t_ns, row_between, payload, row_tag in self.layout.iter_unpack(rows):
            if row_head != head or row_between != between or row_tag != tag or t_ns > MAX_INT:
                break
            times.append(t_ns)
            payloads.append(payload)
        count = len(times) - before
        run.lengths += [self.length] * count
        run.wire_lengths += [self.wire_length] * count
        run.count += count
        return offset + size * count


class RunReader:
    """Reads the runs of a block."""

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._row: _Row | None = None  # of the latest messages that were of one length

    def read(self, offset: int, most: int) -> tuple[FrameRun, int] | None:
        """The run at an offset of the block, and the offset behind it.

        Args:
            most: frames of it.

        Returns:
            None if there is anything else.
        """
        block, run = self._block, FrameRun()
        while run.count < most:
            begin, row = offset, self._row
            if row is not None and row.may_begin(block, offset):  # nearly always audio
                if not run.times:
                    run.from_client = row.form.from_client
                if row.form.from_client is run.from_client:
                    offset = row.extend(run, block, offset, most)
            if offset == begin:
                offset = self._extend(run, offset, most)
            if offset == begin:
                break
        return (run, offset) if run.count else None

    def _extend(self, run: FrameRun, offset: int, most: int) -> int:
        """Add the next messages whatever they are; returns the offset behind them."""
        block = self._block
        try:
            middle_at = offset + MIDDLES_AT[block[offset + HEAD]]
            if block[middle_at + _OPCODE] == _TEXT:
                return self._extend_by_text(run, offset)
            from_client, opcode, fin, _ = MIDDLES[block[middle_at : middle_at + MIDDLE]]
        except (KeyError, IndexError):
            return offset
        if opcode != _BINARY or not fin or (run.times and from_client is not run.from_client):
            return offset
        form = _Form.at(block, offset, from_client=from_client)
        if form is None:
            return offset
        run.from_client = from_client
        return self._extend_by_form(run, form, offset, most)

    def _extend_by_text(self, run: FrameRun, offset: int) -> int:
        found = unpack_frame(self._block, offset)
        if found is None:
            return offset
        frame, behind = found
        if frame.opcode != _TEXT or not frame.fin or len(frame.payload) > _MAX_TEXT:
            return offset
        run.texts.append((run.count, frame))
        run.count += 1
        return behind

    def _extend_by_form(self, run: FrameRun, form: _Form, offset: int, most: int) -> int:
        """Add the records of a form; returns the offset behind them."""
        block, times, payloads = self._block, run.times, run.payloads
        lengths, wire_lengths, most_wire = run.lengths, run.wire_lengths, form.most_wire
        unpack = form.front.unpack_from
        head, middle, key, tag = form.head, form.middle, form.key, form.tag
        size, behind_payload = form.front.size, len(tag) + 4 if tag else 0
        limit, last_length = len(block) - size, 0
        while offset <= limit and run.count < most:
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
            run.count += 1
            if length == last_length:
                between = block[offset + form.middle_at : start]
                self._row = _Row.of(form, between, length, wire_length)
                behind = self._row.extend(run, block, behind, most)
            last_length = length
            offset = behind
        return offset
