"""The page of a session in a real browser, opened from a file without a network."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page, expect

from browser import OpenPage, chromium, needs_browser, until
from commands import wsproxy
from html_page import MARKUP, RATE, html_of, listening
from sessions import APP, REFUSED, SERVER, Records, audio, closed, opened, text_message, write
from speech_sessions import spoken
from wsproxy.catalog import load
from wsproxy.report.html.pair_page import pair_page
from wsproxy.trace import FrameRecord

pytestmark = [needs_browser, pytest.mark.one_python, pytest.mark.xdist_group("browser")]

SAMPLES = Path(__file__).parents[2] / "recordings" / "samples"
FAILED = SAMPLES / "deepgram" / "deepgram.listen.NET-0001.wstrace"
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"

Open = Callable[..., OpenPage]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of ten seconds with words, interims, and a second without audio."""
    data = spoken(8.0, RATE)
    records = opened(f"/v1/listen?encoding=linear16&sample_rate={RATE}")
    step = RATE // 10 * 2
    for number, at in enumerate(range(0, len(data), step)):
        late = 2000 if number >= 40 else 0  # ms
        records.append(audio(100 + number * 100 + late, APP, data[at : at + step]))
    records += [
        heard(2000, "hello", final=False),
        heard(4100, "hello word", final=False),
        heard(9000, "hello world again", final=True),
        closed(10_200, APP, 1000),
        closed(10_210, SERVER, 1000),
    ]
    return write(tmp_path_factory.mktemp("trace") / "talk.wstrace", records)


def heard(ms: float, text: str, *, final: bool) -> FrameRecord:
    """A result of Deepgram, with a word each second from half a second on."""
    words = [
        {"word": word, "start": at + 0.5, "end": at + 0.9, "confidence": 0.9}
        for at, word in enumerate(text.split())
    ]
    alternative = {"transcript": text, "confidence": 0.9, "words": words}
    message = {
        "type": "Results",
        "channel_index": [0, 1],
        "start": 0.0,
        "duration": 4.0,
        "is_final": final,
        "channel": {"alternatives": [alternative]},
    }
    return text_message(ms, SERVER, message)


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    pages = []

    def opened_page(trace: Path, place: str = "", **context: Any) -> OpenPage:
        path = tmp_path / "report.html"
        path.write_text(html_of(trace), "utf-8")
        pages.append(OpenPage(browser, path, place, **context))
        return pages[-1]

    yield opened_page
    for each in pages:
        assert each.problems == []
        each.close()


def chosen(page: Page) -> str | None:
    return page.locator("tr.chosen").get_attribute("data-frame-number")


def cursor(page: Page) -> float:
    return float(page.locator("canvas.axis").get_attribute("aria-valuenow") or "nan")


def test_page_without_scripts_shows_the_verdict_and_the_evidence(open_page: Open) -> None:
    page = open_page(FAILED, java_script_enabled=False).page
    session = json.loads(page.locator("#data-session").text_content() or "")
    findings = json.loads(page.locator("#data-findings").text_content() or "")
    expect(page.locator("h1")).to_have_text(session["verdict"])
    expect(page.locator(".finding").first).to_contain_text(findings[0]["title"])
    expect(page.locator("#time")).to_be_hidden()
    assert page.locator("#frames tbody tr").count() > 3


def test_click_on_evidence_shows_its_frame_and_second(open_page: Open) -> None:
    page = open_page(FAILED).page
    link = page.locator(".finding a[data-frame]").first
    number = link.get_attribute("data-frame")
    link.click()
    expect(page.locator("tr.chosen")).to_have_attribute("data-frame-number", number or "")
    row = page.locator("tr.chosen td").nth(1)
    assert cursor(page) == pytest.approx(float(row.inner_text()), abs=0.001)
    expect(page.locator(".frame-browser .details h3")).to_contain_text(f"#{number}")


def test_play_moves_the_cursor_and_makes_sound(open_page: Open, trace: Path) -> None:
    page = open_page(trace).page
    page.locator(".player .play").first.click()
    until(page, "[...heard.elements][0]?.currentTime > 0.3 && heard.loudest > 0.01")
    assert cursor(page) > 0.2
    page.locator(".player .play").first.click()
    until(page, "[...heard.elements][0].paused")


def test_speed_changes_how_fast_it_plays(open_page: Open, trace: Path) -> None:
    page = open_page(trace).page
    page.locator(".player select").first.select_option("2")
    page.locator(".player .play").first.click()
    until(page, "[...heard.elements][0]?.playbackRate === 2")


