"""Pages stay small and sound, whatever a trace holds."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

import hostile_traces
from html_page import RATE, page_of
from sessions import APP, SERVER, Records, audio, closed, opened, result, text_message, write
from speech_sessions import spoken
from wsproxy.report.html import frame_table
from wsproxy.report.html.frame_table import (
    FrameTable,
    content_of,
    fitting_limit,
    is_shortened,
    ranges_of,
)
from wsproxy.trace import FrameRun

MB = 1_000_000
# A page with audio has at most this much more besides it: what the scripts will have is not in it.
BESIDES_AUDIO = 3.6 * MB
HOSTILE = (
    "a_hundred_thousand_closes",
    "many_failures_gaps_and_findings_that_are_kept",
    "a_text_of_15_mb_in_wide_characters",
    "ten_thousand_headers",
    "a_path_of_a_megabyte",
    "times_at_the_edges",
    "millions_of_pings",
)


@pytest.mark.sweep(keep=3)
@pytest.mark.cost
@pytest.mark.one_python
@pytest.mark.parametrize("name", HOSTILE)
def test_page_of_a_hostile_trace_is_small_and_complete(name: str, tmp_path: Path) -> None:
    hostile_traces.MAKERS[name](tmp_path / "t.wstrace")
    page = page_of(tmp_path / "t.wstrace", max_audio=0)
    assert len(page.html.encode()) < BESIDES_AUDIO
    assert page.unclosed == []
    for script in page.root.all("script", type="application/json"):
        json.loads(script.text)


def long_call(path: Path, minutes: float, *, chunk_ms: int = 20) -> Path:
    """A session in real time with results four times a second, as a phone call has."""
    data = spoken(20.0, RATE)
    step, records = (
        RATE // 1000 * chunk_ms * 2,
        opened(f"/v1/listen?encoding=linear16&sample_rate={RATE}"),
    )
    for number in range(round(minutes * 60_000 / chunk_ms)):
        at = number * step % (len(data) - step)
        records.append(audio(100 + number * chunk_ms, APP, data[at : at + step]))
    words = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "runs"]
    for number in range(round(minutes * 60 * 4)):
        text = " ".join(words[: 4 + number % 8])
        records.append(result(1000 + number * 250, text, final=number % 16 == 0))
    end = minutes * 60_000 + 200
    return write(path, [*records, closed(end, APP, 1000), closed(end + 20, SERVER, 1000)])


@pytest.mark.cost
@pytest.mark.one_python
def test_page_of_ten_minutes_in_30000_frames_has_at_most_25_mb(tmp_path: Path) -> None:
    trace = long_call(tmp_path / "a.wstrace", 10)
    page = page_of(trace)
    assert page.data("frames")["count"] > 30_000
    assert page.data("tracks")[0]["note"] == ""
    assert len(page.html.encode()) <= 20 * MB + BESIDES_AUDIO
    element = page.root.one("script", id="audio-0")
    assert len(page.html.encode()) - len(element.text) < BESIDES_AUDIO


def texts(count: int, size: int) -> Records:
    return [text_message(n, SERVER, "x" * size) for n in range(count)]


def test_frame_table_contents_stay_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_table, "TEXT_BUDGET", 5000)
    table = FrameTable()
    for record in [*texts(50, 10), *texts(10, 2000)]:
        table.add(record)  # type: ignore[arg-type]
    limits = table.limits()
    shown = [content_of(frame, limits) for frame in table]
    assert 4000 < sum(map(len, shown)) <= 5000
    assert {len(text) for text in shown[:50]} == {10}
    assert [is_shortened(frame, limits) for frame in table] == [False] * 50 + [True] * 10


def test_frame_table_memory_is_bounded_while_it_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_table, "_HELD", 100_000)
    table = FrameTable()
    for record in texts(500, 10_000):
        table.add(record)  # type: ignore[arg-type]
        assert sum(len(frame.payload) for frame in table) <= 100_000


def test_frame_table_keeps_the_first_the_last_and_named_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frame_table, "KEPT_FIRST", 3)
    table = FrameTable()
    table._last = type(table._last)(maxlen=4)  # KEPT_LAST
    records = texts(20, 5)
    for record in records:
        table.add(record)  # type: ignore[arg-type]
    assert [number for number in range(22) if table.keeps(number)] == [1, 2, 3, 17, 18, 19, 20]
    for number in (9, 10):
        table.add_between(number, records[number - 1])  # type: ignore[arg-type]
    assert ranges_of(table) == [(1, 3), (9, 10), (17, 20)]
    assert [frame.number for frame in table] == [1, 2, 3, 9, 10, 17, 18, 19, 20]


def test_frame_table_of_a_run_is_that_of_its_frames() -> None:
    second, data = 10**9, [b"x" * size for size in (1, 256, 257, 5000)]
    texts = [(1, text_message(1001, SERVER, "a")), (4, text_message(5000, APP, "b"))]
    times = [0, 2 * second, 3 * second - 1, 9 * second]
    run = FrameRun(APP, times, data, list(map(len, data)), [9] * 4, texts, count=6)
    table, single = FrameTable(), FrameTable()
    for _ in range(3):
        table.add_run(run)
        for frame in run.frames():
            single.add(frame)
    assert list(table) == list(single)
    assert table.limits() == single.limits()
    for side in (True, False):
        assert table.gaps(second, from_client=side) == single.gaps(second, from_client=side)
    assert [frame.is_text for frame in table][:6] == [False, True, False, False, True, False]


def test_frame_table_that_forgets_has_the_frames_after_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frame_table, "KEPT_FIRST", 3)
    table = FrameTable()
    records = texts(20, 5)
    for record in records[:9]:
        table.add(record)  # type: ignore[arg-type]
    table.forget()
    assert list(table) == table.after(9) == []
    for record in records[9:]:
        table.add(record)  # type: ignore[arg-type]
    assert [frame.number for frame in table] == list(range(10, 21))
    assert [frame.number for frame in table.after(9)] == list(range(10, 21))
    assert [frame.number for frame in table.after(14)] == list(range(15, 21))
    assert [number for number in range(22) if table.keeps(number)] == list(range(10, 21))


@pytest.mark.parametrize(
    ("sizes", "budget", "limit"),
    [
        ([], 10, 50),
        ([5, 5], 10, 50),
        ([60], 100, 50),
        ([10, 100], 60, 50),
        ([100, 100], 60, 30),
        ([9] * 9, 9, 2),
    ],
)
def test_fitting_limit_is_the_largest_that_fits(sizes: list[int], budget: int, limit: int) -> None:
    assert fitting_limit(sizes, budget, 50, 2) == limit


def test_page_evidence_in_the_middle_of_a_long_session_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_table, "KEPT_FIRST", 5)
    monkeypatch.setattr(frame_table, "KEPT_LAST", 5)
    error = {"type": "Error", "description": "the model is gone", "variant": "GONE"}
    records = opened("/v1/listen")
    records += [audio(100 + n, APP, b"\1\2" * 80) for n in range(40)]
    records += [text_message(120.5, SERVER, error), closed(200, SERVER, 1011, "GONE")]
    page = page_of(write(tmp_path / "a.wstrace", records))
    (number,) = {
        number
        for finding in page.data("findings")
        for evidence in finding["evidence"]
        for number in evidence["frames"]
        if 10 < number < 30
    }
    assert [number, number] in page.data("frames")["ranges"]
    assert "the model is gone" in page.root.one("tr", id=f"f{number}").text


def test_page_of_numbers_in_a_message_replaces_them_by_their_count(tmp_path: Path) -> None:
    message = {"type": "audio", "samples": [0.25, -1] * 400, "after": 1}
    page = page_of(write(tmp_path / "a.wstrace", [*opened("/"), text_message(9, APP, message)]))
    content = json.loads(page.data("frames")["content"][0])
    assert content["samples"][:2] == [0.25, -1]
    assert content["samples"][-1] == "… (800 numbers)"
    assert content["after"] == 1


def test_page_long_text_says_how_long_it_was(tmp_path: Path) -> None:
    encoded = base64.b64encode(bytes(30_000)).decode()
    records = [*opened("/"), text_message(9, APP, f"{'word ' * 9000}{encoded}")]
    frames: dict[str, list[int]] = page_of(write(tmp_path / "a.wstrace", records)).data("frames")
    assert frames["length"][0] == 85_000
    assert frames["short"] == [1]
