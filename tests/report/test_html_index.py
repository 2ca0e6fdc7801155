"""The page of many sessions, and the pages that it links to."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from commands import wsproxy
from html_page import MARKUP, RATE, Page, listening
from sessions import APP, SERVER, Records, audio, closed, opened
from speech_sessions import spoken
from trace_builder import BEGAN_NS, TraceBuilder
from wsproxy.report.html import index_charts as charts
from wsproxy.report.html import index_page


def write(path: Path, records: Records, *, minute: int = 0) -> None:
    """A trace of a session that began some minutes after the first one."""
    began = BEGAN_NS + minute * 60 * 10**9
    TraceBuilder(path, began_ns=began, provider="deepgram", api="listen").add(*records).done()


def failing(reason: str = "") -> Records:
    records = [*opened(f"/v1/listen?encoding=linear16&sample_rate={RATE}&model=nova-3")]
    records.append(audio(100, APP, spoken(0.1, RATE)))
    return [*records, closed(12_000, SERVER, 1011, f"NET-0001 {reason}".strip())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three sessions, two of which fail in the same way; two traces with the same name."""
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
    write(tmp_path / "in" / "a" / "call.wstrace", listening())
    write(tmp_path / "in" / "b" / "call.wstrace", failing(), minute=1)
    write(tmp_path / "in" / "b" / "other.wstrace", failing(), minute=9)
    return tmp_path / "in"


def report(folder: Path, *options: object) -> tuple[Page, Path]:
    out = folder.with_name("out")
    done = wsproxy("report", folder, "--out", out, *options)
    assert done.returncode == 0, done.stderr
    return Page((out / "index.html").read_text()), out


def test_index_has_the_groups_that_explain_has(folder: Path) -> None:
    page, _ = report(folder)
    data = page.data("index")
    said = wsproxy("explain", folder, "--markdown").stdout
    assert data["summary"] == said.splitlines()[0] or data["summary"].startswith("3 sessions")
    assert data["groups"][0]["count"] == 2
    assert data["groups"][0]["id"] in said
    row = page.root.one("section", id="groups").one("tbody").all("tr")[0]
    assert data["groups"][0]["title"] in row.text


def test_index_links_to_the_page_of_each_session(folder: Path) -> None:
    page, out = report(folder)
    links = {e.attributes["href"] for e in page.root.one("section", id="sessions").all("a")}
    names = {unquote(link or "") for link in links}
    assert len(names) == 3
    assert names | {"index.html"} == {path.name for path in out.iterdir()}
    for session in page.data("index")["sessions"]:
        linked = Page((out / unquote(session["page"])).read_text())
        assert linked.data("session")["file"] == session["file"]
        assert linked.data("session")["outcome"] == session["outcome"]


def test_index_counts_outcomes_over_time_and_latencies(folder: Path) -> None:
    data = report(folder)[0].data("index")
    outcomes = [session["outcome"] for session in data["sessions"]]
    for name in ("failed", "unproven", "succeeded"):
        assert sum(data["times"][name]) == outcomes.count(name)
    assert data["latency"]["first_final"]["count"] == 1
    assert data["latency"]["first_final"]["p50"] == pytest.approx(3.0, abs=0.1)


def test_index_charts_have_each_session_and_stay_within_their_frames(folder: Path) -> None:
    page, _ = report(folder)
    times = page.data("index")["times"]
    bars = list(charts.outcome_bars(times))
    for outcome in charts.OUTCOMES:
        assert sum(bar.count for bar in bars if bar.outcome == outcome) == sum(times[outcome])
    assert all(0 <= bar.x < bar.x + bar.width <= charts.WIDTH for bar in bars)
    assert all(0 <= bar.y < bar.y + bar.height <= charts.HEIGHT for bar in bars)
    drawn = page.root.one("section", id="outcomes").one("svg").all("rect")
    assert [e.attributes["class"] for e in drawn] == [bar.outcome for bar in bars]


def test_latency_strip_places_values_between_nothing_and_the_largest_one() -> None:
    latency = {"p50": 1.0, "p95": 2.0, "max": 2.0}
    strip = charts.latency_strip(latency, [2.0, 0.0, 1.0])
    left, middle, right = strip.dots
    assert 0 < left < middle < right < charts.STRIP_WIDTH
    assert (strip.p50, strip.p95) == (middle, right)
    many = charts.latency_strip(latency, [1.0] * 100_000)
    assert len(many.dots) <= 500
    assert charts.latency_strip({"p50": 0.0, "p95": 0.0, "max": 0.0}, [0.0]).dots == [left]


def test_index_existing_file_is_kept_without_force(folder: Path) -> None:
    out = folder.with_name("out")
    out.mkdir()
    (out / "other.html").write_text("mine")
    done = wsproxy("report", folder, "--out", out)
    assert done.returncode == 2
    assert "already exists" in done.stderr
    assert [path.name for path in out.iterdir()] == ["other.html"]
    assert (out / "other.html").read_text() == "mine"


def test_index_of_more_sessions_than_pages_writes_those_that_failed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_page, "MAX_PAGES", 2)
    page, out = report(folder)
    paged = [s for s in page.data("index")["sessions"] if s["page"]]
    assert len(paged) == 2
    assert {session["outcome"] for session in paged} == {"failed"}
    assert len(list(out.iterdir())) == 3


def test_index_broken_trace_is_reported_and_the_others_are_written(folder: Path) -> None:
    (folder / "broken.wstrace").write_bytes(b"no trace")
    out = folder.with_name("out")
    done = wsproxy("report", folder, "--out", out)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    page = Page((out / "index.html").read_text())
    assert page.data("index")["unreadable"] == 1
    assert len(page.data("index")["sessions"]) == 3


def test_index_of_hostile_names_and_texts_has_no_markup_of_them(folder: Path) -> None:
    name = "a b%20#?\"><img src=x onerror=canary()>'.wstrace"
    write(folder / name, failing(MARKUP.translate({0x2028: None, 0x2029: None})[:80]))
    page, out = report(folder)
    assert page.unclosed == []
    assert not page.root.all("img")
    assert len(page.root.all("script")) == 2
    for link in page.root.one("section", id="sessions").all("a"):
        assert (out / unquote(link.attributes["href"] or "")).is_file()
        assert "/" not in (link.attributes["href"] or "")


def test_index_of_no_recordings_is_an_error(tmp_path: Path) -> None:
    done = wsproxy("report", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "no recordings" in done.stderr
    assert not (tmp_path / "out").exists()
