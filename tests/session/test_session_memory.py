"""The memory that a session takes: while a large message is read, and after it is released."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hostile_traces
from wsproxy.catalog import load
from wsproxy.report.examination import ExaminedSession, examine
from wsproxy.session import Session, frame_fold
from wsproxy.session.audio_carrier import AudioCarrierReader
from wsproxy.session.exchange_tracker import MAX_OPEN, ExchangeTracker
from wsproxy.session.message import MAX_MESSAGE_VALUES, MessageReader, SessionMessage
from wsproxy.session.messages import CompleteMessage
from wsproxy.trace import FrameRecord
from wsproxy.trace.read_limits import Allowance
from wsproxy.wire import Opcode

MIB = 1 << 20


@pytest.fixture
def measured() -> Iterator[Callable[[Callable[[], object]], tuple[int, int]]]:
    """Bytes that a call leaves allocated, without garbage collection, and its peak."""
    gc.collect()
    gc.disable()
    tracemalloc.start()

    def measure(call: Callable[[], object]) -> tuple[int, int]:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        after, peak = tracemalloc.get_traced_memory()
        return after - before, peak - before

    yield measure
    tracemalloc.stop()
    gc.enable()


def test_examine_one_of_many_traces_frees_its_memory_without_garbage_collection(
    tmp_path: Path, measured: Callable[[Callable[[], object]], tuple[int, int]]
) -> None:
    path, catalog = tmp_path / "a.wstrace", load()
    hostile_traces.MAKERS["many_failures_gaps_and_findings_that_are_kept"](path)
    assert isinstance(examine(path, catalog, Allowance()), ExaminedSession)  # what is cached
    left, peak = measured(lambda: examine(path, catalog, Allowance()))
    assert peak > 20 * MIB
    assert left < 4 * MIB


def test_exchange_tracker_texts_of_many_contexts_keep_a_part_of_them(
    measured: Callable[[Callable[[], object]], tuple[int, int]],
) -> None:
    tracker = ExchangeTracker(load().api("cartesia", "tts"))

    def add(count: int) -> None:
        for number in range(count):
            content = {"context_id": f"{number:05}" * 20, "transcript": "Good", "continue": True}
            tracker.add(SessionMessage(number, number, True, "", content, 100))

    add(MAX_OPEN)
    assert measured(lambda: add(4 * MAX_OPEN))[0] < 64 << 10


def test_message_reader_too_many_values_reads_no_json() -> None:
    def content(values: int) -> object:
        data = b'{"type":"x","a":[' + b"1," * values + b"1]}"
        reader = MessageReader(None)
        return reader.read(CompleteMessage(1, 0, False, True, data, len(data))).content

    assert content(MAX_MESSAGE_VALUES // 2) is not None
    assert content(MAX_MESSAGE_VALUES) is None


def test_audio_carrier_text_of_many_strings_is_not_split(
    measured: Callable[[Callable[[], object]], tuple[int, int]],
) -> None:
    data = b"{" + b'"a":"b",' * 200_000 + b"}"
    assert measured(lambda: AudioCarrierReader().text(data, len(data)))[1] < MIB


def test_fold_long_text_in_one_frame_is_read_up_to_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frame_fold, "KEPT_TEXT_FRAME", 100)
    session = Session.analyzing(load())
    timeline, given = session.timeline, []
    assert timeline is not None
    monkeypatch.setattr(
        timeline, "add_message", lambda each, _: given.append((len(each.data), each.length))
    )
    session.add(FrameRecord(0, False, Opcode.TEXT, b"x" * 300))
    session.add(FrameRecord(0, False, Opcode.TEXT, b"x" * 100))
    assert given == [(100, 300), (100, 100)]
