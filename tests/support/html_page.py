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
from wsproxy.report.html.page import session_page

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
    return Page("".join(session_page(trace, load(), max_audio=max_audio)))


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
