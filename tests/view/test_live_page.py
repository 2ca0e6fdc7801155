"""Pages of `wsproxy view` in a real browser, while sessions are recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Page, expect

from browser import needs_browser, until
from html_page import MARKUP, RATE
from sessions import APP, SERVER, Records, audio, closed, opened, result, text_message, write
from speech_sessions import spoken
from view_server import OpenSession
from wsproxy.session import Session
from wsproxy.trace import Eof

pytestmark = [needs_browser, pytest.mark.one_python, pytest.mark.xdist_group("browser")]

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
STEP = RATE // 10 * 2  # bytes of 0.1 s
SPEECH = spoken(20.0, RATE)


def begun(folder: Path, name: str = "call") -> OpenSession:
    head = opened(f"/v1/listen?encoding=linear16&sample_rate={RATE}")
    return OpenSession(folder / f"{name}.wstrace", *head)


def speech(start_s: float, seconds: float) -> Records:
    """Audio of the app, ten messages a second."""
    count, first = round(seconds * 10), round(start_s * 10)
    return [
        audio(100 + 100 * n, APP, SPEECH[n * STEP : (n + 1) * STEP])
        for n in range(first, first + count)
    ]


def end(session: OpenSession, ms: float) -> None:
    session.grow(closed(ms, APP, 1000), closed(ms + 1, SERVER, 1000))
    session.grow(Eof(round((ms + 2) * 1e6), SERVER, "eof"))
    session.done()


def row_of(page: Page, name: str) -> Any:
    return page.locator("#sessions tbody tr", has_text=f"{name}.wstrace")


def open_session(page: Page, url: str, name: str = "call") -> None:
    page.goto(url)
    row_of(page, name).locator("a").click()
    page.wait_for_selector("html[data-scripted]")


def rows_found(page: Page) -> str:
    return page.locator("output.found").inner_text()


def data_end(page: Page) -> float:
    return float(page.locator("canvas.axis").get_attribute("aria-valuemax") or "nan")


def test_page_of_a_session_grows_and_shows_the_verdict_at_its_end(
    folder: Path, url: str, page: Page
) -> None:
    session = begun(folder)
    session.grow(*speech(0, 2), result(2000, "hello", final=False))
    open_session(page, url)
    expect(page.locator("#live")).to_contain_text("Recording")
    expect(page.locator("output.found")).to_have_text("21 of 21 frames")
    painted = page.evaluate(PAINTED)

    session.grow(*speech(2, 3), result(5010, "hello world", final=True))
    expect(page.locator("output.found")).to_have_text("52 of 52 frames")
    expect(page.locator(".turn")).to_have_count(1)
    expect(page.locator(".turn")).to_contain_text("hello world")
    expect(page.locator("#transcript-count")).to_contain_text("2 words in 1 final")
    expect(page.locator("#numbers")).to_contain_text("50 frames")
    assert data_end(page) == pytest.approx(5.01, abs=0.01)
    until(page, f"({PAINTED}) !== {json.dumps(painted)}")

    end(session, 5100)
    expect(page.locator("#live")).to_contain_text("The session has ended")
    expect(page.locator("#verdict")).to_contain_text("closed the session")
    expect(page.locator("#numbers")).to_contain_text("code 1000")
    page.get_by_role("button", name="Load its audio").click()
    expect(page.locator(".player .play")).to_have_count(1)


# Counts how often the size of the time axis is asked for: each time may lay out the page.
MEASURED = """
  window.measured = 0;
  const { get } = Object.getOwnPropertyDescriptor(Element.prototype, "clientWidth");
  Object.defineProperty(Element.prototype, "clientWidth", {
    get() {
      if (this.matches("canvas.axis")) window.measured += 1;
      return get.call(this);
    },
  });
