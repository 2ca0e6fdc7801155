"""Traces with parts that are missing, blocks that do not fit, files that cannot be read."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest

from traces import SESSION, make_trace, pack_trace, read_trace
from wsproxy.errors import LimitExceeded, TraceError
from wsproxy.system.regular_file import open_regular
from wsproxy.trace import (
    End,
    FrameRecord,
    Gap,
    Record,
    Start,
    TraceReader,
    TraceWriter,
    read_limits,
    reader,
    recovery,
)
from wsproxy.trace.blocks import BadBlock, Compressor, read_block, seek_table, seek_table_entry
from wsproxy.trace.compaction import compact
from wsproxy.trace.parts import part_path
from wsproxy.trace.read_limits import Allowance
from wsproxy.trace.reader import bounded
from wsproxy.trace.records import VERSION, More, Sync, to_map
from wsproxy.trace.recovery import TraceSink

START = Start(0, VERSION, SESSION, 10**18)
END = End(9, "stopped")


def frame(number: int, size: int = 1) -> FrameRecord:
    return FrameRecord(number, True, 2, bytes([number]) * size)


def block(*maps: object, number: int = 0, session: str = SESSION) -> bytes:
    """A sound block with anything in it after its sync record."""
    packed = [msgpack.packb(each if isinstance(each, dict) else to_map(each)) for each in maps]  # type: ignore[arg-type]
    return Compressor().compress(
        msgpack.packb(to_map(Sync(VERSION, session, number))) + b"".join(packed)
    )


def sealed(*blocks: bytes) -> bytes:
    """Blocks with a seek table of their sizes."""
    entries = b"".join(seek_table_entry(len(each), 1) for each in blocks)
    return b"".join(blocks) + seek_table(entries)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.wstrace"


# -- parts


@pytest.fixture
def parts(path: Path) -> Path:
    """A trace in five parts of one frame each; each but the last names the next."""
    for number in range(1, 6):
        content = [block(START, frame(number))]
        content.append(block(END if number == 5 else More(number, number + 1), number=1))
        part_path(path, number).write_bytes(sealed(*content))
    return path


def frames(records: list[Record]) -> list[int]:
    return [each.payload[0] for each in records if isinstance(each, FrameRecord)]


def test_reader_parts_that_are_missing_are_losses(parts: Path) -> None:
    for number in (2, 4):
        part_path(parts, number).unlink()
    records, source = read_trace(parts)
    assert frames(records) == [1, 3, 5]
    assert source.ended
    assert [loss.reason for loss in source.losses] == [
        "x.part2.wstrace is missing", "x.part4.wstrace is missing"
    ]  # fmt: skip


def test_reader_last_parts_missing_is_a_loss_at_the_end(parts: Path) -> None:
    for number in (2, 3, 4, 5):
        part_path(parts, number).unlink()
    records, source = read_trace(parts)
    assert frames(records) == [1]
    assert [(loss.reason, loss.at_end) for loss in source.losses] == [
        ("x.part2.wstrace is missing", True)
    ]


def test_reader_part_without_its_end_is_a_loss(parts: Path) -> None:
    part_path(parts, 2).write_bytes(block(START, frame(2)))
    records, source = read_trace(parts)
    assert frames(records) == [1, 2, 3, 4, 5]
    assert [(loss.part, loss.reason) for loss in source.losses] == [
        (2, "the end of this part is missing")
    ]


def test_reader_from_a_later_part_reports_those_before(parts: Path) -> None:
    records, source = read_trace(part_path(parts, 3))
    assert frames(records) == [3, 4, 5]
    assert [loss.reason for loss in source.losses] == [
        "the parts before it are not read with it: x.wstrace"
    ]


def test_reader_part_that_cannot_be_opened_is_a_loss(
    parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def refused(path: Path, size: int) -> object:
        if "part3" in path.name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open_regular(path, size)

    monkeypatch.setattr(reader, "open_regular", refused)
    records, source = read_trace(parts)
    assert frames(records) == [1, 2]
    assert [loss.reason for loss in source.losses] == ["part 3 cannot be read: Permission denied"]
    assert source.losses[0].at_end
    with (
        TraceReader(parts) as source,
        pytest.raises(TraceError, match=r"cannot read .*: Permission"),
    ):
        source.last()


def test_reader_that_fails_while_reading_raises_a_trace_error(
    parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with TraceReader(parts) as source:
        monkeypatch.setattr(reader, "read_block", failing)
        with pytest.raises(TraceError, match=r"cannot read .*x\.wstrace: Input/output error"):
            list(source)


# -- blocks


def test_reader_sync_record_inside_a_block_is_skipped(path: Path) -> None:
    path.write_bytes(block(START, Sync(VERSION, SESSION, 7), frame(1)) + block(END, number=1))
    records, source = read_trace(path)
    assert records == [START, frame(1), END]
    assert source.losses == []


def test_read_block_cut_inside_its_header_is_damaged() -> None:
    long = Compressor().compress(os.urandom(70_000))
    for size in range(9, 20):
        for descriptor in range(256):
            head = long[:4] + bytes([descriptor]) + long[5:size]
            with pytest.raises(BadBlock):
                read_block(io.BytesIO(head), 0)


def test_reader_search_for_the_next_block_has_a_limit(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    false = [block(frame(n), session="another") for n in range(200)]
    path.write_bytes(block(START) + b"damage" + b"".join(false) + block(END, number=1))
    assert read_trace(path)[0] == [START, END]
    monkeypatch.setattr(read_limits, "SEARCHED", 1 << 20)
    monkeypatch.setattr(reader, "SEARCHED_RATIO", 0)
    records, source = read_trace(path)
    assert records == [START]
    assert source.losses[-1].at_end


def test_bounded_more_records_than_may_be_read_raises(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_RECORDS", 3)
    make_trace(path, [START, frame(1), END])
    with TraceReader(path) as source:
        assert len(list(bounded(source))) == 3
    make_trace(path, [START, frame(1), frame(2), END])
    with TraceReader(path) as source, pytest.raises(LimitExceeded, match="it has over 3 records"):
        list(bounded(source))


def test_allowance_dense_blocks_have_a_limit() -> None:
    """Blocks over 16 MiB that unpack to over 64 times their size: one frame of any size."""
    allowance = Allowance()
    assert allowance.take(1000, read_limits.DENSE // 2)
    assert allowance.take(1000, read_limits.DENSE // 2)
    assert not allowance.take(1000, read_limits.DENSE // 2)
    assert allowance.take(1000, read_limits.LARGE)  # not over 16 MiB
    allowance.begin_trace()
    assert allowance.take(1000, read_limits.DENSE // 2)


def test_allowance_refused_block_takes_nothing() -> None:
    allowance = Allowance()
    packed = (read_limits.SIZE // read_limits.LARGE_RATIO) + 1
    assert not allowance.take(packed, allowance.size + packed * read_limits.RATIO + 1)
    assert allowance.take(packed, allowance.size)


def test_reader_block_that_unpacks_to_too_much_is_not_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_limits, "SIZE", 1000)
    path.write_bytes(block(START) + block(frame(1, 1 << 20), number=1))
    with TraceReader(path) as source:
        with pytest.raises(LimitExceeded, match=r"it unpacks to [\d,]+ times its size"):
            list(source)
        assert source.losses[-1].at_end


# -- recovery


class _Copy:
    """Keeps the records that a recovered trace would have."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def add(self, record: Record) -> None:
        self.records.append(record)

    def end(self, t_ns: int, reason: str) -> None:
        self.records.append(End(t_ns, reason))

    def end_incomplete(self, end: End) -> None:
        self.records.append(end)

    def finish(self) -> None: ...