def test_failed_run_is_heard_after_two_actions_besides_the_command(
    browser: Browser, tmp_path: Path
) -> None:
    trace = write(tmp_path / "failed.wstrace", stalled())
    out = tmp_path / "report.html"
    done = wsproxy("report", trace, "--out", out)  # the first action
    assert done.returncode == 0, done.stderr
    opened_page = OpenPage(browser, out)  # the second one
    page = opened_page.page
    page.get_by_role("button", name="Hear this moment").first.click()  # the third one
    until(page, "[...heard.elements][0]?.currentTime > 2 && heard.loudest > 0.01")
    position = page.evaluate("[...heard.elements][0].currentTime")
    # The stall began after 5 s of audio; the four seconds before it are heard.
    assert 1 <= position < 5
    finding = json.loads(page.locator("#data-findings").text_content() or "")[0]
    assert finding["id"] == "deepgram.listen.NET-0001"
    assert opened_page.problems == []
    opened_page.close()


def stalled() -> Records:
    """Five seconds of speech, and nothing for twelve seconds; then Deepgram closes."""
    data = spoken(5.0, RATE)
    records = opened(f"/v1/listen?encoding=linear16&sample_rate={RATE}")
    step = RATE // 10 * 2
    records += [
        audio(100 + 100 * number, APP, data[at : at + step])
        for number, at in enumerate(range(0, len(data), step))
    ]
    return [*records, closed(17_000, SERVER, 1011, "NET-0001")]


def test_message_of_audio_is_shown_and_played_as_audio(open_page: Open, trace: Path) -> None:
    page = open_page(trace, "#f10").page
    details = page.locator(".details")
    expect(details).to_contain_text("Audio from 0.900 s to 1.000 s")
    expect(details.get_by_role("img", name="Waveform of this message")).to_be_visible()
    details.get_by_role("button", name="Play this message").click()
    until(page, "[...heard.elements][0]?.currentTime > 0.95 && [...heard.elements][0].paused")
    assert page.evaluate("[...heard.elements][0].currentTime") < 7  # it did not go on


def test_turns_without_positions_are_heard_where_their_side_spoke(
    open_page: Open, tmp_path: Path
) -> None:
    page = open_page(
        write(tmp_path / "a.wstrace", dialogue(), provider="openai", api="realtime")
    ).page
    turns = page.locator(".turn")
    expect(turns).to_have_count(2)
    assert [turn.get_attribute("class") for turn in turns.all()] == ["turn app", "turn agent"]
    turns.nth(1).locator(".word").click()
    # The agent's audio began to arrive at 3.5 s; its text is complete at 6 s. It plays meanwhile.
    assert 3.5 <= cursor(page) < 5.5
    until(page, "heard.elements.size === 1 && heard.loudest > 0.01")


