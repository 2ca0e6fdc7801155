"""Sessions that people reported, rebuilt: the headline of `explain` names the true cause."""

from __future__ import annotations

from pathlib import Path

import pytest

import earlier_reports
from bug_report import (
    Judgement,
    Report,
    explanation,
    explanations,
    false_of_near_miss,
    headline,
    judge,
)
from readable_screen import complaints
from reports import REPORTS, UNSOLVED
from tools import wild

pytestmark = pytest.mark.one_python

EARLIER = earlier_reports.REPORTS
ROWS = (Path(__file__).parents[2] / "docs" / "wild.md").read_text("utf-8").splitlines()
BY_NAME = pytest.mark.parametrize("report", [*EARLIER, *REPORTS], ids=lambda report: report.name)


@pytest.mark.sweep(kind=lambda report: report.kind)
@BY_NAME
def test_explain_of_a_reported_session_names_its_cause_first(
    report: Report, tmp_path: Path
) -> None:
    explained, shown = explanations(report.session().write(tmp_path / "session.wstrace"))

    assert judge(report, explained) == Judgement((), (), ()), headline(explained)
    assert complaints(explained, shown) == [], shown
    row = wild.earlier_row if report in EARLIER else wild.row
    assert row(report, explained) in ROWS, "docs/wild.md differs: make generated"


@pytest.mark.sweep(keep=40)
@BY_NAME
def test_explain_of_a_near_miss_does_not_name_that_cause(report: Report, tmp_path: Path) -> None:
    explained = explanation(report.near().write(tmp_path / "session.wstrace"))

    assert false_of_near_miss(report, explained) == [], headline(explained)
    assert [f["id"] for f in explained["findings"] if f["severity"] == "notice"] == []


@pytest.mark.xfail(strict=True, reason="a header that is legal is no proof of a cause")
@pytest.mark.parametrize("report", UNSOLVED, ids=lambda report: report.name)
def test_explain_of_an_unsolved_report_names_its_cause(report: Report, tmp_path: Path) -> None:
    explained = explanation(report.session().write(tmp_path / "session.wstrace"))

    assert judge(report, explained) == Judgement((), (), ())


@pytest.mark.parametrize("report", UNSOLVED, ids=lambda report: report.name)
def test_unsolved_report_is_shown_as_explain_explains_it(report: Report, tmp_path: Path) -> None:
    explained = explanation(report.session().write(tmp_path / "session.wstrace"))

    assert wild.row(report, explained) in ROWS, "docs/wild.md differs: make generated"


def test_reports_have_distinct_names_and_sources() -> None:
    names = {report.name for report in [*EARLIER, *REPORTS]}
    assert len(names) == len(EARLIER) + len(REPORTS)
    assert len({report.source for report in REPORTS}) == len(REPORTS) >= 36
