"""The page of a session in Firefox and in WebKitGTK, opened from a file without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from html_page import Page, html_of, listening
from other_browsers import ENGINES, Tab, engines
from sessions import write

pytestmark = [
    pytest.mark.one_python,
    pytest.mark.xdist_group("browser"),
    pytest.mark.sweep(keep=0),  # Chromium shows the page in test_page_in_browser.py
]

FAILED = (
    Path(__file__)
    .parents[2]
    .joinpath("recordings", "samples", "deepgram", "deepgram.listen.NET-0001.wstrace")
)
# The page's own script has reached its end; what goes wrong from now on is noted.
READY = "document.documentElement.dataset.scripted === ''"
WATCH = """(() => {
  window.problems = [];
  for (const kind of ["error", "unhandledrejection", "securitypolicyviolation"]) {
    addEventListener(kind, (event) => {
      problems.push(`${kind}: ${event.message ?? event.reason ?? event.violatedDirective}`);
    });
  }
  return true;
})()"""
COLOURS = """(() => {
  const { width, height } = document.querySelector("canvas.axis");
  const pen = document.querySelector("canvas.axis").getContext("2d");
  return new Set(new Uint32Array(pen.getImageData(0, 0, width, height).data.buffer)).size;
})()"""


@pytest.fixture(scope="module", params=engines())
def tab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with ENGINES[request.param](tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


def open_page(tab: Tab, path: Path, trace: Path) -> Page:
    """Open the page of a trace; returns what is in it."""
    html = html_of(trace)
    path.write_text(html, "utf-8")
    tab.open(path.as_uri())
    tab.until(READY)
    tab.evaluate(WATCH)
    return Page(html)


def text_of(tab: Tab, selector: str) -> object:
    return tab.evaluate(f"document.querySelector({json.dumps(selector)})?.textContent ?? null")


def test_page_in_other_engine_shows_verdict_frames_and_axis(tab: Tab, tmp_path: Path) -> None:
    page = open_page(tab, tmp_path / "report.html", FAILED)
    assert text_of(tab, "h1") == page.data("session")["verdict"]
    assert text_of(tab, ".found") == "{0} of {0} frames".format(page.data("frames")["count"])
    assert text_of(tab, ".window tr.frame td") == "#1"
    tab.until(f"{COLOURS} > 10")
    assert tab.evaluate("problems") == []


def test_page_in_other_engine_click_on_evidence_shows_its_frame(tab: Tab, tmp_path: Path) -> None:
    open_page(tab, tmp_path / "report.html", FAILED)
    number = tab.evaluate("document.querySelector('.finding a[data-frame]').dataset.frame")
    tab.click(".finding a[data-frame]")
    tab.until(f"document.querySelector('tr.chosen')?.dataset.frameNumber === '{number}'")
    title = text_of(tab, ".details h3")
    assert isinstance(title, str)
    assert title.startswith(f"#{number} ")
    assert tab.evaluate("problems") == []


def test_page_in_other_engine_plays(tab: Tab, tmp_path: Path) -> None:
    open_page(tab, tmp_path / "report.html", write(tmp_path / "a.wstrace", listening()))
    tab.click(".play")
    tab.until("parseFloat(document.querySelector('.clock').textContent) > 0.2")
    tab.until("Number(document.querySelector('canvas.axis').getAttribute('aria-valuenow')) > 0.2")
    tab.click(".play")
    tab.until("document.querySelector('.play').textContent === 'Play'")
    assert tab.evaluate("problems") == []
