"""Text of strangers in pages of `wsproxy view`, in a real browser, while it is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser import needs_browser
from html_page import MARKUP, RATE
from sessions import APP, SERVER, Records, audio, closed, result, text_message
from view_server import OpenSession
from wsproxy.trace import Eof, FindingRecord, Request, Response

pytestmark = [needs_browser, pytest.mark.one_python, pytest.mark.xdist_group("browser")]

TAG = "<img src=x onerror=canary()>"
NAME = f"{TAG}\u202e\x1b[31m"
HEADERS = [["Upgrade", "websocket"], [MARKUP, MARKUP], ["X-Request-Id", MARKUP]]
WATCH = """
  window.executed = [];
  window.canary = () => window.executed.push(new Error().stack);
  window.alert = window.canary;
"""
# Text of the page that is no data for the scripts.
SHOWN = """
  [...document.querySelectorAll("body *")]
    .filter((each) => !["SCRIPT", "STYLE"].includes(each.tagName))
    .flatMap((each) => [
      ...[...each.childNodes].filter(({ nodeType }) => nodeType === 3).map(({ data }) => data),
      ...[...each.attributes].map(({ value }) => value),
    ])
    .join("\\n") + document.title
"""
ELEMENTS = """
  [...document.querySelectorAll("img, svg, iframe, object, base, form:not(#search), template, b")]
    .map((each) => each.outerHTML)
"""
HANDLERS = """
  [...document.querySelectorAll("*")].flatMap((each) =>
    [...each.attributes].filter(({ name }) => name.startsWith("on")).map(({ name }) => name))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / NAME
    place.mkdir()
    return place


def talk(start_ms: float) -> Records:
    """Messages of both sides with markup everywhere, and audio."""
    said = {"type": MARKUP, MARKUP: [MARKUP], "message": MARKUP, "description": MARKUP}
    words = [{"word": MARKUP, "start": 0.1, "end": 0.2}]
    best = {"transcript": MARKUP, "words": words, "confidence": 0.9}
    spoken = {"type": "Results", "is_final": True, "start": 0.0, "duration": 1.0}
    return [
        audio(start_ms, APP, bytes(RATE // 5)),
        result(start_ms + 10, MARKUP, final=False),
        text_message(start_ms + 20, SERVER, {**spoken, "channel": {"alternatives": [best]}}),
        text_message(start_ms + 30, APP, said),
        text_message(start_ms + 40, SERVER, {"type": "Error", **said}),
        text_message(start_ms + 50, SERVER, MARKUP),
        text_message(start_ms + 60, APP, {"audio": MARKUP, "transcript": MARKUP, "text": MARKUP}),
    ]


def end(session: OpenSession) -> None:
    session.grow(
        FindingRecord(900_000_000, MARKUP[:60], "error", MARKUP),
        closed(910, SERVER, 1011, f"{TAG}</script>"),
        Eof(920_000_000, SERVER, "eof"),
    )
    session.done()


def assert_harmless(page: Page) -> None:
    """Nothing was executed, and no element, no handler and no control character got in."""
    assert page.evaluate("window.executed") == []
    assert page.evaluate(ELEMENTS) == []
    assert page.evaluate(HANDLERS) == []
    shown = page.evaluate(SHOWN)
    assert "canary" in shown
    assert [c for c in set(shown) if not c.isprintable() and c not in "\n\t\xa0"] == []


@pytest.mark.parametrize("known", [True, False], ids=["deepgram", "unknown"])
def test_live_pages_of_a_hostile_session_execute_nothing(
    folder: Path, url: str, page: Page, known: bool
) -> None:
    page.add_init_script(WATCH)
    path = f"/v1/listen?encoding=linear16&sample_rate={RATE}&model={MARKUP}"
    session = OpenSession(
        folder / f"{NAME}.wstrace",
        Request(0, MARKUP, "wss", MARKUP, 443, path, headers=HEADERS),
        provider="deepgram" if known else MARKUP,
    )
    page.goto(url)
    row = page.locator("#sessions tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(TAG)
    session.grow(Response(20_000_000, 101, MARKUP, headers=HEADERS), *talk(100))
    expect(row).to_contain_text("↑ 3 ↓ 4")
    page.locator("#search input").fill(TAG)
    page.locator("#search input").press("Enter")
    expect(page.locator("#results")).to_contain_text("found in 1 of 1 session")
    assert_harmless(page)

    row.locator("a").click()
    page.wait_for_selector("html[data-scripted]")
    session.grow(*talk(300))
    expect(page.locator("output.found")).to_have_text("14 of 14 frames")
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    for number in range(1, 15):
        page.locator(f'tr[data-frame-number="{number}"]').click()
        assert page.evaluate("window.executed") == []
    page.get_by_placeholder("text, or /regular expression/").fill(TAG)
    expect(page.locator("output.found")).not_to_have_text("14 of 14 frames")
    assert_harmless(page)

    end(session)
    expect(page.locator("#live")).to_contain_text("The session has ended")
    assert_harmless(page)
    page.get_by_role("button", name="Load its audio").click()
    page.wait_for_selector("html[data-scripted]")
    assert_harmless(page)
    page.goto(url)
    expect(row).not_to_contain_text("recording")
    assert_harmless(page)
