"""`explain` of many sessions: one screen, in several processes, and an exit status for CI."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from commands import wsproxy
from explain_traces import BEGAN, Make, S, good, out_of, printed, refused, run, silent, words
from wsproxy.diagnose import Finding
from wsproxy.report import examination, screen
from wsproxy.report.examination import ExaminedSession, examine_all
from wsproxy.report.groups import Overview


def examined(number: int, **finding: str) -> ExaminedSession:
    first = Finding(
        finding.get("id", "deepgram.listen.NET-0001"),
        "error",
        "A title",
        "",
        sentence=finding.get("sentence", ""),
    )
    return ExaminedSession(
        path=Path(f"{number}.wstrace"),
        began_ns=BEGAN + number * S,
        state="failed",
        outcome="failed",
        first=first,
        has_notice=False,
        model="nova-2" if number % 4 == 0 else "nova-3",
        key="0a1b",
        span=None,
        duration_s=1.0,
        latency={},
        unread="",
        json=None,
    )


def overview_of(*sessions: ExaminedSession) -> Overview:
    overview = Overview()
    for each in sessions:
        overview.add(each)
    return overview


def test_overview_groups_by_id_and_sentence() -> None:
    sentences = ["Timeout after 10 s", "Timeout after 12 s", "No quota", "No quota"]
    overview = overview_of(
        *(examined(n, sentence=sentence) for n, sentence in enumerate(sentences)),
        examined(9, id="deepgram.listen.NET-0000", sentence="No quota"),
    )
    assert [group.count for group in overview.groups] == [2, 2, 1]
    assert overview.counts[0] == "5 sessions in 3 groups."


def test_overview_counts_notices_of_sessions_without_problems() -> None:
    good = replace(examined(1), first=None, state="good", outcome="succeeded")
    overview = overview_of(examined(0), good, replace(good, has_notice=True))
    assert overview.counts == [
        "3 sessions in 1 group.",
        "2 without problems.",
        "1 of these with a notice: explain them one by one.",
    ]


def test_overview_has_share_by_model_and_key() -> None:
    (group,) = overview_of(*(examined(n) for n in range(8))).groups
    assert group.shares == "model nova-3 75 %, nova-2 25 %; key 0a1b 100 %"
    assert (group.first, group.last) == ("2026-09-21 14:13:20", "2026-09-21 14:13:27")


def test_overview_of_one_session_has_no_share() -> None:
    (group,) = overview_of(examined(1)).groups
    assert "%" not in group.shares
    assert group.period == group.first


def test_overview_of_thousands_fits_a_screen() -> None:
    sessions = (examined(n, id=f"deepgram.listen.X-{n % 300}") for n in range(5000))
    shown = screen.overview(overview_of(*sessions), everything=False, how_to_show="--all")

    text = printed(shown)
    assert len(text.splitlines()) < 60
    assert "292 more groups (--all)" in text


def test_explain_ten_sessions_or_more_are_not_explained_in_full(make: Make) -> None:
    for number in range(10):
        trace = make(silent(began=BEGAN + number * S), f"t{number}")
    shown = words(out_of("explain", trace.parent))
    assert "10 sessions in 1 group." in shown
    assert "evidence" not in shown.replace("for its evidence and fixes", "")
    assert "evidence" in words(out_of("explain", trace.parent, "--all"))


def test_explain_in_several_processes_is_the_same(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [make(silent(began=BEGAN + n * S), f"t{n}") for n in range(5)]
    broken = paths[0].with_name("broken.wstrace")
    broken.write_bytes(b"no trace")
    alone = list(examine_all([*paths, broken], as_json=True))
    monkeypatch.setattr(examination, "FEW", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert list(examine_all([*paths, broken], as_json=True)) == alone


@pytest.mark.parametrize("form", [(), ("--json",), ("--markdown",)])
def test_explain_exit_status_is_1_for_a_failed_session(form: tuple[str, ...], make: Make) -> None:
    bad, fine = make(silent(), "bad"), make(good(), "fine")
    assert wsproxy("explain", bad, *form).returncode == 0
    assert wsproxy("explain", bad, "--exit-status", *form).returncode == 1
    assert wsproxy("explain", fine, "--exit-status", *form).returncode == 0
    assert wsproxy("explain", bad.parent, "--exit-status", *form).returncode == 1


def test_explain_json_of_several_has_outcomes(make: Make) -> None:
    bad, fine = make(refused(401), "bad"), make(good(), "fine")
    shown = json.loads(run("explain", bad, fine, "--json").stdout)
    assert [each["outcome"] for each in shown] == ["failed", "succeeded"]
