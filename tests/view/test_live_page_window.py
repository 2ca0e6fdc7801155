"""Pages of long sessions that are recorded: they have a part of them, and get the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser import needs_browser, until
from html_page import RATE
from sessions import APP, SERVER, Records, audio, closed, opened, result
from view_server import OpenSession
from wsproxy.trace import Eof
from wsproxy.trace.compaction import compact

pytestmark = [needs_browser, pytest.mark.one_python, pytest.mark.xdist_group("browser")]

LIST = "document.querySelector('.turn-window')"
WINDOW = "document.querySelector('.window')"
# Frames of 20 ms, each of them different; after each 50 of them two results.
SECONDS = 240
FRAMES = SECONDS * 52


def talk(start_s: int, seconds: int) -> Records:
    records: Records = []
    for second in range(start_s, start_s + seconds):
        begin = 100 + 1000 * second
        records += [
            audio(begin + 20 * n, APP, (second * 50 + n).to_bytes(4, "big") * 32) for n in range(50)
        ]
        records.append(result(begin + 990, f"begin of turn{second}", final=False))
        records.append(result(begin + 995, f"turn{second} has ended", final=True))
    return records


@pytest.fixture
def session(folder: Path) -> Iterator[OpenSession]:
    head = opened(f"/v1/listen?encoding=linear16&sample_rate={RATE}")
    yield OpenSession(folder / "call.wstrace", *head, *talk(0, SECONDS))


@pytest.fixture
def shown(session: OpenSession, url: str, page: Page) -> Page:
    """The page of that session, with the time axis out of the way."""
    page.goto(url)
    page.locator("#sessions tbody a").click()
    page.wait_for_selector("html[data-scripted]")
    # It goes to the end once that is there: later than a test would scroll.
    expect(page.locator(".turns > li").last).to_contain_text(f"turn{SECONDS - 1} has ended")
    until(page, f"{LIST}.scrollTop > 0 && {WINDOW}.scrollTop > 0")
    return page


def frame_row(page: Page, number: int) -> str:
    return page.locator(f'tr[data-frame-number="{number}"]').inner_text()


def heap(page: Page) -> float:
    """Bytes of the page's heap after a garbage collection."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    return float(devtools.send("Runtime.getHeapUsage")["usedSize"])


def test_first_frames_are_shown_when_they_are_scrolled_to(shown: Page) -> None:
    expect(shown.locator("output.found")).to_have_text(f"{FRAMES} of {FRAMES} frames")
    assert shown.locator(f'tr[data-frame-number="{FRAMES}"]').count() == 1, "the end is shown"
    shown.evaluate(f"{WINDOW}.scrollTop = 0")
    expect(shown.locator('tr[data-frame-number="1"]')).to_contain_text("00000000" * 4)
    shown.evaluate(f"{WINDOW}.scrollTop = 26 * 5999")
    expect(shown.locator('tr[data-frame-number="6001"]')).to_be_visible()
    shown.locator('tr[data-frame-number="6001"]').click()
    expect(shown.locator(".details h3")).to_contain_text("#6001 app")
    shown.locator(".window").press("ArrowUp")
    expect(shown.locator(".details h3")).to_contain_text("#6000 app")
    expect(shown.locator("#announcements")).to_contain_text("#6000 app")


def test_search_finds_frames_that_the_page_did_not_have_and_keeps_few(
    session: OpenSession, shown: Page
) -> None:
    until(shown, f"{WINDOW}.scrollTop > 0")
    before = heap(shown)
    shown.get_by_placeholder("text, or /regular expression/").fill("/turn[0-9]7 /")
    expect(shown.locator("output.found")).to_have_text(f"9 of {FRAMES} frames")
    shown.evaluate(f"{WINDOW}.scrollTop = 0")
    expect(shown.locator(".window tr.frame").first).to_contain_text("turn17 has")
    session.grow(*talk(SECONDS, 1), result(1000 * SECONDS + 1500, "turn17 again", final=True))
    expect(shown.locator("output.found")).to_have_text(f"10 of {FRAMES + 53} frames")
    assert heap(shown) - before < 2_000_000  # of over 4 MB of contents in hexadecimal


