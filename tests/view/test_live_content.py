"""A session that is read while it is recorded: what its page has in the end."""

from __future__ import annotations

import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from html_page import RATE
from json_growth import grown
from sessions import APP, SERVER, audio, closed, opened, result, text_message
from speech_sessions import spoken
from traces import pack_trace
from view_server import OpenSession
from wsproxy.catalog import load
from wsproxy.report.explanation import explain
from wsproxy.report.html.page_data import page_data
from wsproxy.report.html.reading import SessionContent, read_content
from wsproxy.report.html.speech_data import result_data
from wsproxy.session.audio_meter import AudioMeter
from wsproxy.session.transcript import Result
from wsproxy.trace import Record, Start
from wsproxy.view import live_content, live_turns
from wsproxy.view.live_content import SECTIONS, LiveContent, Snapshot
from wsproxy.view.live_page import live_page, live_view

CATALOG = load()
STEP = RATE // 10 * 2  # bytes of 0.1 s
SPEECH = spoken(6.0, RATE)
LINEAR16 = f"encoding=linear16&sample_rate={RATE}"


class Shown:
    """What a page has: it applies updates to its data, as `SessionData.append` does."""

    def __init__(self, live: LiveContent, path: Path) -> None:
        self.live = live
        snapshot = live.snapshot()
        self.version = snapshot.version
        data = live_view(path, CATALOG, snapshot, max_audio=0).data
        self.state: dict[str, Any] = json.loads(json.dumps(data))
        self.numbers = numbers_in(self.state.pop("frames")["ranges"])
        self.turns: list[dict[str, Any]] = []
        self.open: list[dict[str, Any]] = []
        self.add_turns(self.state.pop("turns"))
        del self.state["transcript"]["results"], self.state["transcript"]["earlier"]
        del self.state["handshake"]
        for track in self.state["tracks"]:
            del track["audio"], track["note"]
        # Those that no update has replaced are in the page.
        page = "".join(live_page("call", path, CATALOG, snapshot, max_audio=0))
        self.sections = dict.fromkeys(SECTIONS, page)

    def poll(self) -> None:
        self.live.poll()
        for text in self.live.after(self.version) or []:
            update = json.loads(text)
            self.version = update["version"]
            self.state = grown(self.state, update["growth"])
            self.sections |= update["sections"]
            self.numbers += numbers_in(update["frames"]["ranges"])
            self.add_turns(update["turns"])

    def add_turns(self, found: dict[str, Any] | None) -> None:
        if found is not None:
            self.results, self.open = found["results"], found["open"]
            self.turns += found["turns"]
            assert self.turns == [] or self.turns[-1]["n"] == found["count"]


def numbers_in(ranges: list[list[int]]) -> list[int]:
    return [number for first, last in ranges for number in range(first, last + 1)]


def expected(path: Path) -> dict[str, Any]:
    """The data of the report."""
    content = read_content(path, CATALOG, max_audio=0, name=Path(path.name))
    explained = explain(content.name, content.session, content.findings, CATALOG)
    data = page_data(content, explained, [None] * len(content.tracks))
    for track in data["tracks"]:
        del track["audio"], track["note"]
    del data["handshake"]
    found: dict[str, Any] = json.loads(json.dumps(data))
    return found


def speech(seconds: float, *, at: float = 0.0) -> list[Record]:
    first = round(at * 10)
    return [
        audio(100 + 100 * n, APP, SPEECH[n * STEP : (n + 1) * STEP])
        for n in range(first, first + round(seconds * 10))
    ]


@pytest.fixture(params=["linear16", ""])
def session(tmp_path: Path, request: pytest.FixtureRequest) -> OpenSession:
    """A session whose format of audio is declared, or has to be guessed."""
    query = f"?encoding={request.param}&sample_rate={RATE}" if request.param else ""
    return OpenSession(tmp_path / "call.wstrace", *opened(f"/v1/listen{query}"))


def test_live_content_is_in_the_end_what_the_report_has(session: OpenSession) -> None:
    live = LiveContent(session.path, CATALOG)
    shown = Shown(live, session.path)
    lengths = []
    for second in range(6):
        session.grow(*speech(1, at=second), result(1050 + 1000 * second, "word", final=second > 3))
        shown.poll()
        lengths.append(len(shown.state["tracks"][0]["peaks"]["low"]))
        assert shown.results == second + 1
    assert lengths == sorted(set(lengths)), "the waveform does not grow"
    assert not live.ended
    assert "still open" in shown.sections["about"]
    session.grow(closed(6100, APP, 1000), closed(6101, SERVER, 1000))
    path = session.done()
    shown.poll()
    assert live.ended
    want = expected(path)
    frames, results = want.pop("frames"), want["transcript"].pop("results")
    marks = shown.state.pop("marks")
    assert shown.state == want
    assert sum(marks["counts"]) == frames["count"]
    assert live.results(1, shown.results) == results
    assert [turn["result"] for turn in shown.turns] == [r for r in results if r["final"]]
    assert [turn["interims"] for turn in shown.turns] == [4, 0]
    assert shown.numbers == list(range(1, frames["count"] + 1))
    assert "code 1000" in shown.sections["numbers"]


