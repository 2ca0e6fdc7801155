"""The page of two sessions."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from commands import wsproxy
from html_page import MARKUP, RATE, Page, listening
from sessions import Records, write
from wsproxy.catalog import load
from wsproxy.compare import compare
from wsproxy.report.html.pair_page import pair_page


def later(records: Records, ms: int) -> Records:
    for record in records[1:]:
        object.__setattr__(record, "t_ns", record.t_ns + ms * 1_000_000)
    return records


def page_of(first: Path, second: Path, *, max_audio: int = 20_000_000) -> Page:
    return Page("".join(pair_page(first, second, load(), max_audio=max_audio)))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    a = write(tmp_path / "a.wstrace", listening())
    return a, write(tmp_path / "b.wstrace", later(listening(words="hello word"), 500))


def test_pair_page_shows_what_diff_says(pair: tuple[Path, Path]) -> None:
    page, found = page_of(*pair), compare(*pair)
    data = page.data("difference")
    assert data["verdict"] == "different"
    assert page.root.one("h1").text == data["summary"]
    assert [each["field"] for each in data["differences"]] == [d.field for d in found.differences]
    rows = page.root.one("section", id="difference").all("tbody")[0].all("tr")
    assert [row.one("th").text.split(":")[0] for row in rows] == [
        d.field for d in found.differences
    ]
    assert "hello word" in rows[0].text


def test_pair_page_aligns_the_sessions_at_the_upgrade(pair: tuple[Path, Path]) -> None:
    data = page_of(*pair).data("difference")
    assert data["offset"] == -0.5
    assert data["first"] in data["differences"]
    assert data["first"]["b_t"] + data["offset"] == pytest.approx(data["first"]["a_t"])


def test_pair_page_has_both_sessions_with_ids_of_their_own(pair: tuple[Path, Path]) -> None:
    page = page_of(*pair)
    ids = [e.attributes["id"] for e in page.root.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for prefix, text in (("", "hello world"), ("b-", "hello word")):
        results = page.data("transcript", prefix)["results"]
        assert results[-1]["text"] == text
        (track,) = page.data("tracks", prefix)
        element = page.root.one("script", id=track["audio"]["element"])
        assert track["audio"]["element"].startswith(prefix)
        assert len(base64.b64decode(element.text)) > 3 * RATE
        assert page.root.one("tr", id=f"{prefix}f1")
    assert page.unclosed == []


def test_pair_page_of_hostile_text_has_no_markup_of_it(tmp_path: Path) -> None:
    a = write(tmp_path / "a.wstrace", listening(words=MARKUP))
    b = write(tmp_path / f"{MARKUP[:20].replace('/', '')}.wstrace", listening())
    page = page_of(a, b)
    assert page.unclosed == []
    assert {e.attributes.get("type") for e in page.root.all("script")} == {
        None,  # the libraries, whose hashes another test checks
        "application/json",
        "application/octet-stream",
        "module",
    }
    assert not page.root.all("img")
    assert MARKUP in {str(each["a"]) for each in page.data("difference")["differences"]} or (
        "canary" in str(page.data("difference"))
    )


def test_pair_page_of_the_same_session_twice_is_same(pair: tuple[Path, Path]) -> None:
    data = page_of(pair[0], pair[0]).data("difference")
    assert data["verdict"] == "same"
    assert data["differences"] == []
    assert data["first"] is None


def test_report_of_two_traces_is_one_file(pair: tuple[Path, Path], tmp_path: Path) -> None:
    done = wsproxy("report", *pair, "--out", tmp_path / "pair.html")
    assert done.returncode == 0, done.stderr
    assert Page((tmp_path / "pair.html").read_text()).root.one("section", id="b-session")
