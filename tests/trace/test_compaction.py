"""Finished traces are packed into full blocks, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest

from sessions import LISTEN, write
from traces import SESSION, pack_trace, read_trace
from wire_witness import wait_until
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.recorder import compactor as module
from wsproxy.recorder.compactor import Compactor
from wsproxy.recorder.worker import RecorderWorker
from wsproxy.session import Session
from wsproxy.trace import End, FrameRecord, Start, TraceReader, compaction
from wsproxy.trace.blocks import Compressor, read_block, seek_table, seek_table_entry
from wsproxy.trace.compaction import compact
from wsproxy.trace.records import Sync, to_map

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"
START = Start(0, 1, SESSION, 10**18)


def small_blocks(path: Path, frames: int = 300, size: int = 2000) -> Path:
    """A finished trace as it was written live: a block for each frame, of noise."""
    frame = [[FrameRecord(n, True, 2, os.urandom(size))] for n in range(frames)]
    path.write_bytes(pack_trace([[START], *frame, [End(frames, "stopped")]]))
    return path


def count_blocks(path: Path) -> int:
    with path.open("rb") as file:
        found, offset = 0, 0
        while offset < path.stat().st_size:
            block, offset = read_block(file, offset)
            found += bool(block)
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_compact_small_blocks_keeps_records_in_fewer_blocks(tmp_path: Path) -> None:
    path = small_blocks(tmp_path / "a.wstrace")
    before, size = read_trace(path)[0], path.stat().st_size
    os.utime(path, ns=(10**18, 10**18))
    assert compact(path)
    records, reader = read_trace(path)
    assert records == before
    assert reader.losses == []
    with TraceReader(path) as reader:
        assert reader.last() == before[-1]  # by the seek table
    assert count_blocks(path) == 3
    assert path.stat().st_size < size
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mtime_ns == 10**18
    assert names(tmp_path) == ["a.wstrace"]
    assert not compact(path)


def test_compact_unknown_kinds_and_keys_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.wstrace"
    maps = [
        {**to_map(START), "new_key": [1, {"a": b"b"}]},
        {"kind": "new_kind", "t_ns": 5, "what": "ever"},
        to_map(End(5, "stopped")),
    ]
    data, entries = b"", b""
    for number, each in enumerate(maps):
        sync = to_map(Sync(1, SESSION, number))
        content = msgpack.packb(sync) + msgpack.packb(each)
        block = Compressor().compress(content)
        data += block
        entries += seek_table_entry(len(block), len(content))
    path.write_bytes(data + seek_table(entries))
    assert compact(path)
    with path.open("rb") as file:
        block, _ = read_block(file, 0)
    unpacker = msgpack.Unpacker()
    unpacker.feed(block)
    assert list(unpacker) == [to_map(Sync(1, SESSION, 0)), *maps]


@pytest.mark.parametrize("name", ["closed", "failed", "refused"])
def test_compact_golden_file_keeps_records(tmp_path: Path, name: str) -> None:
    path = Path(shutil.copy(GOLDEN / f"{name}.wstrace", tmp_path))
    before = read_trace(path)[0]
    compact(path)
    assert read_trace(path)[0] == before


def no_end(data: bytes) -> bytes:
    return data[:-1]


def more(data: bytes) -> bytes:
    return data + b"\0"


def flipped(data: bytes) -> bytes:
    return data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]


def twice(data: bytes) -> bytes:
    return data + data


def block_lost(data: bytes) -> bytes:
    return pack_trace([[START]], finish=False) + data


@pytest.mark.parametrize("change", [no_end, more, flipped, twice, block_lost])
def test_compact_damaged_or_unfinished_trace_is_unchanged(tmp_path: Path, change: object) -> None:
    path = small_blocks(tmp_path / "a.wstrace")
    data = change(path.read_bytes())  # type: ignore[operator]
    path.write_bytes(data)
    assert not compact(path)
    assert path.read_bytes() == data
    assert names(tmp_path) == ["a.wstrace"]


def test_compact_trace_being_written_is_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "a.wstrace"
    recording = SessionWriter(path, new_start(Clock(0, 0)))
    for n in range(20):
        recording.add(FrameRecord(n, True, 2, bytes(3000)))
        recording.flush()
    assert not compact(path)
    recording.end(30)
    assert compact(path)
    assert Session.read(path).frame_count == 20


def test_compact_interrupted_keeps_original(tmp_path: Path) -> None:
    path = small_blocks(tmp_path / "a.wstrace")
    data = path.read_bytes()

    def stop() -> None:
        assert len(names(tmp_path)) == 2
        raise KeyError("enough")

    with pytest.raises(KeyError):
        compact(path, stop)
    assert path.read_bytes() == data
    assert names(tmp_path) == ["a.wstrace"]


def test_compact_trace_removed_meanwhile_is_not_restored(tmp_path: Path) -> None:
    path = small_blocks(tmp_path / "a.wstrace")
    assert not compact(path, lambda: path.unlink(missing_ok=True))
    assert names(tmp_path) == []


def test_compact_trace_removed_during_fsync_is_not_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_blocks(tmp_path / "a.wstrace")
    fsync = os.fsync

    def remove(fd: int) -> None:
        path.unlink(missing_ok=True)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", remove)
    assert not compact(path)
    assert names(tmp_path) == []


def test_compact_trace_replaced_during_fsync_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_blocks(tmp_path / "a.wstrace")

    def replace(fd: int) -> None:
        (tmp_path / "b").write_bytes(b"other")
        (tmp_path / "b").rename(path)

    monkeypatch.setattr(os, "fsync", replace)
    assert not compact(path)
    assert path.read_bytes() == b"other"


def test_compact_trace_replaced_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path, other = small_blocks(tmp_path / "a.wstrace"), tmp_path / "b"

    def replace() -> None:
        if not other.exists():
            other.write_bytes(b"other")
            shutil.copy(other, tmp_path / "c")
            (tmp_path / "c").rename(path)

    assert not compact(path, replace)
    assert path.read_bytes() == b"other"


def test_compact_little_disk_space_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_blocks(tmp_path / "a.wstrace")
    size = path.stat().st_size
    monkeypatch.setattr(compaction, "_free", lambda _: compaction.ROOM * size - 1)
    assert not compact(path)
    monkeypatch.setattr(compaction, "_free", lambda _: compaction.ROOM * size)
    assert compact(path)


def test_compact_open_reader_continues(tmp_path: Path) -> None:
    path = small_blocks(tmp_path / "a.wstrace")
    with TraceReader(path) as reader:
        records = iter(reader)
        first = next(records)
        assert compact(path)
        assert len([first, *records]) == 302
        assert reader.losses == []


def test_compact_large_trace_uses_bounded_memory(tmp_path: Path) -> None:
    path = small_blocks(tmp_path / "a.wstrace", 600, 50_000)
    tracemalloc.start()
    try:
        assert compact(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 << 20  # of 30 MB


# -- the thread


def test_compactor_added_traces_are_compacted_after_sweep(tmp_path: Path) -> None:
    (tmp_path / ".x.wstrace.rewrite").touch()
    paths = [small_blocks(tmp_path / f"{n}.wstrace") for n in range(3)]
    compactor = Compactor(tmp_path)
    compactor.add(tmp_path / "gone.wstrace")
    for path in paths:
        compactor.add(path)
    compactor.close()
    assert [count_blocks(path) for path in paths] == [3, 3, 3]
    assert len(names(tmp_path)) == 3
    assert not [t for t in threading.enumerate() if t.name == "wsproxy-compactor"]


def test_compactor_small_trace_stays_as_it_is(tmp_path: Path) -> None:
    small = small_blocks(tmp_path / "small.wstrace", frames=10, size=100)
    larger = small_blocks(tmp_path / "larger.wstrace", frames=10, size=1000)
    assert small.stat().st_size <= module.SMALL < larger.stat().st_size
    compactor = Compactor(tmp_path)
    compactor.add(small)
    compactor.add(larger)
    compactor.close()
    assert (count_blocks(small), count_blocks(larger)) == (12, 1)


def test_compactor_close_ends_within_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT", 0.0)
    paths = [small_blocks(tmp_path / f"{n}.wstrace") for n in range(3)]
    compactor = Compactor(tmp_path)

    def slowly(path: Path, pace: Callable[[], None]) -> bool:
        def wait() -> None:
            wait_until(lambda: compactor._deadline is not None)
            pace()

        return compact(path, wait)

    monkeypatch.setattr(module, "compact", slowly)
    for path in paths:
        compactor.add(path)
    compactor.close()
    assert count_blocks(paths[-1]) == 302
    assert [Session.read(path).frame_count for path in paths] == [300, 300, 300]
    assert len(names(tmp_path)) == 3


def test_compactor_failed_trace_is_logged_and_next_is_compacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = (small_blocks(tmp_path / f"{n}.wstrace") for n in ("bad", "good"))

    def failing(path: Path, pace: object) -> bool:
        if path == bad:
            raise OSError(28, "No space left on device")
        return compact(path)

    monkeypatch.setattr(module, "compact", failing)
    compactor = Compactor(tmp_path)
    compactor.add(bad)
    compactor.add(good)
    compactor.close()
    assert count_blocks(good) == 3
    assert "bad.wstrace: No space left on device" in caplog.text


def test_recorder_worker_closed_leaves_compacted_traces(tmp_path: Path) -> None:
    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop())
        session = recorder.begin(Clock.start(), new_start(Clock.start()))
        for record in LISTEN:
            session.add(record)  # each is written at once
        session.end()
        recorder.close()

    asyncio.run(main())
    (path,) = tmp_path.iterdir()
    assert count_blocks(path) == 1
    session = Session.read(path)
    assert session.frame_count == Session.read(write(tmp_path / "b.wstrace", LISTEN)).frame_count
    assert session.complete