def data_of(snapshot: Snapshot) -> dict[str, Any]:
    """The data with which a page begins, without its frames, its audio and its handshake."""
    data: dict[str, Any] = json.loads(json.dumps(snapshot.parts))
    del data["handshake"]
    for track in data["tracks"]:
        del track["audio"], track["note"]
    return data


def test_live_content_updates_give_a_page_what_one_that_is_loaded_now_has(
    session: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {
        "report.html.reading.KEPT_RESULTS": 5,
        "session.control_events.KEPT_EVENTS": 4,
        "session.latency.KEPT_LAGS": 6,
        "audio.waveform.MAX_INTERVALS": 40,
        "report.html.arrival_map.MAX_POINTS": 4,
    }
    for name, limit in limits.items():
        monkeypatch.setattr(f"wsproxy.{name}", limit)
    live = LiveContent(session.path, CATALOG)
    shown = Shown(live, session.path)
    t = 0.0
    for step in range(40):
        pause = 2.0 if step % 7 == 0 else 0.0
        t += 0.1 + pause
        piece = SPEECH[step * STEP : (step + 1) * STEP]
        session.grow(audio(t * 1000, APP, piece), result(t * 1000 + 1, f"w{step}", final=True))
        session.grow(text_message(t * 1000 + 2, APP, {"type": "KeepAlive"}))
        if step % 11 in (0, 1, 2, 5):
            snapshot = live.snapshot()
            shown.poll()
            assert shown.version == snapshot.version
            assert shown.state == data_of(snapshot)
    assert shown.state["transcript"]["results_not_kept"] == 29
    live.close()


def test_live_page_has_the_frames_and_the_audio_so_far(tmp_path: Path) -> None:
    session = OpenSession(tmp_path / "call.wstrace", *opened(f"/v1/listen?{LINEAR16}"), *speech(3))
    live = LiveContent(session.path, CATALOG)
    live.poll()
    session.grow(*speech(2, at=3))
    snapshot = live.snapshot()
    session.grow(*speech(1, at=5))  # belongs to an update
    view = live_view(session.path, CATALOG, snapshot, max_audio=1_000_000)
    (track,) = view.data["tracks"]
    assert (track["audio"]["start"], track["note"]) == (0.0, "")
    assert track["audio"]["seconds"] >= 5.0
    assert len(view.audio[track["audio"]["element"]]) > 5 * RATE * 2
    assert view.data["frames"]["ranges"] == [(1, 50)]
    live.close()


def test_live_content_makes_each_result_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(found: Result, words: Any) -> dict[str, Any]:
        made.append(found.frame)
        return result_data(found, words)

    monkeypatch.setattr(live_turns, "result_data", counted)
    session = OpenSession(tmp_path / "call.wstrace", *opened("/v1/listen"))
    live = LiveContent(session.path, CATALOG)
    live.poll()
    for step in range(200):
        session.grow(result(100 + 100 * step, f"word {step}", final=True))
        live.poll(now=step % 4 == 0)
    assert made == sorted(set(made))
    assert len(made) == 200
    live.close()


def test_live_content_analyzes_much_audio_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[AudioMeter] = []
    settle = AudioMeter.settle

    def counted(meter: AudioMeter) -> None:
        settled.append(meter)
        settle(meter)

    monkeypatch.setattr(AudioMeter, "settle", counted)
    frames = [
        each
        for n in range(50)
        for each in (*speech(0.1, at=n / 10), result(100 * n, "word", final=True))
    ]
    session = OpenSession(tmp_path / "call.wstrace", *opened("/v1/listen"), *frames)
    live = LiveContent(session.path, CATALOG)
    live.poll()
    assert len(settled) < len(frames) / 2
    live.close()


@pytest.mark.one_python
def test_live_content_of_a_long_session_holds_little(tmp_path: Path) -> None:
    session = OpenSession(tmp_path / "call.wstrace", *opened(f"/v1/listen?{LINEAR16}"))
    live = LiveContent(session.path, CATALOG)
    sizes = []
    tracemalloc.start()
    try:
        for second in range(400):
            session.grow(audio(1000 * second, APP, SPEECH[: 10 * STEP]))
            if second % 10 == 9:
                live.poll()
            if second in (99, 399):
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert sizes[1] - sizes[0] < 500_000  # of 9.6 MB of audio
    live.close()


def test_live_content_keeps_few_characters_of_updates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_content, "KEPT_CHARACTERS", 20_000)
    session = OpenSession(tmp_path / "call.wstrace", *opened("/v1/listen"))
    live = LiveContent(session.path, CATALOG)
    live.poll()
    for step in range(20):
        session.grow(*(result(100 + step, "many words " * 100, final=True) for _ in range(5)))
        live.poll()
    kept = [
        text.split('"sections":')[0]  # these are kept once, in their last state
        for version in range(live.version)
        for text in live.after(version) or []
    ]
    assert kept
    assert sum(map(len, set(kept))) <= 20_000
    session.grow(*(result(200, "many words " * 100, final=True) for _ in range(50)))
    live.poll()
    assert len(live.after(live.version - 1) or []) == 1, "the last one is kept in any case"
    live.close()


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The records that are added to contents of pages."""
    found: list[Any] = []
    add = SessionContent.add

    def counted(content: SessionContent, record: Any) -> None:
        found.append(record)
        add(content, record)

    monkeypatch.setattr(SessionContent, "add", counted)
    return found


def test_live_content_reads_each_record_only_a_few_times(tmp_path: Path, added: list[Any]) -> None:
    session = OpenSession(tmp_path / "call.wstrace", *opened("/v1/listen"))
    live = LiveContent(session.path, CATALOG)
    live.poll()
    for step in range(100):
        session.grow(*speech(0.1, at=step / 10))
        live.poll()
    assert len(added) < 400
    live.close()


def test_live_content_that_is_read_again_does_not_collect_the_frames_that_pages_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    add = SessionContent.add

    def watched(content: SessionContent, record: Any) -> None:
        add(content, record)
        held.append(len(list(content.frames)))

    monkeypatch.setattr(SessionContent, "add", watched)
    session = OpenSession(tmp_path / "call.wstrace", *opened("/v1/listen"))
    live = LiveContent(session.path, CATALOG)
    live.poll()
    for step in range(60):
        piece = SPEECH[step * STEP : (step + 1) * STEP]
        session.grow(audio(100 + 100 * step, APP, piece), result(101 + 100 * step, "w", final=True))
        live.poll()
    assert max(held) <= 4
    live.close()


def test_live_content_of_a_long_session_reads_it_once(tmp_path: Path, added: list[Any]) -> None:
    session = OpenSession(tmp_path / "call.wstrace", *opened("/v1/listen"), *speech(5))
    live = LiveContent(session.path, CATALOG)
    live.poll()
    assert live.version == 1
    assert sum(isinstance(record, Start) for record in added) == 1
    live.close()


def test_live_content_of_which_the_diagnosis_is_slow_has_it_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1000.0
    diagnosed = []

    def diagnose(content: SessionContent) -> None:
        nonlocal clock
        diagnosed.append(clock)
        clock += 0.5

    for name in ("monotonic", "thread_time"):
        monkeypatch.setattr(f"wsproxy.view.live_content.time.{name}", lambda: clock)
    monkeypatch.setattr(SessionContent, "diagnose", diagnose)
    session = OpenSession(tmp_path / "call.wstrace", *opened("/v1/listen"))
    live = LiveContent(session.path, CATALOG)
    for step in range(100):
        session.grow(*speech(0.1, at=step / 10))
        live.poll()
        clock += 0.2
    assert len(diagnosed) < 4
    live.close()


def test_live_content_of_a_killed_recorder_ends(tmp_path: Path) -> None:
    path = tmp_path / "call.wstrace"
    path.write_bytes(pack_trace([[*opened("/v1/listen")], speech(1)], finish=False))
    shown = Shown(LiveContent(path, CATALOG), path)
    for _ in range(3):  # reads, sees that nobody writes, and that nothing more was written
        shown.poll()
    assert shown.live.ended
    assert "truncated" in shown.sections["about"]


def test_live_content_for_a_page_that_is_too_far_behind_has_no_updates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_content, "KEPT_UPDATES", 2)
    session = OpenSession(tmp_path / "call.wstrace", *opened("/v1/listen"))
    live = LiveContent(session.path, CATALOG)
    for step in range(4):
        session.grow(*speech(0.1, at=step / 10))
        live.poll()
    assert live.version == 4
    assert live.after(4) == []
    assert len(live.after(2) or []) == 2
    assert live.after(1) is None
    live.close()
