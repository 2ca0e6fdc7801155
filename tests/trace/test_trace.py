"""The trace file: written and read, cut, damaged, hostile."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import msgpack
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_reader import hostile_reader
from traces import RECORDS, SESSION, FullDisk, make_trace, pack_trace, read_trace
from wsproxy.errors import NotATrace, TraceError
from wsproxy.trace import (
    Bytes,
    End,
    Eof,
    Failure,
    FrameRecord,
    Record,
    Request,
    Start,
    TraceReader,
    TraceWriter,
    find_traces,
    reader,
    unpacker,
)
from wsproxy.trace.blocks import BLOCK_SIZE, BadBlock, Compressor
from wsproxy.trace.records import VERSION, Sync, to_map

SMALL: list[list[Record]] = [
    [Start(0, VERSION, SESSION, 1_700_000_000_000_000_000), FrameRecord(1, True, 1, b"one")],
    [FrameRecord(2, True, 2, b"two" * 9, mask=b"abcd", wire_length=33)],
    [FrameRecord(3, False, 1, b'{"three": 3}', wire_length=14), Bytes(4, False, b"\xff", "rule")],
    [FrameRecord(5, False, 8, b"\x03\xe8", wire_length=4), End(6, "close", "server")],
]
SMALL_RECORDS = [record for block in SMALL for record in block]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.wstrace"


def starts(data: bytes) -> list[int]:
    """Offsets of the blocks, and of what follows them."""
    at, found = 0, [0]
    while data[at : at + 4] == b"\x28\xb5\x2f\xfd":
        unpacker = zstandard.ZstdDecompressor().decompressobj()
        unpacker.decompress(data[at:])
        at = len(data) - len(unpacker.unused_data)
        found.append(at)
    return found


def block(*maps: object, number: int = 0, session: str = SESSION, sync: bool = True) -> bytes:
    """A sound block with anything in it."""
    head = msgpack.packb(to_map(Sync(VERSION, session, number))) if sync else b""
    body = b"".join(m if isinstance(m, bytes) else msgpack.packb(m) for m in maps)
    return Compressor().compress(head + body)


# -- written and read


@given(st.lists(st.lists(RECORDS, min_size=1, max_size=4), min_size=1, max_size=4), st.booleans())
def test_trace_round_trip_is_identity(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[list[Record]], finish: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "identity.wstrace"
    path.write_bytes(pack_trace(blocks, finish=finish))
    records, source = read_trace(path)
    assert records == [record for block in blocks for record in block]
    assert source.losses == []
    assert source.ended == any(isinstance(record, End) for record in records)


def test_writer_full_block_is_closed(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        out = TraceWriter(file, SESSION)
        out.write(Start(0, 1, SESSION, 0))
        assert out.pending == 1
        assert path.stat().st_size == 0
        out.write(Bytes(1, True, bytes(BLOCK_SIZE)))
        assert out.pending == 0
        assert path.stat().st_size > 0
        out.flush()  # nothing is pending: no empty block
        out.finish()
    assert len(read_trace(path)[0]) == 2


def test_writer_large_record_is_complete(path: Path) -> None:
    payload = os.urandom(1 << 20) * 64
    make_trace(path, [FrameRecord(0, True, 2, payload)])
    records, source = read_trace(path)
    assert records == [FrameRecord(0, True, 2, payload)]
    assert not source.losses


def test_writer_invalid_utf_8_text_is_escaped(path: Path) -> None:
    make_trace(path, [Request(0, "GET", "ws", "h", 80, "/", headers=[["x", "caf\udce9"]])])
    [record], source = read_trace(path)
    assert isinstance(record, Request)
    assert record.headers == [["x", "caf\\udce9"]]
    assert not source.losses


@pytest.mark.parametrize("room", [0, 1, 20, 60])
def test_writer_full_disk_keeps_valid_blocks_and_continues_later(path: Path, room: int) -> None:
    with path.open("wb", buffering=0) as raw:
        file = FullDisk(raw, 10_000)
        out = TraceWriter(cast("BinaryIO", file), SESSION)
        out.write(SMALL_RECORDS[0])
        out.flush()
        complete_size = path.stat().st_size
        file.room = room
        out.write(FrameRecord(1, True, 2, os.urandom(200)))
        with pytest.raises(OSError, match=r"No space|short write"):
            out.flush()
        assert path.stat().st_size == complete_size
        file.room = 10_000
        out.write(SMALL_RECORDS[-1])
        out.finish()
    records, source = read_trace(path)
    assert records == [SMALL_RECORDS[0], SMALL_RECORDS[-1]]
    assert source.losses == []
    with TraceReader(path) as source:
        assert source.last() == SMALL_RECORDS[-1]


# -- cut and damaged


def test_reader_file_cut_anywhere_has_prefix_and_loss(path: Path) -> None:
    data = pack_trace(SMALL)
    ends = starts(data)
    assert len(ends) == 1 + len(SMALL)
    for size in range(1, len(data)):
        path.write_bytes(data[:size])
        complete = sum(end <= size for end in ends) - 1
        expected = [record for block in SMALL[:complete] for record in block]
        with TraceReader(path) as source:
            if expected:
                assert list(source) == expected
            else:
                with pytest.raises(NotATrace):
                    list(source)
            if size in ends:
                assert source.losses == []
            else:
                [loss] = source.losses
                assert (loss.offset, loss.size, loss.at_end) == (
                    ends[complete],
                    size - ends[complete],
                    True,
                )
            assert source.ended == (complete == len(SMALL))
            assert source.last() is None


@pytest.mark.one_python
@pytest.mark.parametrize("flip", [0x01, 0x04, 0x80, 0xFF])
def test_reader_flipped_byte_loses_one_block_only(path: Path, flip: int) -> None:
    data = pack_trace(SMALL)
    ends = starts(data)
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
        hit = sum(end <= at for end in ends) - 1  # the block, or the seek table
        expected = [r for number, rs in enumerate(SMALL) if number != hit for r in rs]
        records, source = read_trace(path)
        if hit < len(SMALL) and not source.losses:
            # A few bits of a zstd frame mean nothing: what they hold was read all the same.
            expected = SMALL_RECORDS
        assert records == expected
        with TraceReader(path) as source:
            assert source.last() in (None, SMALL_RECORDS[-1])


def test_reader_zero_filled_tail_is_a_loss(path: Path) -> None:
    """What a file system leaves after a power cut."""
    data = pack_trace(SMALL)
    for size in (0, 5, starts(data)[2], starts(data)[2] + 7, len(data)):
        path.write_bytes(data[:size] + bytes(5000))
        complete = sum(end <= size for end in starts(data)) - 1
        expected = [record for block in SMALL[:complete] for record in block]
        with TraceReader(path) as source:
            if expected:
                assert list(source) == expected
            else:
                with pytest.raises(NotATrace):
                    list(source)
            assert source.losses[-1].at_end


@given(st.binary(min_size=1, max_size=400), st.data())
def test_reader_damage_in_middle_continues_after_it(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damage.wstrace"
    trace = pack_trace(SMALL)
    at = data.draw(st.sampled_from(starts(trace)[1:-1]))
    path.write_bytes(trace[:at] + junk + trace[at:])
    records, source = read_trace(path)
    assert records == SMALL_RECORDS
    assert source.losses


@settings(max_examples=200)
@given(st.binary(max_size=500))
def test_reader_arbitrary_bytes_raise_not_a_trace_only(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "arbitrary.wstrace"
    path.write_bytes(data)
    with TraceReader(path) as source:
        with pytest.raises(NotATrace):
            list(source)
        assert source.last() is None


def test_reader_missing_block_is_a_loss(path: Path) -> None:
    data = pack_trace(SMALL)
    ends = starts(data)
    path.write_bytes(data[: ends[1]] + data[ends[2] :])
    records, source = read_trace(path)
    assert records == [*SMALL[0], *SMALL[2], *SMALL[3]]
    [loss] = source.losses
    assert "1 blocks before this place are missing" in str(loss)


def test_reader_blocks_out_of_order_are_losses_without_duplicates(path: Path) -> None:
    data = pack_trace(SMALL)
    a, b, c, d, end = starts(data)
    path.write_bytes(data[a:b] + data[c:d] + data[b:c] + data[c:d] + data[d:end])
    records, source = read_trace(path)
    assert records == [*SMALL[0], *SMALL[2], *SMALL[3]]
    assert sum("out of order" in loss.reason for loss in source.losses) == 2


def test_reader_trace_inside_payload_is_not_read(path: Path) -> None:
    inner = block(to_map(FrameRecord(9, True, 1, b"inner")), session="f" * 16, number=1)
    payload = os.urandom(200_000) + inner + os.urandom(200_000)
    data = pack_trace([SMALL[0], [FrameRecord(1, True, 2, payload)], SMALL[3]])
    ends = starts(data)
    assert inner in data  # random bytes are stored raw, and so is what lies between them
    for damaged in (
        data[: ends[1] + 10] + b"\0\0\0\0" + data[ends[1] + 14 :],
        data[: ends[2] - 1000],
    ):
        path.write_bytes(damaged)
        records, source = read_trace(path)
        assert FrameRecord(9, True, 1, b"inner") not in records
        assert records[:2] == SMALL[0]
        assert source.losses


def test_reader_two_traces_in_one_file_reads_first_only(path: Path) -> None:
    path.write_bytes(pack_trace(SMALL) + block(to_map(Eof(1, True)), session="other"))
    records, source = read_trace(path)
    assert records == SMALL_RECORDS
    assert "another session" in str(source.losses[-1])


def test_reader_growing_file_is_read(path: Path) -> None:
    data = pack_trace(SMALL)
    ends = starts(data)
    path.write_bytes(data[: ends[1] + 3])
    with TraceReader(path) as source:
        records = iter(source)
        assert [next(records), next(records)] == SMALL[0]
        with path.open("r+b") as file:
            file.write(data[: ends[3] + 5])
        assert list(records) == [*SMALL[1], *SMALL[2]]
        assert [loss.at_end for loss in source.losses] == [True]
        path.write_bytes(data)
        assert list(source) == SMALL_RECORDS  # and again, from the beginning
        assert source.losses == []


def test_reader_file_growing_after_end_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pack_trace(SMALL)
    ends = starts(data)
    path.write_bytes(data[: ends[2] + 3])
    resume = TraceReader._resume

    def grow_then_resume(self: TraceReader, offset: int, error: BadBlock) -> int | None:
        path.write_bytes(data)
        return resume(self, offset, error)

    monkeypatch.setattr(TraceReader, "_resume", grow_then_resume)
    records, source = read_trace(path)
    assert records[: len(SMALL[0]) + len(SMALL[1])] == [*SMALL[0], *SMALL[1]]
    assert all(loss.size >= 0 for loss in source.losses)
    assert len(records) == len({id(r) for r in records}) <= len(SMALL_RECORDS)


# -- other versions and writers


def test_reader_unknown_kinds_and_keys_are_ignored(path: Path) -> None:
    known = to_map(FrameRecord(1, True, 1, b"x"))
    path.write_bytes(block({"kind": "later", "x": [1, {"y": None}]}, {**known, "later": [1.5]}))
    records, source = read_trace(path)
    assert records == [FrameRecord(1, True, 1, b"x")]
    assert source.losses == []


def test_reader_bad_record_loses_only_itself(path: Path) -> None:
    good = to_map(FrameRecord(1, True, 1, b"x"))
    path.write_bytes(block(good, {**good, "opcode": "1"}, 7, good))
    records, source = read_trace(path)
    assert records == [FrameRecord(1, True, 1, b"x")] * 2
    assert "2 bad records: frame.opcode has the wrong type" in source.losses[0].reason


@pytest.mark.parametrize("junk", [b"\xc1", b"\x81", b"\xc7\x01\x05x", b"\x81\x01\x02"])
def test_reader_invalid_msgpack_is_a_loss(path: Path, junk: bytes) -> None:
    path.write_bytes(block(to_map(SMALL_RECORDS[0]), junk))
    records, source = read_trace(path)
    assert records == [SMALL_RECORDS[0]]
    assert source.losses


def test_reader_block_without_sync_is_a_loss(path: Path) -> None:
    path.write_bytes(pack_trace(SMALL) + block(to_map(Eof(1, True)), sync=False))
    records, source = read_trace(path)
    assert records == SMALL_RECORDS
    assert "without a sync record" in str(source.losses[-1])


def test_reader_later_format_is_one_line_error(path: Path) -> None:
    later = msgpack.packb(to_map(Sync(VERSION + 1, SESSION, 0)))
    path.write_bytes(Compressor().compress(later))
    with pytest.raises(TraceError, match=f"format {VERSION + 1}; this wsproxy reads up to"):
        read_trace(path)


def test_reader_unreadable_file_raises(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"cannot read .*: No such file"):
        TraceReader(tmp_path / "none")
    with pytest.raises(TraceError, match="cannot read"):
        TraceReader(tmp_path)
    (tmp_path / "empty").touch()
    with TraceReader(tmp_path / "empty") as source, pytest.raises(NotATrace):
        list(source)


def test_find_traces_of_folder_finds_traces(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    names = ["a/b/2.wstrace", "a/1.wstrace", "a/1.txt"]
    for name in names:
        (tmp_path / name).touch()
    found = find_traces([str(tmp_path / "a"), str(tmp_path / "a/1.txt")])
    assert [p.name for p in found] == ["1.wstrace", "2.wstrace", "1.txt"]
    none = tmp_path / "none"
    assert find_traces([none]) == [none]  # the reader reports it


# -- hostile files


@pytest.fixture(scope="module")
def read_hostile() -> Iterator[Callable[[Path], str]]:
    with hostile_reader() as read:
        yield read


FRAME = to_map(FrameRecord(1, True, 1, b"x"))
HEAD = b"\x28\xb5\x2f\xfd\xe4"  # of a zstd frame, up to its 8-byte content size
HOSTILE = {
    "bomb of zeros": lambda: Compressor().compress(bytes(200 << 20)),
    "declared size of 2**63": lambda: HEAD + struct.pack("<Q", 1 << 63) + bytes(50),
    "deep nesting": lambda: block(FRAME, b"\x91" * 1_000_000),
    "deep nesting of maps": lambda: block(FRAME, b"\x81\xa1a" * 1_000_000),
    "array of 2**32 - 1": lambda: block(FRAME, b"\xdd\xff\xff\xff\xff"),
    "map of 2**32 - 1": lambda: block(FRAME, b"\xdf\xff\xff\xff\xff"),
    "text of 2**32 - 1": lambda: block(FRAME, b"\xdb\xff\xff\xff\xff"),
    "bytes of 2**32 - 1": lambda: block(FRAME, b"\xc6\xff\xff\xff\xff"),
    "nested arrays of many": lambda: block(FRAME, b"\xdd\x00\x98\x96\x80" * 5000),
    "nested arrays of some": lambda: block(FRAME, b"\xdc\x27\x10" * 5000),
    "arrays of arrays": lambda: block(
        FRAME, b"\xdc\x27\x10" + (b"\xdc\x0f\xa0" + b"\x90" * 4000) * 10_000
    ),
    "many records that are none": lambda: block(FRAME, b"\xc0" * 1_000_000),
    "many blocks that are none": lambda: block(FRAME) + block(7, sync=False) * 30_000,
    "large records that are kept": lambda: b"".join(
        block(to_map(Failure(0, "dns", True, "x" * (40 << 20))), number=n) for n in range(8)
    ),
    "many records that are kept": lambda: block(FRAME) + b"".join(
        block(*[to_map(Failure(0, "dns", True, "x" * 500_000))] * 20, number=n + 1)
        for n in range(20)
    ),
    "broken rules": lambda: b"".join(
        block(to_map(FrameRecord(0, True, 8, b"", broken_rule="x" * (10 << 20))), number=n)
        for n in range(60)
    ),
    "zstd magics": lambda: block(FRAME) + b"\x28\xb5\x2f\xfd" * (12 << 20),
    "block heads": lambda: block(FRAME) + b"\x28\xb5\x2f\xfd\x24\x05" * (8 << 20),
    "block heads with empty pieces": lambda: block(FRAME)
    + (b"\x28\xb5\x2f\xfd\xa4" + struct.pack("<I", 80 << 20) + b"\0\0\0" * 50) * 200_000,
    "skippable frames": lambda: block(FRAME) + struct.pack("<II", 0x184D2A50, 0) * 300_000,
    "damaged bombs": lambda: block(FRAME)
    + (Compressor().compress(bytes(79 << 20))[:-1] + b"!") * 300,
    "damaged blocks of this session": lambda: block(FRAME)
    + (block(Bytes(0, True, bytes(70 << 20)).data, number=1)[:-1] + b"!") * 300,
}  # fmt: skip


@pytest.mark.one_python
@pytest.mark.cost
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
@pytest.mark.parametrize("name", HOSTILE)
def test_reader_hostile_file_uses_bounded_memory_and_time(
    path: Path, name: str, read_hostile: Callable[[Path], str]
) -> None:
    path.write_bytes(HOSTILE[name]())
    out = read_hostile(path)
    assert out.startswith(("read", "error"))
    path.unlink()


ITEMS = [list(range(100))] * (unpacker.MAX_ITEMS // 100)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"kind": "later", "x": [0] * (unpacker.MAX_LIST + 1)}, "max_array_len"),
        ({"kind": "later", "x": {str(n): 0 for n in range(unpacker.MAX_LIST + 1)}}, "max_map_len"),
        ({"kind": "later", "x": ITEMS}, "over 50000 items in one record"),
        (to_map(Failure(0, "dns", True, "x" * (1 << 20))), "a failure record of 10486"),
    ],
)
def test_reader_record_over_limit_is_a_loss(
    path: Path, record: dict[str, object], reason: str
) -> None:
    path.write_bytes(block(FRAME, record))
    records, source = read_trace(path)
    assert records == [FrameRecord(1, True, 1, b"x")]
    assert reason in source.losses[0].reason


def test_reader_record_within_limits_is_no_loss(path: Path) -> None:
    within = {"kind": "later", "x": [0] * unpacker.MAX_LIST, "y": ITEMS[:300]}
    path.write_bytes(block(FRAME, within, within, FRAME))
    records, source = read_trace(path)
    assert len(records) == 2
    assert source.losses == []


def test_reader_losses_list_is_bounded(path: Path) -> None:
    path.write_bytes(block(FRAME) + block(7, sync=False) * (reader.MAX_LOSSES + 50))
    _, source = read_trace(path)
    assert len(source.losses) == reader.MAX_LOSSES
    last = source.losses[-1]
    assert last.offset + last.size == path.stat().st_size
