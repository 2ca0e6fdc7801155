"""A page, read as a browser reads it: for tests of `wsproxy report`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from sessions import APP, SERVER, Records, audio, closed, opened, result
from speech_sessions import spoken
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.outcome import outcome
from wsproxy.report.explanation import Explanation, explain
from wsproxy.report.html.page import session_page, view_of
from wsproxy.report.html.reading import read_content
from wsproxy.report.latency import latency_series
from wsproxy.report.safe_text import safe
from wsproxy.report.timeline import timeline_json
from wsproxy.session import Session
from wsproxy.session.latency import Latency

VOID = frozenset({"meta", "br", "img", "input", "hr", "link"})


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    parent: Element | None = field(repr=False, default=None)
    children: list[Element | str] = field(repr=False, default_factory=list)

    @property
    def text(self) -> str:
        return "".join(c if isinstance(c, str) else c.text for c in self.children)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """The elements in it, in their order; `class_` is one of an element's classes."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if child.matches(tag, attributes):
                    found.append(child)
                found += child.all(tag, **attributes)
        return found

    def one(self, tag: str = "", **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    def matches(self, tag: str, attributes: dict[str, str]) -> bool:
        classes = (self.attributes.get("class") or "").split()
        wanted = attributes.get("class_", "")
        return (
            (not tag or self.tag == tag)
            and (not wanted or wanted in classes)
            and all(self.attributes.get(n) == v for n, v in attributes.items() if n != "class_")
        )


class Page(HTMLParser):
    """A page.

    Attributes:
        html: its source.
        root: holds its elements.
        unclosed: tags that were closed in the wrong order.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.root = Element("", {})
        self.unclosed: list[str] = []
        self._open = self.root
        self.feed(html)
        self.close()
        if self._open is not self.root:
            self.unclosed.append(self._open.tag)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), self._open)
        self._open.children.append(element)
        if tag not in VOID:
            self._open = element

    def handle_endtag(self, tag: str) -> None:
        if self._open.tag != tag or self._open.parent is None:
            self.unclosed.append(tag)
            return
        self._open = self._open.parent

    def handle_data(self, data: str) -> None:
        self._open.children.append(data)

    def data(self, part: str, prefix: str = "") -> Any:
        """A part of its data, see `report.html.page_data`."""
        return json.loads(self.root.one("script", id=f"{prefix}data-{part}").text)


def page_of(trace: Path, *, max_audio: int = 20_000_000) -> Page:
    """The page of a trace."""
    return Page(html_of(trace, max_audio=max_audio))


def html_of(trace: Path, *, max_audio: int = 20_000_000) -> str:
    """The source of the page of a trace."""
    content = read_content(trace, load(), max_audio=max_audio)
    return "".join(session_page(view_of(content)))


def assert_shows_what_commands_say(page: Page, trace: Path) -> None:
    """Check that a page, as a browser reads it, says what `explain` and `show --timeline` say."""
    catalog = load()
    session = Session.read(trace, catalog=catalog)
    findings = diagnose(session, catalog)
    found = outcome(session, findings)
    assert found is not None
    assert session.timeline is not None
    timeline = timeline_json(session, session.timeline, found)
    shown = explain(trace, session, findings, catalog)
    root = page.root
    assert root.one("h1").text == shown.verdict
    assert [e.text for e in root.all("span", class_="title")] == [f.title for f in shown.findings]
    for article, finding in zip(root.all("article", class_="finding"), shown.findings, strict=True):
        texts = [e.text for e in article.all("span", class_="text")]
        assert texts == [evidence.text for evidence in finding.evidence]
        remedies = [e.text for part in article.all("ul", class_="remedies") for e in part.all("li")]
        assert remedies == list(finding.remedies)
        assert article.one("p", class_="meaning").text == finding.meaning
        linked = {e.attributes.get("data-frame") for e in article.all("a")} - {None}
        assert linked <= {str(n) for evidence in finding.evidence for n in evidence.frames}
    numbers = root.one("section", id="numbers").text
    assert timeline["outcome"] in numbers
    assert f"{session.sent.frames} frames" in numbers
    assert f"{session.received.frames} frames" in numbers
    assert page.data("session")["outcome"] == timeline["outcome"]
    assert page.data("frames")["count"] == session.frame_count
    support = root.one("section", id="findings").text
    for _, value in [*shown.request_ids, *shown.versions]:
        assert value in support
    _assert_first_finding_is_at_the_top(page, shown)
    _assert_speech(page, timeline, session.timeline.latency)


def _assert_first_finding_is_at_the_top(page: Page, shown: Explanation) -> None:
    first = shown.findings[0] if shown.findings else None
    said = [e.text for part in page.root.all("dl", class_="answer") for e in part.all("dd")]
    if first is None or first.severity == "info":
        assert said == []
    else:
        assert said == [first.title, *first.seen[:1], *first.remedies[:1]]


def _assert_speech(page: Page, timeline: dict[str, Any], found: Latency) -> None:
    transcript, latency = timeline["transcript"], timeline["latency"]
    results = page.data("transcript")["results"]
    assert [(r["frame"], r["text"], r["final"]) for r in results] == [
        (r["frame"], r["text"], r["final"]) for r in transcript["results"]
    ]
    section = page.root.one("section", id="transcript")
    assert f"{transcript['words']} words in {transcript['finals']} final" in section.text
    texts = "".join(e.text for e in section.all("table", class_="results"))
    for each in transcript["results"][:100]:
        assert safe(each["text"]) in texts
    figures = {name: value for name, value in latency.items() if not isinstance(value, list)}
    assert page.data("latency")["figures"] == figures
    assert page.data("latency")["series"] == {
        name: {
            "points": [
                [round(point.t_ns / 1e9, 4), point.seconds, point.frame] for point in each.points
            ],
            "p50": each.percentile(0.5),
            "p95": each.percentile(0.95),
            "max": each.max,
        }
        for name, each in latency_series(found).items()
    }
    rows = page.root.one("section", id="latency").text
    for each in latency_series(found).values():
        for value in (each.percentile(0.5), each.percentile(0.95), each.max):
            assert f"{value + 0.0:.3f}" in rows
    for value in figures.values():
        assert value is None or f"{value + 0.0:.3f} s" in rows
    shown = [(t["carrier"], t["signal"]["duration_s"]) for t in page.data("tracks")]
    sides = [[t for t in timeline["tracks"] if t["from_client"] is side] for side in (True, False)]
    assert shown == [(t["carrier"], t["signal"]["duration_s"]) for side in sides for t in side[:2]]


# -- sessions to show

RATE = 16_000
PATH = f"/v1/listen?encoding=linear16&sample_rate={RATE}"
MARKUP_PARTS = (
    "<script>canary()</script>",
    "</script><script>canary()</script>",
    "</template><img src=x onerror=canary()>",
    "<!--<script>",
    "]]>--><b>",
    "{{ 7 * 7 }}{% raw %}",
    "\u2028\u2029\u202e\x1b[31m\x00\x07",
    "\"'`><svg/onload=canary()>",
    "&lt;script&gt;&#60;",
)
MARKUP = " ".join(MARKUP_PARTS)


def listening(*, seconds: float = 3.0, words: str = "hello world") -> Records:
    """A session that is transcribed: audio of 100 ms in real time, with results."""
    data = spoken(seconds, RATE)
    records = opened(PATH)
    step = RATE // 10 * 2
    for number, at in enumerate(range(0, len(data), step)):
        records.append(audio(100 + number * 100, APP, data[at : at + step]))
    end = 100 + seconds * 1000
    records += [
        result(end - 1500, words[:5], final=False),
        result(end, words, final=True),
        closed(end + 50, APP, 1000),
        closed(end + 60, SERVER, 1000),
    ]
    return records
