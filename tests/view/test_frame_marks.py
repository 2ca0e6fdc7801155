"""The frames of a session for its time axis, counted by time."""

from __future__ import annotations

import pytest

from sessions import APP, SERVER, audio, closed, text_message
from wsproxy.trace import FrameRun
from wsproxy.view import frame_marks
from wsproxy.view.frame_marks import FrameMarks

TEXT, BINARY, CONTROL = 1, 2, 4
OF_SERVER = 8


def shown(marks: FrameMarks) -> tuple[float, list[int], list[int]]:
    parts = marks.parts()
    return parts["width"], parts["counts"].items(0), parts["kinds"].items(0)


def test_frame_marks_count_frames_and_note_kinds_of_both_sides() -> None:
    marks = FrameMarks()
    marks.add(audio(10, APP, b"x"))
    marks.add(text_message(20, SERVER, "a"))
    marks.add(FrameRun(SERVER, [310_000_000, 320_000_000], [b"a", b"b"], [1, 1], [3, 3], count=2))
    marks.add(closed(330, APP, 1000))
    width, counts, kinds = shown(marks)
    assert width == pytest.approx(0.1)
    assert counts == [2, 0, 0, 3]
    assert kinds == [BINARY | TEXT * OF_SERVER, 0, 0, BINARY * OF_SERVER | CONTROL]


def test_frame_marks_of_a_run_are_those_of_its_frames() -> None:
    texts = [(1, text_message(250, APP, "a")), (3, text_message(330, SERVER, "b"))]
    times = [10_000_000, 310_000_000, 900_000_000]
    run = FrameRun(SERVER, times, [b"a", b"b", b"c"], [1] * 3, [3] * 3, texts, count=5)
    marks, single = FrameMarks(), FrameMarks()
    marks.add(run)
    for frame in run.frames():
        single.add(frame)
    assert shown(marks) == shown(single)
    assert shown(marks)[1] == [1, 0, 1, 2, 0, 0, 0, 0, 0, 1]


def test_frame_marks_with_too_many_intervals_joins_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_marks, "MAX_INTERVALS", 4)
    marks = FrameMarks()
    for number in range(5):
        marks.add(
            audio(100 * number + 10, APP, b"x")
            if number % 2
            else text_message(100 * number + 10, APP, "x")
        )
    width, counts, kinds = shown(marks)
    assert width == pytest.approx(0.2)
    assert counts == [2, 2, 1]
    assert kinds == [TEXT | BINARY, TEXT | BINARY, TEXT]
    marks.add(audio(1e12, APP, b"x"))  # 30 years later
    width, counts, _ = shown(marks)
    assert len(counts) <= 4
    assert sum(counts) == 6
    assert width * 4 > 1e9


def test_frame_marks_of_times_that_go_back_stay_in_order() -> None:
    marks = FrameMarks()
    marks.add(audio(500, APP, b"x"))
    marks.add(audio(100, APP, b"x"))
    marks.add(audio(-100, APP, b"x"))
    assert shown(marks)[1] == [0, 0, 0, 0, 0, 3]
