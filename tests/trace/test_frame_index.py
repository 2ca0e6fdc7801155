"""Where the frames of a trace are, and reading it from there."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from sessions import APP, SERVER, audio, opened, text_message
from traces import pack_trace
from wsproxy.errors import StalePlace
from wsproxy.trace import FrameIndex, FramePlace, FrameRecord, GrowingTrace, Record, TraceReader
from wsproxy.trace import frame_index as module
from wsproxy.wire import Opcode

PER_BLOCK = 10


def written(path: Path, blocks: int) -> Path:
    """A trace with ten frames in each block, a millisecond apart, every fifth of them text."""
    frames = [
        text_message(10 + n, SERVER, f"text {n}") if n % 5 == 0 else audio(10 + n, APP, bytes(8))
        for n in range(blocks * PER_BLOCK)
    ]
    packed = [frames[at : at + PER_BLOCK] for at in range(0, len(frames), PER_BLOCK)]
    path.write_bytes(pack_trace([opened("/v1/listen"), *packed], finish=False))
    return path


def index_of(path: Path) -> FrameIndex:
    index = FrameIndex()
    with GrowingTrace(path, index=index) as trace:
        for _ in trace.following():
            pass
    return index


def frames_from(path: Path, place: FramePlace) -> list[FrameRecord]:
    with TraceReader(path) as reader:
        return [each for each in reader.from_block(place.block) if isinstance(each, FrameRecord)]


def test_frame_index_places_give_the_same_frames_as_reading_all(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wstrace", 40)
    index = index_of(path)
    assert index.count == 400
    with TraceReader(path) as reader:
        frames = [each for each in reader if isinstance(each, FrameRecord)]
    for number in (1, 2, 64, 65, 200, 399, 400):
        place = index.before_frame(number)
        assert place is not None
        assert place.before < number <= place.before + 64 + PER_BLOCK
        assert frames_from(path, place) == frames[place.before :]


def test_frame_index_place_before_a_time_has_all_later_frames(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wstrace", 40)
    index = index_of(path)
    for ms in (0, 10, 150, 300, 900):
        place = index.before_time(ms * 1_000_000)
        assert place is not None
        later = [each for each in frames_from(path, place) if each.t_ns > ms * 1_000_000]
        assert len(later) == 400 - min(400, max(0, ms - 9))


def test_frame_index_of_a_long_trace_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PLACES", 4)
    index = index_of(written(tmp_path / "a.wstrace", 100))
    places = {index.before_frame(number) for number in range(1, 1001)}
    assert 2 <= len(places) <= 4


def test_frame_index_knows_whether_the_open_message_is_text(tmp_path: Path) -> None:
    part = FrameRecord(30_000_000, APP, int(Opcode.TEXT), b"ab", fin=False, wire_length=4)
    rest = FrameRecord(40_000_000, APP, int(Opcode.CONTINUATION), b"c", wire_length=3)
    silence = [audio(20, SERVER, b"x") for _ in range(80)]
    path = tmp_path / "a.wstrace"
    blocks: list[list[Record]] = [
        [*opened("/v1/listen"), *silence, part],
        [rest, audio(50, APP, b"y")],
    ]
    path.write_bytes(pack_trace(blocks, finish=False))
    place = index_of(path).before_frame(82)
    assert place is not None
    assert (place.before, place.is_text) == (81, (False, True))


def test_trace_reader_from_a_block_of_a_trace_that_was_written_again_is_stale(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "a.wstrace", 40)
    place = index_of(path).before_frame(300)
    assert place is not None
    written(path, 4)
    with TraceReader(path) as reader, pytest.raises(StalePlace):
        next(reader.from_block(place.block))
    path.write_bytes(bytes(100_000))
    with TraceReader(path) as reader, pytest.raises(StalePlace):
        list(islice(reader.from_block(place.block), 1))
