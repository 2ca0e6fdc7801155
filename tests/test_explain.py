"""`wsproxy explain` for people; nothing in a trace gets at their terminal or bug report."""

from __future__ import annotations

import gc
import json
import unicodedata
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console

from traces import make_trace
from wsproxy import __version__
from wsproxy.catalog import load
from wsproxy.cli.main import cli
from wsproxy.diagnose import Evidence, Finding, diagnose
from wsproxy.diagnose.many import Span
from wsproxy.report import markdown, screen
from wsproxy.report.explanation import explain
from wsproxy.report.overview import Overview
from wsproxy.report.text import lasting, safe, short
from wsproxy.session import Session
from wsproxy.trace import (
    Bytes,
    End,
    Eof,
    Failure,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
)
from wsproxy.wire import Close

GOLDEN = Path(__file__).parent / "golden" / "v1"
WIDTH = 100
S = 1_000_000_000
BEGAN = 1_790_000_000 * S  # 2026-09-21 14:13:20 UTC
AUDIO = bytes(3200)  # 100 ms


def run(*args: str | Path) -> Result:
    env = {"COLUMNS": str(WIDTH)}
    return CliRunner().invoke(cli, [str(a) for a in args], env=env, standalone_mode=False)


def out_of(*args: str | Path) -> str:
    result = run(*args)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def words(text: str) -> str:
    """Text as one line: where it is wrapped does not matter."""
    return " ".join(text.split())


# -- traces


def start(**values: Any) -> Start:
    fields: dict[str, Any] = {
        "provider": "deepgram",
        "api": "listen",
        "wsproxy": "0.1.0",
        "mitmproxy": "11.0.2",
    }
    began = values.pop("began", BEGAN)
    return Start(0, 1, "0123456789abcdef", began, **{**fields, **values})


def request(**values: Any) -> Request:
    fields: dict[str, Any] = {
        "host": "api.deepgram.com",
        "path": "/v1/listen?encoding=linear16&sample_rate=16000",
        "headers": [["Upgrade", "websocket"]],
    }
    given_fields = {**fields, **values}
    return Request(1, "GET", "wss", port=443, **given_fields)