"""


def test_axis_of_a_session_that_grows_is_not_measured_for_each_mark(
    folder: Path, url: str, page: Page
) -> None:
    session = begun(folder)
    session.grow(*speech(0, 10))
    page.add_init_script(MEASURED)
    open_session(page, url)
    session.grow(*speech(10, 1))
    expect(page.locator("output.found")).to_have_text("110 of 110 frames")
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.evaluate("window.measured") < 50


# What the time axis shows.
PAINTED = "document.querySelector('canvas.axis').toDataURL()"


def test_response_that_arrives_later_is_shown(folder: Path, url: str, page: Page) -> None:
    request, response = opened("/v1/listen")
    session = OpenSession(folder / "call.wstrace", request)
    open_session(page, url)
    expect(page.locator("#handshake")).to_contain_text("There was no answer.")
    session.grow(response, *speech(0, 1))
    expect(page.locator("#handshake")).to_contain_text("HTTP/1.1 101")
    expect(page.locator("output.found")).to_have_text("10 of 10 frames")


def test_finding_appears_while_the_session_runs(folder: Path, url: str, page: Page) -> None:
    session = begun(folder)
    session.grow(*speech(0, 1))
    open_session(page, url)
    error = {"type": "Error", "description": f"no {MARKUP}", "message": "bad", "variant": "X"}
    session.grow(text_message(1500, SERVER, error), closed(1600, SERVER, 1011, "NET-0001"))
    expect(page.locator(".finding").first).to_contain_text("1011")
    link = page.locator(".finding a[data-frame]").first
    link.click()
    expect(page.locator("tr.chosen")).to_have_attribute(
        "data-frame-number", link.get_attribute("data-frame") or ""
    )
    assert page.evaluate("window.executed") is None


def test_frames_stay_where_the_reader_is_unless_that_is_the_end(
    folder: Path, url: str, page: Page
) -> None:
    session = begun(folder)
    session.grow(*speech(0, 6))
    open_session(page, url)
    window = "document.querySelector('.window')"
    bottom = f"(w => w.scrollHeight - w.clientHeight - w.scrollTop < 2)({window})"
    until(page, bottom)
    session.grow(*speech(6, 1))
    expect(page.locator("output.found")).to_have_text("70 of 70 frames")
    until(page, bottom)

    page.evaluate("document.querySelector('.window').scrollTop = 260")
    until(page, "document.querySelector('tr.frame')?.dataset.frameNumber === '6'")
    first = page.locator("tr.frame").first.element_handle()
    session.grow(*speech(7, 3))
    expect(page.locator("output.found")).to_have_text("100 of 100 frames")
    assert page.evaluate("document.querySelector('.window').scrollTop") == 260
    assert page.evaluate("row => row.isConnected", first), "what a reader has selected is lost"


def test_filter_applies_to_frames_that_arrive(folder: Path, url: str, page: Page) -> None:
    session = begun(folder)
    session.grow(*speech(0, 1))
    open_session(page, url)
    page.locator(".frame-browser input[type=search]").fill("hello")
    expect(page.locator("output.found")).to_have_text("0 of 10 frames")
    session.grow(result(2000, "hello", final=True), result(2100, "other", final=True))
    expect(page.locator("output.found")).to_have_text("1 of 12 frames")


def test_start_page_shows_sessions_as_they_are_recorded(folder: Path, url: str, page: Page) -> None:
    write(folder / "old.wstrace", [*opened("/v1/listen"), closed(50, SERVER, 1011, "NET-0001")])
    page.goto(url)
    expect(row_of(page, "old").locator("td").nth(4)).to_have_text("failed")
    session = begun(folder)
    row = row_of(page, "call")
    expect(row.locator("td").nth(4)).to_have_text("recording")
    session.grow(*speech(0, 2))
    expect(row.locator("td").nth(3)).to_have_text("↑ 20 ↓ 0")
    names = page.locator("#sessions tbody code").all_inner_texts()
    assert names == ["call.wstrace", "old.wstrace"]

    end(session, 2200)
    expect(row.locator("td").nth(4)).not_to_have_text("recording")
    (folder / "old.wstrace").unlink()
    expect(row_of(page, "old")).to_have_count(0)


def test_start_page_filters_and_searches(folder: Path, url: str, page: Page) -> None:
    head, bye = opened("/v1/listen"), closed(90, SERVER, 1000)
    write(folder / "one.wstrace", [*head, result(40, "the quick fox", final=True), bye])
    write(folder / "two.wstrace", [*head, result(40, "a lazy dog", final=True), bye], provider=None)
    page.goto(url)
    expect(page.locator("#count")).to_have_text("2 of 2 sessions")
    page.locator("#filter-provider").select_option("deepgram")
    expect(page.locator("#count")).to_have_text("1 of 2 sessions")
    page.locator("#filter-provider").select_option("")
    page.locator("#filter-text").fill("two")
    expect(row_of(page, "one")).to_have_count(0)

    page.locator("#search input").fill("QUICK")
    page.locator("#search input").press("Enter")
    expect(page.locator("#results")).to_contain_text("found in 1 of 2 sessions")
    page.locator("#results li li a").click()
    expect(page.locator("tr.chosen")).to_have_attribute("data-frame-number", "1")


def test_buttons_replay_scrub_and_download(folder: Path, url: str, page: Page) -> None:
    records = [*opened("/v1/listen"), *speech(0, 1), closed(1500, SERVER, 1011, "NET-0001")]
    trace = write(folder / "call.wstrace", records)
    open_session(page, url)
    page.get_by_role("button", name="Replay as client").click()
    expect(page.locator(".output")).to_contain_text("Enter the URL")
    page.get_by_label("Server's URL").fill("ws://127.0.0.1:1")
    page.get_by_role("button", name="Replay as client").click()
    expect(page.locator(".output")).to_contain_text("exit status 2")
    expect(page.locator(".output")).to_contain_text("cannot reach 127.0.0.1:1")

    page.get_by_role("button", name="Replay as server").click()
    expect(page.locator(".output")).to_contain_text("listening on ws://127.0.0.1:")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".output")).to_contain_text("Stopped.")

    with page.expect_download() as saved:
        page.get_by_role("button", name="Scrub and download").click()
    assert saved.value.suggested_filename == "call-scrubbed.wstrace"
    assert Session.read(saved.value.path()).frame_count == 11
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download trace").click()
    assert saved.value.path().read_bytes() == trace.read_bytes()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download report").click()
    assert "NET-0001" in saved.value.path().read_text("utf-8")


@pytest.mark.parametrize("page", [{"bypass_csp": True}], indirect=True, ids=["axe"])
def test_pages_have_no_serious_violation_of_accessibility(
    folder: Path, url: str, page: Page
) -> None:
    session = begun(folder)
    session.grow(*speech(0, 2), result(2000, "hello world", final=True))
    for place in ("", "session"):
        page.goto(url)
        expect(row_of(page, "call")).to_have_count(1)
        if place:
            row_of(page, "call").locator("a").click()
            page.wait_for_selector("html[data-scripted]")
        page.evaluate(AXE.read_text("utf-8"))
        found = page.evaluate("axe.run()")
        serious = [v for v in found["violations"] if v["impact"] in {"serious", "critical"}]
        assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in serious] == []