def test_link_to_a_frame_and_to_a_time_of_long_ago_shows_it(shown: Page) -> None:
    base = shown.url.split("#")[0]
    shown.goto(f"{base}#f77")
    expect(shown.locator("tr.chosen")).to_have_attribute("data-frame-number", "77")
    expect(shown.locator(".details h3")).to_contain_text("#77 app")
    # 90.1 s: after 90 seconds of 52 frames, the first audio of the next one.
    shown.goto(f"{base}#t=90.105")
    expect(shown.locator("tr.chosen")).to_have_attribute("data-frame-number", str(90 * 52 + 1))


def test_transcript_has_few_turns_and_shows_those_that_are_scrolled_to(
    session: OpenSession, shown: Page
) -> None:
    turns = shown.locator(".turns > li")
    expect(turns.last).to_contain_text(f"turn{SECONDS - 1} has ended")
    assert turns.count() < 60
    expect(turns.last).to_have_attribute("aria-setsize", str(SECONDS))
    expect(turns.last).to_have_attribute("aria-posinset", str(SECONDS))
    shown.evaluate(f"{LIST}.scrollTop = {LIST}.scrollHeight / 2")
    expect(shown.locator(".turns", has_text="turn120 has")).to_have_count(1)
    shown.evaluate(f"{LIST}.scrollTop = 0")
    expect(turns.first).to_contain_text("turn0 has ended")
    assert turns.count() < 60
    top = "document.querySelector('.turns > li').getBoundingClientRect().top"
    place = shown.evaluate(top)
    session.grow(*talk(SECONDS, 1))
    expect(turns.first).to_have_attribute("aria-setsize", str(SECONDS + 1))
    assert shown.evaluate(top) == place, "it moves while it is read"


def test_interim_results_of_a_turn_are_got_when_they_are_opened(shown: Page) -> None:
    shown.evaluate(f"{LIST}.scrollTop = 0")
    first = shown.locator(".turns > li").first
    expect(first).to_contain_text("turn0 has ended")
    first.locator("summary").click()
    expect(first.locator(".interims li")).to_have_count(2)
    expect(first.locator(".interims li").first).to_contain_text("begin of turn0")


def test_keyboard_goes_through_turns_that_were_no_elements(shown: Page) -> None:
    shown.evaluate(f"{LIST}.scrollTop = 0")
    first = shown.locator(".turns > li").first
    expect(first).to_contain_text("turn0 has ended")
    first.locator("button").first.focus()
    focused = "document.activeElement.closest('li')?.getAttribute('aria-posinset')"
    seen = ["1"]
    for _ in range(1000):  # more than there are keys to press: some come before the next turn
        shown.keyboard.press("Tab")
        seen.append(shown.evaluate(focused))
        if seen[-1] == "61":
            break
    assert list(dict.fromkeys(seen)) == [str(number) for number in range(1, 62)]
    # A turn that the reader is in stays, wherever the list is scrolled to.
    shown.evaluate(f"{LIST}.scrollTop = {LIST}.scrollHeight")
    expect(shown.locator(".turns > li").last).to_contain_text(f"turn{SECONDS - 1} has ended")
    assert shown.evaluate(focused) == "61"


def test_click_on_a_word_of_long_ago_shows_its_frame(shown: Page) -> None:
    shown.evaluate(f"{LIST}.scrollTop = 0")
    first = shown.locator(".turns > li").first
    expect(first).to_contain_text("turn0 has ended")
    first.locator(".word").first.click()
    # The row that is marked goes on with the audio; the details stay.
    expect(shown.locator(".details h3")).to_contain_text("#52 ")
    expect(shown.locator(".details")).to_contain_text("turn0 has ended")


def test_frames_are_read_after_the_trace_was_written_again(
    session: OpenSession, shown: Page
) -> None:
    end_ms = 1000 * SECONDS + 500
    session.grow(closed(end_ms, APP, 1000), closed(end_ms + 1, SERVER, 1000))
    session.grow(Eof(round((end_ms + 2) * 1e6), SERVER, "eof"))
    compact(session.done())
    expect(shown.locator("#live")).to_contain_text("The session has ended")
    shown.evaluate(f"{WINDOW}.scrollTop = 26 * 2999")
    expect(shown.locator('tr[data-frame-number="3001"]')).to_be_visible()
    shown.evaluate(f"{LIST}.scrollTop = 0")
    expect(shown.locator(".turns > li").first).to_contain_text("turn0 has ended")