def opened(*headers: list[str]) -> Response:
    return Response(S // 10, 101, "Switching Protocols", headers=list(headers))


def audio(at: float) -> FrameRecord:
    return FrameRecord(int(at * S), True, 2, AUDIO, mask=b"abcd", wire_length=3208)


def text(at: float, said: str, *, from_client: bool = False) -> FrameRecord:
    return FrameRecord(int(at * S), from_client, 1, said.encode(), wire_length=len(said) + 2)


def close(at: float, code: int, reason: str = "", *, from_client: bool = False) -> FrameRecord:
    payload = Close(code).serialize() + reason.encode()
    return FrameRecord(int(at * S), from_client, 8, payload, wire_length=len(payload) + 2)


def silent(**values: Any) -> list[Record]:
    """Deepgram hears nothing for 10 s."""
    return [
        start(**values),
        request(),
        opened(["dg-request-id", "5d0bcd4c-a1f8"]),
        text(0.2, '{"type": "Metadata"}'),
        *(audio(0.3 + number / 10) for number in range(20)),
        close(12.3, 1011, "NET-0001"),
        End(int(12.4 * S), "close", "server"),
    ]


def refused(status: int, *headers: list[str], body: bytes = b"", **values: Any) -> list[Record]:
    answer = Response(S, status, "No", headers=list(headers), body=body, body_length=len(body))
    return [start(**values), request(), answer, End(2 * S, "refused", "server")]


def good(pause: float = 0.0, **values: Any) -> list[Record]:
    return [
        start(**values),
        request(),
        opened(),
        *(audio(0.2 + number / 10) for number in range(10)),
        *(audio(1.2 + pause + number / 10) for number in range(10)),
        text(2.3 + pause, '{"type": "CloseStream"}', from_client=True),
        close(2.4 + pause, 1000),
        close(2.5 + pause, 1000, from_client=True),
        End(int((2.6 + pause) * S), "close", "server"),
    ]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Writes a trace."""

    def write(records: Iterable[Record], name: str = "session", *, finish: bool = True) -> Path:
        return make_trace(tmp_path / f"{name}.wstrace", records, finish=finish)

    return write


Make = Callable[..., Path]


# -- one session


def test_a_failure_is_one_screen():
    lines = out_of("explain", GOLDEN / "closed.wstrace").splitlines()
    assert any("warning: " in line for line in lines)
    assert len(lines) <= 40
    assert max(map(len, lines)) <= WIDTH


def test_what_happened_comes_first_and_what_to_send_last(make: Make):
    trace = make(silent())
    shown = words(out_of("explain", trace))
    order = [
        "Deepgram closed the session 12.2 s after the upgrade with 1011 NET-0001.",
        "deepgram listen at api.deepgram.com, 2026-09-21 14:13:20 UTC",
        "+0.000 s ← server close",
        "error: No audio reached Deepgram in time deepgram.listen.NET-0001",
        "evidence - close code: 1011 (frame 22)",
        "the app's last audio was 10.1 s before the end (frame 21)",
        "causes - ",
        "fixes 1. ",
        "retry Retrying works.",
        "also - warning: ",
        "The documentation contradicts itself: ",
        "source Deepgram: ",
        "support Send Deepgram's support the request id (dg-request-id 5d0bcd4c-a1f8), "
        "the end time (2026-09-21 14:13:32 UTC) and the trace.",
        "no credentials, but does contain audio and transcripts",
    ]
    places = [shown.find(part) for part in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)
    assert str(trace) in "".join(line.strip() for line in out_of("explain", trace).splitlines())


def test_the_moment_has_both_sides_and_folds_what_is_alike(make: Make):
    shown = out_of("explain", make(silent()))
    assert "#2-21" in shown
    assert "20 × binary" in shown
    assert "64.0 kB" in shown
    assert "from -12.000 s, one every 0.100 s" in shown
    assert '{"type": "Metadata"}' in shown


def test_the_moment_reaches_back_for_the_other_side(make: Make):
    chatter = [text(1 + n / 10, '{"type": "Results"}') for n in range(30)]
    records = [start(), request(), opened(), audio(0.5), *chatter, close(9, 1011, "NET-0001")]
    rows = explain_records(make(records)).last_frames
    assert [(row.frames, row.side) for row in rows[:2]] == [("#1", "app →"), ("#28", "← server")]
    assert len(rows) == 6


def explain_records(trace: Path) -> Any:
    session, catalog = Session.read(trace), load()
    return explain(trace, session, diagnose(session, catalog), catalog)


def test_all_leaves_nothing_out(make: Make):
    trace = make(silent())
    explained = explain_records(trace)
    short_form, whole = words(out_of("explain", trace)), words(out_of("explain", trace, "--all"))
    for finding in explained.findings:
        evidence = [e.text for e in finding.evidence]
        for part in [*evidence, *finding.causes, *finding.remedies, finding.disagreement]:
            assert words(part) in whole
    assert words(explained.findings[0].causes[-1]) not in short_form
    assert "hidden 2 evidence lines, 2 causes, 1 fix" in short_form


def test_what_the_traffic_shows_of_the_causes_is_marked(make: Make):
    finding = Finding("a.b.c", "error", "T", "M", causes=["slow", "far"], seen=["slow"])
    trace = make(silent())
    explained = explain(trace, Session.read(trace), [finding], load())
    shown = words(printed(screen.session(explained, everything=False)))
    assert "causes - seen here: slow - far" in shown
    listed = markdown.session(explained, everything=False)
    assert "- **seen here:** slow\n- far\n" in listed


def printed(renderable: Any) -> str:
    out = StringIO()
    Console(file=out, width=WIDTH).print(renderable)
    return out.getvalue()


@pytest.mark.parametrize(
    ("headers", "waits", "said"),
    [
        ([["Retry-After", "30"]], 30, "wait 30 s, until 2026-09-21 14:13:51 UTC (Retry-After)"),
        ([["retry-after", " 7200 "]], 7200, "wait 2 hours, until 2026-09-21 16:13:21 UTC"),
        (
            # The server's clock is a day behind; both dates are its own.
            [
                ["Retry-After", "Sun, 20 Sep 2026 14:15:00 GMT"],
                ["Date", "Sun, 20 Sep 2026 14:14:00 GMT"],
            ],
            60,
            "wait 60 s, until 2026-09-21 14:14:21 UTC",
        ),
        ([["Retry-After", "Mon, 21 Sep 2026 14:13:26 GMT"]], 5, "wait 5 s"),
        ([["Retry-After", "Mon, 21 Sep 2026 14:13:26"]], 5, "wait 5 s"),
        ([["Retry-After", "Mon, 01 Jan 2001 00:00:00 GMT"]], 0, "wait 0 s"),
        ([["Retry-After", "soon"]], None, ""),
        ([["Retry-After", "-5"]], None, ""),
        ([["Retry-After", "1e9"]], None, ""),
        ([["Retry-After", "٣"]], None, ""),
        ([["Retry-After", "9" * 5000]], None, ""),
        ([["Retry-After", "Mon, 99 Sep 99999 99:99:99 GMT"]], None, ""),
        ([], None, ""),
    ],
)
def test_how_long_to_wait(make: Make, headers: list[list[str]], waits: float | None, said: str):
    trace = make(refused(429, *headers))
    assert json.loads(out_of("explain", trace, "--json"))["retry_after_s"] == waits
    shown = words(out_of("explain", trace))
    assert said in shown
    assert ("Retry-After)" in shown) is (waits is not None)


def test_a_wait_is_of_refusals_only(make: Make):
    trace = make([start(), request(), opened(["Retry-After", "30"]), close(1, 1011, "NET-0001")])
    assert json.loads(out_of("explain", trace, "--json"))["retry_after_s"] is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (1.25, "1.2 s"), (119, "119 s"), (120, "2 minutes"), (5400, "90 minutes")],
)
def test_durations(seconds: float, said: str):
    assert lasting(seconds) == said


def test_confidence_is_told_where_it_is_not_high(make: Make):
    trace = make(silent())
    for confidence, told in [("high", False), ("low", True)]:
        finding = Finding("a.b.c", "error", "T", "M", confidence=confidence)
        explained = explain(trace, Session.read(trace), [finding], load())
        shown = printed(screen.session(explained, everything=False))
        assert (f"confidence {confidence}" in words(shown)) is told


def test_nobody_at_the_server_is_asked_about_what_it_never_saw():
    shown = words(out_of("explain", GOLDEN / "failed.wstrace"))
    assert "Send your support contact the end time" in shown


def test_a_good_session_is_one_sentence(make: Make):
    sentence, *more = out_of("explain", make(good())).splitlines()
    assert sentence == (
        "Deepgram closed the session 2.3 s after the upgrade with 1000; no problems found."
    )
    assert len(more) == 1 or more[0].startswith("deepgram listen at")


def test_a_good_session_has_its_warnings(make: Make):
    trace = make(good(pause=11))
    lines = out_of("explain", trace).splitlines()
    assert "; no failure, 1 warning." in words(" ".join(lines[:2]))
    shown = words(" ".join(lines))
    assert "warning: The app was silent for longer than the API allows" in shown
    assert "the app sent nothing for 11.1 s" in shown
    assert "Or send silence as audio" in shown
    # Nobody has to be asked, and a normal end is nothing to tell.
    assert "support" not in shown
    assert "rfc6455.close.1000" not in shown


def test_a_session_that_is_still_being_written(make: Make):
    trace = make(silent()[:-2], finish=False)
    shown = words(out_of("explain", trace))
    assert "it is still being written, or was cut." in shown
    assert "so far." in shown
    assert "support" not in shown
    assert "20 × binary" in shown


def test_a_session_without_a_request(make: Make):
    shown = out_of("explain", make([start(provider=None, api=None), End(1, "stopped")]))
    assert "The recorder was stopped" in shown
    assert "None" not in shown


# -- Markdown


def tokens(source: str) -> list[Token]:
    parsed = MarkdownIt("commonmark", {"html": True}).enable("table").parse(source)
    return [t for token in parsed for t in (token, *(token.children or ()))]


def test_markdown_says_what_the_screen_says(make: Make):
    trace = make(silent())
    shown = out_of("explain", trace, "--markdown")
    found = tokens(shown)
    headings = [found[i + 1].content for i, t in enumerate(found) if t.type == "heading_open"]
    assert headings == [
        "error: No audio reached Deepgram in time (`deepgram.listen.NET-0001`)",
        "Last frames",
        "Also found",
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


def test_markdown_and_json_exclude_each_other(make: Make):
    result = run("explain", make(silent()), "--markdown", "--json")
    assert "exclude each other" in str(result.exception)


_ONE_LINE = st.text(st.characters(exclude_categories=["Cs"])).map(lambda t: safe(t).strip())


@given(_ONE_LINE)
def test_code_is_code(said: str):
    (inline,) = [t for t in tokens(f"- {markdown.code(said)}") if t.type == "inline"]
    (token,) = inline.children or ()
    assert (token.type, token.content.strip()) == ("code_inline", said or "?")


@given(st.lists(_ONE_LINE))
def test_a_fence_holds_its_lines(lines: list[str]):
    (token,) = tokens("\n".join(markdown.fenced(lines)))
    assert token.type == "fence"
    assert token.content.splitlines() == (lines or [])


@given(
    st.lists(st.sampled_from([*"`*_[]()<>!#@|~&$\\-+=1.)/: \t", "www.", "http://", "a"]))
    .map("".join)
    .map(lambda t: safe(t).strip())
)
def test_prose_stays_as_it_is(said: str):
    found = tokens(markdown.prose(said))
    kinds = {t.type for t in found} - {"paragraph_open", "paragraph_close", "inline"}
    assert kinds <= {"text", "code_inline", "text_special"}
    inline = [t for t in found if t.type in ("text", "code_inline", "text_special")]
    assert words("".join(t.content for t in inline)) == words(said)
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


@pytest.mark.parametrize("content", [HOSTILE, LONG], ids=["short", "long"])
@pytest.mark.parametrize("place", PLACES, ids=lambda p: p.name)
def test_a_terminal_gets_nothing_to_obey(make: Make, place: Hostile, content: str):
    trace = make(place.records(content))
    for command in (
        ["explain", trace],
        ["explain", trace, "--all"],
        ["explain", trace, trace],
        ["show", trace],
        ["show", trace, "--full"],
        ["list", trace],
    ):
        shown = out_of(*command)
        assert raw(shown) == set(), command
        if command[0] == "explain":
            # No text is so long that it pushes the rest off the screen.
            lines = shown.splitlines()
            assert max(map(len, lines)) <= WIDTH
            assert len(lines) < 200


def test_brackets_are_shown_as_they_are(make: Make):
    trace = make([*silent()[:-3], text(12, "[bold]x[/] [/] :bomb:"), close(12.3, 4999, "[red]")])
    for command in ("explain", "show", "list"):
        shown = words(out_of(command, trace))
        assert "[red]" in shown
        assert ("[bold]x[/] [/] :bomb:" in shown) is (command != "list")


@pytest.mark.parametrize("content", [HOSTILE, LONG], ids=["short", "long"])
@pytest.mark.parametrize("place", PLACES, ids=lambda p: p.name)
def test_markdown_gets_nothing_to_obey(make: Make, place: Hostile, content: str):
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


def test_a_hostile_finding_is_harmless_too(make: Make):
    trace = make(silent())
    source = {"document": HOSTILE, "section": HOSTILE, "url": f"https://x/ {HOSTILE}"}
    finding = Finding(
        HOSTILE, "error", HOSTILE, HOSTILE, [Evidence(HOSTILE)], [HOSTILE, "b"], [HOSTILE],
        [HOSTILE], "wait", HOSTILE, source, "low", HOSTILE, [HOSTILE],
    )  # fmt: skip
    findings = [finding, Finding("w", "warning", HOSTILE, HOSTILE, [Evidence(HOSTILE)])]
    explained = explain(trace, Session.read(trace), findings, load())
    overview = Overview(load())
    overview.add(trace, Session.read(trace), findings)
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


def test_short_is_short():
    assert short("a" * 10, 10) == "a" * 10
    assert short("a" * 11, 10) == "a" * 9 + "…"
    assert len(short("\x1b" * 10_000, 10)) == 10


# -- several


@pytest.fixture
def folder(tmp_path: Path, make: Make) -> Path:
    """Three silent sessions, a refused one, two good ones, an open one and no trace at all."""
    (tmp_path / "below").mkdir()
    for number, began in enumerate((BEGAN + 60 * S, BEGAN, BEGAN + 3600 * S)):
        make(silent(began=began), f"below/silent{number}")
    make(refused(401, body=b'{"err_code":"INVALID_AUTH"}'), "refused")
    make(good(), "good1")
    make(good(), "good2")
    make(good()[:-3], "open", finish=False)
    (tmp_path / "broken.wstrace").write_bytes(b"no trace")
    (tmp_path / "notes.txt").write_text("not looked at")
    return tmp_path


def test_a_folder_is_explained_in_groups(folder: Path):
    result = run("explain", folder)
    assert isinstance(result.exception, SystemExit)
    assert result.exception.code == 3
    (error,) = result.stderr.splitlines()
    assert "broken.wstrace" in error
    shown = words(result.stdout)
    table, *explanations = shown.split("Deepgram closed the session")
    order = [
        "7 sessions in 2 groups.",
        "2 without problems.",
        "1 without an end: ",
        "1 more trace could not be read.",
        "3 2026-09-21 14:13:20 error: No audio reached Deepgram in time",
        "2026-09-21 15:13:20 deepgram.listen.NET-0001",
        "silent1.wstrace",
        "1 2026-09-21 14:13:20 error: Deepgram does not accept the API key",
        "deepgram.upgrade.INVALID_AUTH",
        "refused.wstrace",
    ]
    # A long path is folded somewhere in its middle.
    squeezed = "".join(table.split())
    places = [squeezed.find("".join(part.split())) for part in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)
    assert len(explanations) == 1
    assert shown.count("Deepgram refused the upgrade with HTTP 401.") == 1


def test_a_folder_in_markdown(folder: Path):
    shown = run("explain", folder, "--markdown").stdout
    rows = [line for line in shown.splitlines() if line.startswith("| `")]
    assert rows[0] == (
        "| `deepgram.listen.NET-0001` | error: No audio reached Deepgram in time | 3 "
        "| 2026-09-21 14:13:20 | 2026-09-21 15:13:20 | `silent1.wstrace` |"
    )
    assert len(rows) == 2
    assert "table_open" in {t.type for t in tokens(shown)}


def test_a_folder_in_json(folder: Path):
    result = run("explain", folder, "--json")
    found = json.loads(result.stdout)
    assert len(found) == 7
    assert "broken.wstrace" in result.stderr
    assert {Path(each["path"]).name for each in found} >= {"silent0.wstrace", "good1.wstrace"}


def test_several_are_laid_out_as_one(make: Make):
    """What programs of before read: one array, two blanks a level."""
    trace = make([*silent()[:-2], close(12.3, 1011, "NET-0001 \u2028 \x85")])
    one = json.loads(out_of("explain", trace, "--json"))
    assert out_of("explain", trace, trace, "--json") == (
        json.dumps([one, one], indent=2, ensure_ascii=False) + "\n"
    )


def test_an_empty_folder(tmp_path: Path):
    assert "0 sessions" in out_of("explain", tmp_path)
    assert json.loads(out_of("explain", tmp_path, "--json")) == []


def test_what_does_not_exist_stops_nothing(make: Make):
    result = run("explain", "no-such-file", make(silent()))
    assert "no-such-file" in result.stderr
    assert "1 session in 1 group." in result.stdout
    assert isinstance(result.exception, SystemExit)
    assert result.exception.code == 3


def test_sessions_are_not_kept(make: Make):
    overview = Overview(load())
    read = Session.read(make(silent()))
    gone = weakref.ref(read)
    overview.add(Path("x"), read, diagnose(read, load()))
    del read
    gc.collect()
    assert gone() is None
    assert overview.groups[0].example.main is not None


@pytest.mark.parametrize("storm", [True, False])
def test_what_sessions_show_only_together(
    folder: Path, monkeypatch: pytest.MonkeyPatch, storm: bool
):
    seen: list[list[Span]] = []

    def across(spans: Iterable[Span]) -> list[Finding]:
        seen.append(list(spans))
        return [Finding("traffic.many.storm", "warning", "A storm", "M")] if storm else []

    monkeypatch.setattr("wsproxy.cli.explain.across", across)
    monkeypatch.setattr("wsproxy.cli.explain.KEPT", 5)
    shown = words(run("explain", folder).stdout)
    assert ("warning: A storm traffic.many.storm" in shown) is storm
    assert ("A storm" in run("explain", folder, "--markdown").stdout) is storm
    *sessions, last = json.loads(run("explain", folder, "--json").stdout)
    assert [len(each) for each in seen] == [5, 5, 5]
    assert len(sessions) == (7 if storm else 6)
    assert (last["session"] is None) is storm
    assert set(last) == set(sessions[0])
