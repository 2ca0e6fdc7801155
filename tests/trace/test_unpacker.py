"""Records of a block: what is read without msgpack is what msgpack would have said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces import KINDS, RECORDS
from wsproxy.trace import FrameRecord, FrameRun, Record, unpacker
from wsproxy.trace.packed_frame import unpack_frame
from wsproxy.trace.records import MAX_INT, to_map
from wsproxy.trace.unpacker import Unpacker
from wsproxy.wire import Opcode

LATER = 10**10  # ns: where sessions spend their time


def packed(*records: Record) -> bytes:
    return b"".join(msgpack.packb(to_map(record)) for record in records)


# A way to read a block: its records, the number of bad ones, and the first reason.
Reading: TypeAlias = Callable[[bytes], tuple[list[object], int, str]]


def unpacked(block: bytes) -> tuple[list[object], int, str]:
    records = Unpacker(block)
    return list(records), records.bad, records.reason


@pytest.fixture
def by_msgpack(monkeypatch: pytest.MonkeyPatch) -> Reading:
    """What `unpacked` says if every record is left to msgpack."""

    def read(block: bytes) -> tuple[list[object], int, str]:
        with monkeypatch.context() as patch:
            patch.setattr(unpacker, "unpack_frame", lambda block, offset: None)
            return unpacked(block)

    return read


# -- what is read quickly


@pytest.mark.parametrize("from_client", [False, True])
@pytest.mark.parametrize("opcode", Opcode)
@pytest.mark.parametrize("t_ns", [1 << 16, LATER, MAX_INT])
@pytest.mark.parametrize("size", [0, 5, 100, 200, 640, 60_000, 70_000])
def test_unpacker_usual_frame_is_read_without_msgpack(
    from_client: bool, opcode: Opcode, t_ns: int, size: int
) -> None:
    mask = b"mask" if from_client else None
    wire_length = size + (4 if size < 100 else 8)
    record = FrameRecord(
        t_ns, from_client, int(opcode), b"x" * size, mask=mask, wire_length=wire_length
    )
    block = packed(record)
    assert unpack_frame(b"before" + block + b"behind", 6) == (record, 6 + len(block))


@pytest.mark.parametrize(
    "changes",
    [{"deflated": True}, {"cut": 1}, {"broken_rule": "r"}, {"digest": "d"}, {"redacted": [{}]}],
)
def test_unpacker_unusual_frame_is_read_by_msgpack(changes: dict[str, Any]) -> None:
    record = FrameRecord(LATER, False, 1, b"x" * 100, wire_length=102, **changes)
    assert unpack_frame(packed(record), 0) is None
    assert unpacked(packed(record)) == ([record], 0, "")


# -- the same as by msgpack


FRAMES = [
    FrameRecord(LATER, True, 2, b"0123456789", mask=b"abcd", wire_length=16),
    FrameRecord(LATER, False, 1, b"x" * 140, wire_length=144),
    FrameRecord(1 << 20, True, 2, b"y" * 300, fin=False, rsv=4, mask=b"abcd", wire_length=308),
]


@pytest.mark.one_python
@pytest.mark.parametrize("frame", FRAMES)
def test_unpacker_frame_with_changed_byte_equals_msgpack(
    frame: FrameRecord, by_msgpack: Reading
) -> None:
    block = packed(frame)
    payload = block.index(frame.payload) + 2  # two bytes of it stand for all
    behind = payload + len(frame.payload) - 2
    for place in (*range(payload), *range(behind, len(block))):
        for value in range(256):
            changed = block[:place] + bytes([value]) + block[place + 1 :] + packed(FRAMES[1])
            assert unpacked(changed) == by_msgpack(changed), (place, value)


@pytest.mark.parametrize("frame", FRAMES)
def test_unpacker_frame_with_removed_byte_equals_msgpack(
    frame: FrameRecord, by_msgpack: Reading
) -> None:
    block = packed(frame)
    for place in range(len(block)):
        for changed in (
            block[:place],
            block[:place] + block[place + 1 :] + packed(FRAMES[0]),
            block[:place] + b"\xc0" + block[place:],
        ):
            assert unpacked(changed) == by_msgpack(changed), place


# -- runs of frames


def in_runs(block: bytes) -> tuple[list[object], int, str]:
    """What `unpacked` says, with the frames of runs."""
    records, found = Unpacker(block), list[object]()
    for each in records.with_runs(longest=4):
        found += each.frames() if isinstance(each, FrameRun) else [each]
    return found, records.bad, records.reason


def without_keys(reading: tuple[list[object], int, str]) -> tuple[list[object], int, str]:
    """The same without what a run does not hold."""
    records, bad, reason = reading
    plain = [
        replace(r, mask=None, rsv=0)
        if isinstance(r, FrameRecord) and r.opcode == 2 and r.fin
        else r
        for r in records
    ]
    return plain, bad, reason


@pytest.mark.parametrize("size", [1, 100, 117, 200, 640, 70_000])
@pytest.mark.parametrize("mask", [None, b"mask"])
def test_unpacker_runs_hold_the_frames_that_are_read_one_by_one(
    size: int, mask: bytes | None
) -> None:
    frames = [
        FrameRecord(t_ns, mask is not None, 2, bytes([t_ns % 256]) * (size + more), True, 0, mask)
        for t_ns, more in ((1 << 20, 0), (1 << 20, 1), (LATER, 0), (LATER + 1, 20), (LATER + 2, 0))
    ]
    frames = [replace(f, wire_length=len(f.payload) + 8) for f in frames]
    others = [
        FrameRecord(LATER, mask is None, 2, b"xy", wire_length=4),
        FrameRecord(LATER, mask is not None, 2, b"", mask=mask, wire_length=6),
        FrameRecord(LATER, mask is not None, 1, b"text", mask=mask, wire_length=10),
        FrameRecord(LATER, mask is not None, 2, b"cut", mask=mask, cut=5, wire_length=14),
    ]
    block = packed(*frames, *others, *frames)
    assert any(isinstance(each, FrameRun) and len(each) > 1 for each in Unpacker(block).with_runs())
    assert without_keys(in_runs(block)) == without_keys(unpacked(block))
    assert unpacked(block)[0] == [*frames, *others, *frames]


def test_unpacker_run_holds_texts_amid_audio() -> None:
    audio = FrameRecord(LATER, True, 2, b"a" * 100, mask=b"mask", wire_length=106)
    text = FrameRecord(LATER + 1, False, 1, b"text", wire_length=6)
    frames = [text, audio, audio, audio, text, text, audio, text]
    [run] = Unpacker(packed(*frames)).with_runs()
    assert isinstance(run, FrameRun)
    assert [*run.frames()] == [replace(frame, mask=None) for frame in frames]
    assert [at for at, _ in run.texts] == [0, 4, 5, 7]
    assert (len(run), run.last_ns) == (8, text.t_ns)


@pytest.mark.one_python
@pytest.mark.parametrize("frame", [FRAMES[0], replace(FRAMES[0], payload=b"z" * 140)])
def test_unpacker_run_with_a_changed_byte_equals_frames(frame: FrameRecord) -> None:
    block = packed(frame)
    for place in range(len(block)):
        for value in (0, 1, 2, 0x7F, 0x80, 0xC4, 0xC5, 0xCC, 0xCD, 0xCE, 0xCF, 0xFF):
            changed = block[:place] + bytes([value]) + block[place + 1 :]
            # Two of one length come before what is read as a row.
            rows = block * 3 + changed + block
            for around in (changed + block, block + changed, block + changed + block, rows):
                expected = without_keys(unpacked(around))
                assert without_keys(in_runs(around)) == expected, (place, value)


# -- any records


def test_unpacker_any_records_equal_msgpack(by_msgpack: Reading) -> None:
    frames = KINDS["frame"]

    @given(st.lists(RECORDS | frames, max_size=6), st.binary(max_size=8))
    def check(records: list[Record], rest: bytes) -> None:
        block = packed(*records)
        assert unpacked(block) == (records, 0, "")
        assert unpacked(block + rest) == by_msgpack(block + rest)

    check()


def test_unpacker_too_large_number_is_refused(by_msgpack: Reading) -> None:
    block = packed(FRAMES[0]).replace(LATER.to_bytes(8, "big"), (MAX_INT + 1).to_bytes(8, "big"))
    assert unpacked(block) == by_msgpack(block) == ([], 1, "frame.t_ns is out of range")


def test_unpacker_alternating_paths_lose_nothing() -> None:
    records = [FRAMES[0], FrameRecord(LATER, False, 9, b"", broken_rule="r")] * 20_000
    assert unpacked(packed(*records)) == (records, 0, "")
