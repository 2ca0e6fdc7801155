"""`wsproxy explain` in Markdown; hostile traces on a terminal and in a bug report."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain_traces import (
    WIDTH,
    Make,
    S,
    close,
    opened,
    out_of,
    printed,
    refused,
    request,
    run,
    silent,
    start,
    text,
    tokens,
    words,
)
from wsproxy import __version__
from wsproxy.catalog import load
from wsproxy.diagnose import Evidence, Finding
from wsproxy.report import markdown, screen
from wsproxy.report.examination import examined
from wsproxy.report.explanation import explain
from wsproxy.report.groups import Overview
from wsproxy.report.safe_text import safe, short
from wsproxy.session import Session
from wsproxy.trace import Bytes, End, Eof, Failure, FrameRecord, Gap, Record, Request

pytestmark = pytest.mark.one_python

# -- Markdown


def test_markdown_has_the_content_of_the_screen(make: Make) -> None:
    trace = make(silent())
    shown = out_of("explain", trace, "--markdown")
    found = tokens(shown)
    headings = [found[i + 1].content for i, t in enumerate(found) if t.type == "heading_open"]
    assert headings == [
        "error: No audio reached Deepgram in time (`deepgram.listen.NET-0001`)",
        "Last frames",
        "For support",
        "Versions",
    ]
    codes = {t.content for t in found if t.type == "code_inline"}
    assert {
        "Deepgram closed the session 12.2 s after the upgrade with 1011 NET-0001.",
        "close reason: NET-0001 (frame 22)",
        "the app sent no KeepAlive",
        "dg-request-id 5d0bcd4c-a1f8",
        "2026-09-21 14:13:32 UTC",
        "session.wstrace",
        __version__,
        "11.0.2",
    } <= codes
    (frames,) = [t.content for t in found if t.type == "fence"]
    assert "← server  close        10 B     1011 NET-0001" in frames
    # Somebody's home directory is nobody else's business.
    assert str(trace.parent) not in shown


def test_markdown_with_json_is_refused(make: Make) -> None:
    result = run("explain", make(silent()), "--markdown", "--json")
    assert "exclude each other" in str(result.exception)


_ONE_LINE = st.text(st.characters(exclude_categories=["Cs"])).map(lambda t: safe(t).strip())


@given(_ONE_LINE)
def test_markdown_code_survives_any_text(prose_text: str) -> None:
    (inline,) = [t for t in tokens(f"- {markdown.code(prose_text)}") if t.type == "inline"]
    assert inline.children is not None
    (token,) = inline.children
    assert (token.type, token.content.strip()) == ("code_inline", prose_text or "?")


@given(st.lists(_ONE_LINE))
def test_markdown_fence_survives_any_lines(lines: list[str]) -> None:
    (token,) = tokens("\n".join(markdown.fenced(lines)))
    assert token.type == "fence"
    assert token.content.splitlines() == (lines or [])


@given(
    st.lists(st.sampled_from([*"`*_[]()<>!#@|~&$\\-+=1.)/: \t", "www.", "http://", "a"]))
    .map("".join)
    .map(lambda t: safe(t).strip())
)
def test_markdown_prose_survives_any_text(prose_text: str) -> None:
    found = tokens(markdown.prose(prose_text))
    kinds = {t.type for t in found} - {"paragraph_open", "paragraph_close", "inline"}
    assert kinds <= {"text", "code_inline", "text_special"}
    inline = [t for t in found if t.type in ("text", "code_inline", "text_special")]
    assert words("".join(t.content for t in inline)) == words(prose_text)
    outside_of_code = "".join(t.content for t in inline if t.type == "text")
    assert not set("@#") & set(outside_of_code)


# -- hostile traces

HOSTILE = (
    "\x1b[2J\x1b]0;title\x07 \x9b31m \x85 \u2028 \u202eevil\u2066 \u200b [bold]x[/] [/] :bomb: "
    "\r\n\t@admin #1 <img src=x onerror=evil> ![evil](http://evil.example) <!-- evil "
    "</pre> `evil` ```evil``` ~~~ | **evil** https://evil.example www.evil.example"
)
LONG = HOSTILE * 300


@dataclass
class Hostile:
    """Records with a hostile text at one place of them."""

    name: str
    records: Callable[[str], list[Record]]


def _in(records: list[Record], *more: Record) -> list[Record]:
    return [*records[:-1], *more, records[-1]]


PLACES = [
    Hostile("close reason", lambda x: [*silent()[:-2], close(12.3, 1011, f"NET-0001 {x}")]),
    Hostile("close reason of no condition", lambda x: [*silent()[:-2], close(12.3, 4999, x)]),
    Hostile("host", lambda x: [start(), request(host=x), *silent()[2:]]),
    Hostile("host of nobody", lambda x: [start(provider=None), request(host=x), *silent()[2:]]),
    Hostile("path", lambda x: [start(), request(path=f"/{x}"), *refused(400)[2:]]),
    Hostile("scheme", lambda x: [start(), Request(1, x, x, "a", 1, "/", x), *refused(400)[2:]]),
    Hostile("header", lambda x: refused(401, [x, x], ["dg-error", x], ["dg-request-id", x])),
    Hostile("id", lambda x: [*silent()[:2], opened(["dg-request-id", x]), *silent()[3:]]),
    Hostile("retry-after", lambda x: refused(429, ["Retry-After", x], ["Date", x])),
    Hostile("body", lambda x: refused(400, body=x.encode())),
    Hostile("body in JSON", lambda x: refused(400, body=json.dumps({"err_msg": x}).encode())),
    Hostile("text", lambda x: [*silent()[:-3], text(12, x), close(12.3, 4999)]),
    Hostile("text of the app", lambda x: _in(silent(), text(12.31, x, from_client=True))),
    Hostile("JSON", lambda x: [*silent()[:-3], text(12, json.dumps({x: x})), close(12.3, 4999)]),
    Hostile(
        "error message",
        lambda x: [
            *silent()[:-3],
            text(12, json.dumps({"type": "Error", "description": x, "request_id": x})),
            close(12.3, 1011, "see the error"),
        ],
    ),
    Hostile(
        "failure", lambda x: [start(), request(), Failure(2, "dns", False, x), End(3, "failed")]
    ),
    Hostile("failure's place", lambda x: [start(), Failure(2, x, False, x), End(3, "failed")]),
    Hostile("gap", lambda x: _in(silent(), Gap(5, 6, x, 1, 1))),
    Hostile("rule", lambda x: _in(silent(), FrameRecord(5, True, 2, b"", broken_rule=x))),
    Hostile("garbage", lambda x: _in(silent(), Bytes(5, True, x.encode(), x))),
    Hostile("eof", lambda x: [*silent()[:-2], Eof(13 * S, False, x)]),
    Hostile("start", lambda x: [start(provider=x, api=x, wsproxy=x, mitmproxy=x, client=x)]),
    Hostile("ending", lambda x: [*silent()[:-2], End(13 * S, x, None, 1011, x, findings=[x])]),
]


def raw(shown: str) -> set[str]:
    """What is left in a text that a terminal, or who reads it, takes for something else."""
    bad = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    return {c for c in shown if c != "\n" and unicodedata.category(c) in bad}


# Of each place, the one or the other.
@pytest.mark.sweep(kind=lambda place: place.name)
@pytest.mark.parametrize("content", [HOSTILE, LONG], ids=["short", "long"])
@pytest.mark.parametrize("place", PLACES, ids=lambda p: p.name)
def test_screen_hostile_trace_has_no_control_characters(
    make: Make, place: Hostile, content: str
) -> None:
    trace = make(place.records(content))
    commands: list[list[str | Path]] = [
        ["explain", trace],
        ["explain", trace, "--all"],
        ["explain", trace, trace],
        ["show", trace],
        ["show", trace, "--full"],
        ["list", trace],
    ]
    for command in commands:
        shown = out_of(*command)
        assert raw(shown) == set(), command
        if command[0] == "explain":
            # No text is so long that it pushes the rest off the screen.
            lines = shown.splitlines()
            assert max(map(len, lines)) <= WIDTH
            assert len(lines) < 200


def test_screen_brackets_are_shown_verbatim(make: Make) -> None:
    trace = make([*silent()[:-3], text(12, "[bold]x[/] [/] :bomb:"), close(12.3, 4999, "[red]")])
    for command in ("explain", "show", "list"):
        shown = words(out_of(command, trace))
        assert "[red]" in shown
        assert ("[bold]x[/] [/] :bomb:" in shown) is (command != "list")


# Of each place, the one or the other.
@pytest.mark.sweep(kind=lambda place: place.name)
@pytest.mark.parametrize("content", [HOSTILE, LONG], ids=["short", "long"])
@pytest.mark.parametrize("place", PLACES, ids=lambda p: p.name)
def test_markdown_hostile_trace_has_no_markup(make: Make, place: Hostile, content: str) -> None:
    trace = make(place.records(content))
    for args in ([trace], [trace, "--all"], [trace, trace]):
        shown = out_of("explain", *args, "--markdown")
        assert raw(shown) == set()
        assert_harmless(shown)
        assert len(shown) < 30_000


def assert_harmless(source: str) -> None:
    """What a trace says is in code, and in nothing else."""
    for token in tokens(source):
        assert token.type not in ("html_inline", "html_block", "image"), token.content
        if token.type == "link_open":
            assert "evil" not in str(token.attrs["href"])
        if token.type in ("text", "text_special"):
            assert "evil" not in token.content
            assert not set("@#") & set(token.content)


def test_screen_and_markdown_hostile_finding_is_harmless(make: Make) -> None:
    trace = make(silent())
    source = {"document": HOSTILE, "section": HOSTILE, "url": f"https://x/ {HOSTILE}"}
    finding = Finding(
        HOSTILE, "error", HOSTILE, HOSTILE, [Evidence(HOSTILE)], [HOSTILE, "b"], [HOSTILE],
        [HOSTILE], "wait", HOSTILE, source, "low", HOSTILE, [HOSTILE],
    )  # fmt: skip
    findings = [finding, Finding("w", "warning", HOSTILE, HOSTILE, [Evidence(HOSTILE)])]
    explained = explain(trace, Session.read(trace), findings, load())
    overview = Overview()
    overview.add(examined(trace, Session.read(trace), findings))
    overview.groups[0].example = explained
    overview.set_across(findings)
    for everything in (False, True):
        for shown in (
            printed(screen.session(explained, everything=everything)),
            printed(screen.overview(overview, everything=everything)),
        ):
            assert raw(shown) == set()
        for shown in (
            markdown.session(explained, everything=everything),
            markdown.overview(overview, everything=everything),
        ):
            assert raw(shown) == set()
            for token in tokens(shown):
                assert token.type not in ("html_inline", "html_block", "image", "link_open")
                assert "@" not in (token.content if token.type == "text" else "")


def test_short_keeps_the_limit() -> None:
    assert short("a" * 10, 10) == "a" * 10
    assert short("a" * 11, 10) == "a" * 9 + "…"
    assert len(short("\x1b" * 10_000, 10)) == 10
