"""`wsproxy explain` for people."""

from __future__ import annotations

import gc
import json
import re
import weakref
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from explain_traces import (
    BEGAN,
    GOLDEN,
    WIDTH,
    Make,
    S,
    audio,
    close,
    good,
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
from wsproxy.catalog import load
from wsproxy.diagnose import Evidence, Finding, diagnose
from wsproxy.diagnose.session_groups import SessionSpan
from wsproxy.report import markdown, screen
from wsproxy.report.examination import examined
from wsproxy.report.explanation import explain
from wsproxy.report.groups import Overview
from wsproxy.report.text import lasting
from wsproxy.session import Session
from wsproxy.trace import End, Request

# -- one session


def test_explain_failure_fits_one_screen() -> None:
    lines = out_of("explain", GOLDEN / "closed.wstrace").splitlines()
    assert any("warning: " in line for line in lines)
    assert len(lines) <= 40
    assert max(map(len, lines)) <= WIDTH


def test_explain_failure_starts_with_summary_and_ends_with_ids(make: Make) -> None:
    trace = make(silent())
    shown = words(out_of("explain", trace))
    order = [
        "Deepgram closed the session 12.2 s after the upgrade with 1011 NET-0001.",
        "deepgram listen at api.deepgram.com, 2026-09-21 14:13:20 UTC",
        "+0.000 s ← server close",
        "error: No audio reached Deepgram in time deepgram.listen.NET-0001",
        "cause - seen here: The audio source stopped",
        "evidence - close reason: NET-0001 (frame 22)",
        "the app's last audio was 10.1 s before the end (frame 21)",
        "fixes 1. ",
        "retry Reconnecting works, but the new stream fails in the same way",
        "support for Deepgram's support: dg-request-id 5d0bcd4c-a1f8, "
        "ended 2026-09-21 14:13:32 UTC",
        "(has audio and text, no credentials)",
    ]
    places = [shown.find(part) for part in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)
    assert str(trace) in "".join(line.strip() for line in out_of("explain", trace).splitlines())


@pytest.mark.parametrize(
    "body, receiver",
    [
        (b'{"err_code": "INVALID_AUTH"}', "Deepgram's support"),
        (b"error code: 1015", "your support contact"),
        (b"<html><title>Blocked</title><p>nginx</p></html>", "your support contact"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--markdown",)])
def test_explain_support_is_that_of_the_side_that_answered(
    make: Make, body: bytes, receiver: str, options: tuple[str, ...]
) -> None:
    shown = words(out_of("explain", make(refused(401, ["Server", "x"], body=body)), *options))
    assert options or f"for {receiver}: " in shown
    assert "no credentials" in shown
    assert "contain audio" not in shown  # the upgrade was refused
    assert "has audio" not in shown


def test_explain_last_frames_show_both_sides_and_fold_similar_frames(make: Make) -> None:
    shown = out_of("explain", make(silent()))
    assert "#2-21" in shown
    assert "20 × binary" in shown
    assert "64.0 kB" in shown
    assert "from -12.000 s, one every 0.100 s" in shown
    assert '{"type": "Metadata"}' in shown


def test_explain_last_frames_include_an_older_frame_of_the_other_side(make: Make) -> None:
    chatter = [text(1 + n / 10, '{"type": "Results"}') for n in range(30)]
    records = [start(), request(), opened(), audio(0.5), *chatter, close(9, 1011, "NET-0001")]
    rows = explain_records(make(records)).last_frames
    assert [(row.frames, row.side) for row in rows[:2]] == [("#1", "app →"), ("#28", "← server")]
    assert len(rows) == 6


def explain_records(trace: Path) -> Any:
    session, catalog = Session.read(trace), load()
    return explain(trace, session, diagnose(session, catalog), catalog)


def test_explain_all_shows_everything(make: Make) -> None:
    trace = make(silent())
    explained = explain_records(trace)
    short_form, full_form = (
        words(out_of("explain", trace)),
        words(out_of("explain", trace, "--all")),
    )
    for finding in explained.findings:
        evidence = [e.text for e in finding.evidence]
        for part in [*evidence, *finding.causes, *finding.remedies, finding.disagreement]:
            assert words(part) in full_form
    assert words(explained.findings[0].causes[-1]) not in short_form
    assert re.search(r"hidden \d+ evidence lines, 4 causes, \d fix", short_form)
    assert "hidden" not in full_form


def test_explain_causes_with_evidence_are_marked(make: Make) -> None:
    finding = Finding("a.b.c", "error", "T", "M", causes=["slow", "far"], seen=["slow"])
    trace = make(silent())
    explained = explain(trace, Session.read(trace), [finding], load())
    shown = words(printed(screen.session(explained, everything=False)))
    assert "cause - seen here: slow" in shown
    assert "far" not in shown  # there is no evidence for it
    everything = words(printed(screen.session(explained, everything=True)))
    assert "cause - seen here: slow causes - far" in everything
    listed = markdown.session(explained, everything=False)
    assert "- **seen here:** slow\n- far\n" in listed


@pytest.mark.parametrize(
    ("headers", "waits", "expected"),
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
def test_explain_refusal_shows_retry_after(
    make: Make, headers: list[list[str]], waits: float | None, expected: str
) -> None:
    trace = make(refused(429, *headers))
    assert json.loads(out_of("explain", trace, "--json"))["retry_after_s"] == waits
    shown = words(out_of("explain", trace))
    assert expected in shown
    assert ("Retry-After)" in shown) is (waits is not None)


def test_explain_accepted_session_shows_no_retry_after(make: Make) -> None:
    trace = make([start(), request(), opened(["Retry-After", "30"]), close(1, 1011, "NET-0001")])
    assert json.loads(out_of("explain", trace, "--json"))["retry_after_s"] is None


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (1.25, "1.2 s"), (119, "119 s"), (120, "2 minutes"), (5400, "90 minutes")],
)
def test_lasting_formats_seconds(seconds: float, expected: str) -> None:
    assert lasting(seconds) == expected


def test_explain_confidence_below_high_is_shown(make: Make) -> None:
    trace = make(silent())
    for confidence, is_shown in [("high", False), ("low", True)]:
        finding = Finding("a.b.c", "error", "T", "M", confidence=confidence)
        explained = explain(trace, Session.read(trace), [finding], load())
        shown = printed(screen.session(explained, everything=False))
        assert (f"confidence {confidence}" in words(shown)) is is_shown


def test_explain_failure_before_the_server_names_no_support() -> None:
    shown = words(out_of("explain", GOLDEN / "failed.wstrace"))
    assert "for your support contact: ended " in shown


def test_explain_successful_session_is_one_sentence(make: Make) -> None:
    sentence, *more = out_of("explain", make(good())).splitlines()
    assert sentence == (
        "Deepgram closed the session 2.3 s after the upgrade with 1000; no problems found."
    )
    assert len(more) == 1 or more[0].startswith("deepgram listen at")


def test_explain_successful_session_shows_warnings(make: Make) -> None:
    trace = make(good(pause=11))
    lines = out_of("explain", trace).splitlines()
    assert "; no failure, 1 warning." in words(" ".join(lines[:2]))
    shown = words(" ".join(lines))
    assert "warning: The app was silent for longer than the API allows" in shown
    assert "the app sent nothing for 11.1 s" in shown
    assert "Send silence as audio" in shown
    # No request id is needed, and a normal end needs no explanation.
    assert "support" not in shown
    assert "rfc6455.close.1000" not in shown


def test_explain_session_without_end_is_reported_as_open(make: Make) -> None:
    trace = make(silent()[:-2], finish=False)
    shown = words(out_of("explain", trace))
    assert "the recorder is still running, or was killed." in shown
    assert "so far." in shown
    assert "support" not in shown
    assert "20 × binary" in shown


def test_explain_session_without_request_is_explained(make: Make) -> None:
    shown = out_of("explain", make([start(provider=None, api=None), End(1, "stopped")]))
    assert "The recorder was stopped" in shown
    assert "None" not in shown


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


def test_explain_folder_groups_sessions(folder: Path) -> None:
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
        "3 error: No audio reached Deepgram in time deepgram.listen.NET-0001",
        "2026-09-21 14:13:20 to 2026-09-21 15:13:20",
        "silent1.wstrace",
        "1 error: Deepgram does not accept the API key",
        "deepgram.upgrade.INVALID_AUTH",
        "refused.wstrace",
    ]
    assert table.count("2026-09-21 14:13:20") == 2  # one session has one time
    # A long path is folded somewhere in its middle.
    squeezed = "".join(table.split())
    places = [squeezed.find("".join(part.split())) for part in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)
    assert len(explanations) == 1
    assert shown.count("Deepgram refused the upgrade with HTTP 401.") == 1


def test_explain_folder_markdown_has_a_table(folder: Path) -> None:
    shown = run("explain", folder, "--markdown").stdout
    rows = [line for line in shown.splitlines() if line.startswith("| `")]
    assert rows[0] == (
        "| `deepgram.listen.NET-0001` | error: No audio reached Deepgram in time | 3 "
        "| 2026-09-21 14:13:20 | 2026-09-21 15:13:20 | `silent1.wstrace` |"
    )
    assert len(rows) == 2
    assert "table_open" in {t.type for t in tokens(shown)}


def test_explain_folder_json_has_groups(folder: Path) -> None:
    result = run("explain", folder, "--json")
    found = json.loads(result.stdout)
    assert len(found) == 7
    assert "broken.wstrace" in result.stderr
    assert {Path(each["path"]).name for each in found} >= {"silent0.wstrace", "good1.wstrace"}


def test_explain_several_traces_json_is_one_array(make: Make) -> None:
    """What programs of before read: one array, two blanks a level."""
    trace = make([*silent()[:-2], close(12.3, 1011, "NET-0001 \u2028 \x85")])
    one = json.loads(out_of("explain", trace, "--json"))
    assert out_of("explain", trace, trace, "--json") == (
        json.dumps([one, one], indent=2, ensure_ascii=False) + "\n"
    )


def test_explain_empty_folder_is_reported(tmp_path: Path) -> None:
    assert out_of("explain", tmp_path).startswith("no recordings in ")
    assert json.loads(out_of("explain", tmp_path, "--json")) == []


def test_explain_missing_path_does_not_stop_others(make: Make) -> None:
    result = run("explain", "no-such-file", make(silent()))
    assert "no-such-file" in result.stderr
    assert "1 session in 1 group." in result.stdout
    assert isinstance(result.exception, SystemExit)
    assert result.exception.code == 3


def test_explain_folder_releases_each_session(make: Make) -> None:
    overview = Overview()
    read = Session.read(make(silent()))
    gone = weakref.ref(read)
    overview.add(examined(Path("x"), read, diagnose(read, load())))
    del read
    gc.collect()
    assert gone() is None
    assert overview.groups[0].id == "deepgram.listen.NET-0001"


@pytest.mark.parametrize("storm", [True, False])
def test_explain_folder_shows_findings_across_sessions(
    folder: Path, monkeypatch: pytest.MonkeyPatch, storm: bool
) -> None:
    seen: list[list[SessionSpan]] = []

    def findings_across(spans: Iterable[SessionSpan]) -> list[Finding]:
        seen.append(list(spans))
        return [Finding("traffic.many.storm", "warning", "A storm", "M")] if storm else []

    monkeypatch.setattr("wsproxy.cli.explain.findings_across", findings_across)
    monkeypatch.setattr("wsproxy.cli.explain.KEPT_SPANS", 5)
    shown = words(run("explain", folder).stdout)
    assert ("warning: A storm traffic.many.storm" in shown) is storm
    assert ("A storm" in run("explain", folder, "--markdown").stdout) is storm
    *sessions, last = json.loads(run("explain", folder, "--json").stdout)
    assert [len(each) for each in seen] == [5, 5, 5]
    assert len(sessions) == (7 if storm else 6)
    assert (last["session"] is None) is storm
    assert set(last) == set(sessions[0])


def test_explain_server_on_this_machine_has_no_support_of_a_provider(make: Make) -> None:
    records = [replace(r, host="127.0.0.1") if isinstance(r, Request) else r for r in silent()]
    assert explain_records(make(records)).support == ""


@pytest.mark.parametrize(
    "finding, advice",
    [
        (Finding("a.b.c", "error", "T", "M", retry="yes"), "A new session usually works."),
        (
            Finding("a.b.c", "error", "T", "M", causes=["x"], seen=["x"], retry="yes"),
            "A new session works until the cause seen here recurs.",
        ),
        (
            Finding("a.b.c", "error", "T", "M", causes=["x"], seen=["x"], retry="maybe"),
            "Retrying helps only if the cause seen here does not recur.",
        ),
        (Finding("a.b.c", "warning", "T", "M", retry="no-error"), ""),
        (
            Finding("a.b.c", "error", "T", "M", retry="yes", retry_note="A new one is cut again."),
            "A new session usually works. A new one is cut again.",
        ),
    ],
)
def test_explain_retry_advice_fits_what_is_seen(make: Make, finding: Finding, advice: str) -> None:
    trace = make(silent())
    assert explain(trace, Session.read(trace), [finding], load()).retry == advice


def test_explain_findings_that_repeat_the_first_one_are_not_listed_beside_it(make: Make) -> None:
    shown = [Evidence("x", (3, 4)), Evidence("the last text", (5,), detail=True)]
    first = Finding("a.b.c", "error", "T", "M", shown, rules={"slow": "y"})
    same_rule = Finding("traffic.a", "warning", "A", "M", [Evidence("z", (9,))], rules={"slow": ""})
    same_frames = Finding("traffic.b", "warning", "B", "M", [Evidence("w", (4,))])
    confirming = Finding("traffic.c", "info", "C", "M", [Evidence("v", (8,))])
    other = Finding("traffic.d", "warning", "D", "M", [Evidence("u", (5,))])
    trace = make(silent())
    findings = [first, same_rule, same_frames, confirming, other]
    explained = explain(trace, Session.read(trace), findings, load())
    assert [each.id for each in explained.further] == ["traffic.d"]
    assert len(explained.others) == 4
    assert "C  traffic.c" in printed(screen.session(explained, everything=True))
