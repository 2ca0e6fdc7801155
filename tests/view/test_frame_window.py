"""Frames of a session that is recorded, read when a page asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sessions import APP, SERVER, audio, opened, text_message
from view_server import OpenSession
from wsproxy.catalog import load
from wsproxy.errors import TraceError
from wsproxy.trace import FrameRecord, TraceReader
from wsproxy.trace.compaction import compact
from wsproxy.view.frame_window import FrameWindow
from wsproxy.view.live_content import LiveContent
from wsproxy.wire import Opcode

COUNT = 3000


@pytest.fixture
def session(tmp_path: Path) -> OpenSession:
    """Frames 10 ms apart, ten in each block; every tenth is text."""
    session = OpenSession(tmp_path / "call.wstrace", *opened("/v1/listen"))
    for block in range(COUNT // 10):
        t_ms = 100 * block + 100
        session.grow(
            text_message(t_ms, SERVER, f"text {block}"),
            *(audio(t_ms + 10 * n, APP, bytes([n])) for n in range(1, 10)),
        )
    return session


@pytest.fixture
def window(session: OpenSession) -> FrameWindow:
    return window_of(session)


def window_of(session: OpenSession) -> FrameWindow:
    live = LiveContent(session.path, load())
    live.poll()
    live.close()
    return live.frames


def numbers_in(columns: dict[str, Any]) -> list[int]:
    return [n for first, last in columns["ranges"] for n in range(first, last + 1)]


@pytest.mark.parametrize(
    "wanted",
    [[1], [COUNT], list(range(500, 900)), [1, 2, 700, 1500, 1501, 2999], [64, 65, 320, 576]],
    ids=["first", "last", "stretch", "some", "far"],
)
def test_frame_window_has_the_frames_that_are_asked_for(
    window: FrameWindow, wanted: list[int]
) -> None:
    columns = window.columns(wanted)
    assert numbers_in(columns) == wanted
    assert columns["count"] == COUNT
    assert columns["t"] == pytest.approx([0.09 + 0.01 * number for number in wanted])
    texts = [
        f"text {number // 10}" if number % 10 == 1 else f"{(number - 1) % 10:02x}"
        for number in wanted
    ]
    assert columns["content"] == texts


def test_frame_window_beyond_the_end_has_none(window: FrameWindow) -> None:
    assert numbers_in(window.columns([COUNT, COUNT + 1, COUNT + 500])) == [COUNT]


@pytest.mark.parametrize(
    ("seconds", "number"), [(0.0, 1), (0.1, 1), (0.115, 2), (15.0, 1491), (99.0, COUNT)]
)
def test_frame_window_at_a_time_has_the_last_frame_until_then(
    window: FrameWindow, seconds: float, number: int
) -> None:
    found = window.at_time(seconds)
    assert found["at"] == number
    assert number in numbers_in(found)
    assert len(numbers_in(found)) <= 64


def test_frame_window_reads_little_for_a_late_frame(
    window: FrameWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    from_block = TraceReader.from_block

    def counted(reader: TraceReader, place: Any) -> Any:
        for record in from_block(reader, place):
            read.append(record)
            yield record

    monkeypatch.setattr(TraceReader, "from_block", counted)
    window.columns([2900])
    assert len(read) < 100


def test_frame_window_of_a_trace_that_is_written_again_reads_it_again(
    session: OpenSession, window: FrameWindow
) -> None:
    before = window.columns([1, 2000])
    compact(session.done())
    assert window.columns([1, 2000]) == before


def test_frame_window_of_a_trace_that_was_removed_reports_it(
    session: OpenSession, window: FrameWindow
) -> None:
    session.path.unlink()
    with pytest.raises(TraceError):
        window.columns([1])


def test_frame_window_shows_the_rest_of_a_text_message_as_text(tmp_path: Path) -> None:
    part = FrameRecord(0, APP, int(Opcode.TEXT), b"ab", fin=False)
    rest = FrameRecord(0, APP, int(Opcode.CONTINUATION), b"cd")
    session = OpenSession(tmp_path / "call.wstrace", *opened("/v1/listen"))
    session.grow(*(audio(100, SERVER, b"x") for _ in range(100)), part)
    session.grow(rest, *(audio(200, SERVER, b"x") for _ in range(100)))
    assert window_of(session).columns([102])["content"] == ["cd"]
