"""Reading a trace while it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import pytest

from mutations import good_records
from traces import SESSION, pack_trace, read_trace
from wsproxy.trace import (
    FrameRecord,
    FrameRun,
    Record,
    TraceReader,
    TraceWriter,
    bounded_following,
)
from wsproxy.trace.records import More

Follower = Iterator[Record | FrameRun | None]


def unpacked(records: Iterable[Record | FrameRun | None]) -> list[Record]:
    """The records, without masking keys, which runs do not have; runs as their frames."""
    found: list[Record] = []
    for each in records:
        if isinstance(each, FrameRun):
            found += each.frames()
        elif isinstance(each, FrameRecord):
            found.append(replace(each, mask=None))
        elif each is not None:
            found.append(each)
    return found


def test_following_returns_the_records_of_each_block_once_it_is_complete(tmp_path: Path) -> None:
    records = good_records()
    data = pack_trace([records[:3], records[3:5], records[5:]])
    path = tmp_path / "call.wstrace"
    path.write_bytes(b"")
    with TraceReader(path) as reader, path.open("ab", buffering=0) as file:
        follower = reader.following()
        assert next(follower) is None
        counts = set()
        found: list[Record | FrameRun | None] = []
        for at in range(0, len(data), 7):  # blocks end anywhere in these pieces
            file.write(data[at : at + 7])
            if not reader.ended:
                found += so_far(follower)
                counts.add(len(unpacked(found)))
        assert counts == {0, 3, 5, len(records)}
        assert unpacked(found) == unpacked(records)
        assert reader.losses == []


def test_following_continues_with_the_next_part(tmp_path: Path) -> None:
    records = good_records()
    path, later = tmp_path / "call.wstrace", tmp_path / "call.part2.wstrace"
    with path.open("xb", buffering=0) as one, later.open("xb", buffering=0) as two:
        first, second = TraceWriter(one, SESSION), TraceWriter(two, SESSION)
        write(first, records[:5])
        with TraceReader(path) as reader:
            follower = reader.following()
            found = so_far(follower)
            first.hand_over(second, More(records[4].t_ns, 2))
            write(second, records[:3] + records[5:9])  # each part begins with the head
            found += so_far(follower)
            write(second, records[9:])
            found += list(follower)
            assert reader.losses == []
    assert unpacked(found) == unpacked(records)


def so_far(follower: Follower) -> list[Record | FrameRun | None]:
    return list(takewhile(lambda each: each is not None, follower))


def write(writer: TraceWriter, records: list[Record]) -> None:
    for record in records:
        writer.write(record)
    writer.flush()


@pytest.mark.parametrize("cut", [1, 30, 100])
def test_following_a_trace_that_was_cut_waits_and_loses_nothing_before(
    tmp_path: Path, cut: int
) -> None:
    data = pack_trace([[record] for record in good_records()], finish=False)
    path = tmp_path / "call.wstrace"
    path.write_bytes(data[:-cut])
    with TraceReader(path) as reader:
        follower = bounded_following(reader)
        found = so_far(follower)
        assert next(follower) is None
    records, _ = read_trace(path)
    assert unpacked(found) == unpacked(records)