def dialogue() -> Records:
    """A user's question and an agent's answer, of OpenAI's Realtime API."""
    rate, records = 24_000, opened("/v1/realtime?model=gpt-realtime")
    data = spoken(2.0, rate)
    for number, at in enumerate(range(0, len(data), rate // 5)):
        chunk = base64.b64encode(data[at : at + rate // 5]).decode()
        sent = {"type": "input_audio_buffer.append", "audio": chunk}
        answer = {"type": "response.output_audio.delta", "response_id": "r", "delta": chunk}
        records.append(text_message(100 + 100 * number, APP, sent))
        records.append(text_message(3500 + 100 * number, SERVER, answer))
    question = {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "i",
        "transcript": "what time is it",
    }
    said = {
        "type": "response.output_audio_transcript.done",
        "response_id": "r",
        "transcript": "It is noon.",
    }
    records += [text_message(3000, SERVER, question), text_message(6000, SERVER, said)]
    return [*records, closed(6500, APP, 1000), closed(6510, SERVER, 1000)]


def test_point_of_a_latency_is_chosen_with_keys_and_shows_its_frame(
    open_page: Open, trace: Path
) -> None:
    page = open_page(trace).page
    series = json.loads(page.locator("#data-latency").text_content() or "")["series"]["lag"]
    painted = "document.querySelector('canvas.axis').toDataURL()"
    page.locator(".chart").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    t, _, frame = series["points"][1]
    assert cursor(page) == pytest.approx(t, abs=0.001)
    expect(page.locator("tr.chosen")).to_have_attribute("data-frame-number", str(frame))
    with_stretch = page.evaluate(painted)
    page.goto(f"{page.url.split('#')[0]}#t={t}")  # the same place without the stretch
    until(page, f"{painted} !== {json.dumps(with_stretch)}")


def test_click_on_a_word_plays_its_audio_and_shows_its_frame(open_page: Open, trace: Path) -> None:
    page = open_page(trace).page
    data = json.loads(page.locator("#data-transcript").text_content() or "")
    final = next(each for each in data["results"] if each["final"])
    page.locator(".turn .word").last.click()
    until(page, "heard.elements.size === 1")
    expect(page.locator(".frame-browser .details h3")).to_contain_text(f"#{final['frame']}")
    start = final["words"][-1][1]
    position = page.evaluate("[...heard.elements][0].currentTime")
    assert start <= position < start + 2


def test_interims_show_what_changed(open_page: Open, trace: Path) -> None:
    page = open_page(trace).page
    details = page.locator(".turn details")
    details.locator("summary").click()
    expect(details.locator("li")).to_have_count(3)
    expect(details.locator("li").nth(1).locator("mark")).to_have_text(" word")
    expect(details.locator("li").nth(2).locator("del")).to_have_text("word")


def test_frames_are_filtered_by_text_expression_and_kind(open_page: Open, trace: Path) -> None:
    page = open_page(trace).page
    search = page.get_by_placeholder("text, or /regular expression/")
    rows = page.locator(".window tr.frame")
    search.fill("hello wor")
    expect(page.locator(".found")).to_have_text(f"2 of {json_frames(page)['count']} frames")
    expect(rows).to_have_count(2)
    search.fill("/hello wor\\w+ again/i")
    expect(rows).to_have_count(1)
    search.fill("/(/")
    expect(page.locator(".found")).to_have_text("This is not a regular expression.")
    search.fill("")
    page.get_by_label("binary").uncheck()
    page.get_by_label("text", exact=True).uncheck()
    expect(rows).to_have_count(2)


def json_frames(page: Page) -> Any:
    return json.loads(page.locator("#data-frames").text_content() or "")


def test_table_of_frames_has_only_the_rows_in_view(open_page: Open, trace: Path) -> None:
    page = open_page(trace).page
    assert 10 < page.locator(".window tr.frame").count() < 45
    page.locator(".window").evaluate("element => { element.scrollTop = element.scrollHeight }")
    last = json_frames(page)["count"]
    expect(page.locator(f"tr[data-frame-number='{last}']")).to_be_visible()


@pytest.mark.parametrize(("place", "number"), [("#f32", "32"), ("#t=7.05", "52")])
def test_deep_link_shows_its_place(open_page: Open, trace: Path, place: str, number: str) -> None:
    page = open_page(trace, place).page
    expect(page.locator("tr.chosen")).to_have_attribute("data-frame-number", number)
    expect(page.locator(f"tr[data-frame-number='{number}']")).to_be_visible()


def test_copy_gives_the_bug_report_and_a_link(open_page: Open) -> None:
    page = open_page(FAILED).page
    page.get_by_role("button", name="Copy for bug report").click()
    text = page.evaluate("navigator.clipboard.readText()")
    assert text == page.locator("#markdown").text_content()
    page.get_by_role("button", name="Copy link").click()
    until(page, "navigator.clipboard.readText().then((text) => text.endsWith('#f1'))")


def test_keys_move_zoom_and_step_through_findings(open_page: Open) -> None:
    page = open_page(FAILED).page
    page.locator("canvas.axis").focus()
    page.keyboard.press("ArrowRight")
    moved = cursor(page)
    assert moved > 0
    page.keyboard.press("Home")
    assert cursor(page) == 0
    page.keyboard.press("n")
    assert cursor(page) > 0
    page.keyboard.press("+")
    page.keyboard.press("0")
    page.locator(".window").focus()
    before = int(chosen(page) or 0)
    page.keyboard.press("ArrowUp")
    expect(page.locator("tr.chosen")).to_have_attribute("data-frame-number", str(before - 1))


@pytest.fixture(scope="module")
def pages(trace: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of each kind."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "in").mkdir()
    agent = write(folder / "in" / "agent.wstrace", dialogue(), provider="openai", api="realtime")
    refused = write(folder / "in" / "refused.wstrace", REFUSED)
    found = {}
    for name, given in {
        "session": [trace],
        "agent": [agent],
        "refused": [refused],
        "pair": [trace, agent],
        "index": [folder / "in"],
    }.items():
        out = folder / name if name == "index" else folder / f"{name}.html"
        done = wsproxy("report", *given, "--out", out)
        assert done.returncode == 0, done.stderr
        found[name] = out / "index.html" if name == "index" else out
    return found


@pytest.mark.sweep(keep=3)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["session", "agent", "refused", "pair", "index"])
def test_page_has_no_serious_accessibility_violation(
    browser: Browser, pages: dict[str, Path], kind: str, scheme: str
) -> None:
    opened_page = OpenPage(browser, pages[kind], color_scheme=scheme, bypass_csp=True)
    page = opened_page.page
    page.evaluate(AXE.read_text("utf-8"))
    result = page.evaluate("axe.run()")
    serious = [
        (each["id"], [node["target"] for node in each["nodes"]])
        for each in result["violations"]
        if each["impact"] in {"serious", "critical"}
    ]
    assert serious == []
    opened_page.close()


@pytest.mark.parametrize("kind", ["session", "agent", "refused", "pair", "index"])
def test_phone_needs_no_sideways_scrolling(
    browser: Browser, pages: dict[str, Path], kind: str
) -> None:
    opened_page = OpenPage(browser, pages[kind], viewport={"width": 360, "height": 700})
    assert opened_page.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert opened_page.problems == []
    opened_page.close()


def test_printed_page_has_no_controls_and_the_numbers_first(
    browser: Browser, pages: dict[str, Path]
) -> None:
    opened_page = OpenPage(browser, pages["session"], color_scheme="dark")
    page = opened_page.page
    page.emulate_media(media="print")
    assert [each for each in page.get_by_role("button").all() if each.is_visible()] == []
    names = ("numbers", "findings", "frames")
    boxes = [page.locator(f"#{name}").bounding_box() for name in names]
    tops = [box["y"] for box in boxes if box]
    assert len(tops) == len(names)
    assert tops == sorted(tops)
    assert page.locator("#frames table").first.is_visible()
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    opened_page.close()


def test_index_is_filtered_by_text_and_outcome(browser: Browser, pages: dict[str, Path]) -> None:
    opened_page = OpenPage(browser, pages["index"])
    page = opened_page.page
    rows = page.locator("#sessions tbody tr:visible")
    expect(rows).to_have_count(2)
    page.get_by_label("Filter", exact=True).fill("refused")
    expect(rows).to_have_count(1)
    expect(page.locator("#count")).to_have_text("1 of 2 sessions")
    page.get_by_label("Filter", exact=True).fill("")
    page.get_by_role("combobox", name="Outcome").select_option("failed")
    expect(rows).to_have_count(1)
    assert opened_page.problems == []
    opened_page.close()


def test_nothing_in_a_trace_runs(open_page: Open, tmp_path: Path) -> None:
    records = [*opened("/v1/listen"), text_message(50, SERVER, MARKUP)]
    records += [heard(100, MARKUP, final=True), closed(200, SERVER, 1011, MARKUP[:100])]
    page = open_page(write(tmp_path / "a.wstrace", records)).page
    page.get_by_placeholder("text, or /regular expression/").fill("canary")
    for row in page.locator(".window tr.frame").all():
        row.click()
    assert page.evaluate("typeof canary") == "undefined"
    assert MARKUP.split()[0] in page.locator(".window").inner_text()
    assert page.locator("img, svg, b").count() == 0


def test_two_sessions_move_together_and_mark_the_first_difference(
    browser: Browser, trace: Path, tmp_path: Path
) -> None:
    other = write(tmp_path / "other.wstrace", listening(words="good bye"))
    path = tmp_path / "report.html"
    path.write_text("".join(pair_page(trace, other, load(), max_audio=10_000_000)), "utf-8")
    opened_page = OpenPage(browser, path)
    page = opened_page.page
    expect(page.locator("#time-of-both canvas.axis")).to_have_count(2)
    first, second = page.locator("canvas.axis").all()
    first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    values = [float(each.get_attribute("aria-valuenow") or "nan") for each in (first, second)]
    offset = json.loads(page.locator("#data-difference").text_content() or "")["offset"]
    assert values[0] > 0
    assert values[1] == pytest.approx(values[0] - offset, abs=0.002)
    page.keyboard.press("n")
    expect(page.locator("#announcements")).to_contain_text("first difference")
    page.locator("a[href^='#b-f']").first.click()
    expect(page.locator("#b-frames tr.chosen")).to_be_visible()
    assert opened_page.problems == []
    opened_page.close()