def test_recover_losses_beyond_those_listed_become_gaps(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_LOSSES", 2)
    kept: list[bytes] = [block(START)]
    for number in range(1, 5):
        kept += [b"damage", block(frame(number), number=2 * number)]
    path.write_bytes(b"".join([*kept, block(END, number=9)]))
    copy = _Copy()

    def open_sink(file: object, start: Start) -> TraceSink:
        return copy

    out = path.with_name("out.wstrace")
    recovery.recover(
        path, out, always=True, open_sink=open_sink, recognize=lambda host, path: (None, None)
    )
    assert frames(copy.records) == [1, 2, 3, 4]
    gaps = [record.reason for record in copy.records if isinstance(record, Gap)]
    assert len(gaps) == 4
    assert "more of the file is not readable" in gaps


# -- compaction, and parts while they are written


def refused() -> Iterator[tuple[str, bytes]]:
    many = [block(frame(n % 250), number=n) for n in range(1, 40)]
    first = block(START)
    yield "no sync record", sealed(Compressor().compress(msgpack.packb(to_map(START))), *many)
    yield "no msgpack", sealed(first, Compressor().compress(b"\xc1" * 100), *many)
    yield "no map", sealed(first, Compressor().compress(b"\x07" * 100), *many)
    yield "of another session", sealed(first, block(frame(0), session="another", number=1), *many)
    yield "another number", sealed(first, *many[1:])
    yield "nothing but a seek table", seek_table(b"")


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in refused()])
def test_compact_blocks_that_do_not_fit_are_unchanged(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert not compact(path)
    assert path.read_bytes() == data


def test_compact_last_block_that_is_full_keeps_records(path: Path) -> None:
    small = [block(frame(n, 50), number=n) for n in range(1, 40)]
    path.write_bytes(sealed(block(START), *small, block(frame(50, 300_000), END, number=40)))
    records = read_trace(path)[0]
    assert compact(path)
    with TraceReader(path) as source:
        assert list(source) == records
        assert source.last() == END


def test_writer_hands_over_nothing_pending() -> None:
    files = [io.BytesIO(), io.BytesIO()]
    first, second = (TraceWriter(file, SESSION) for file in files)
    first.write(START)
    first.flush()
    first.hand_over(second, More(1, 2))
    second.write(END)
    second.finish()
    assert files[0].getvalue() == pack_trace([[START], [More(1, 2)]])  # type: ignore[list-item]
    assert files[1].getvalue() == pack_trace([[END]])
