"""docs/wild.md has a row for each report and counts them.

test_reported_sessions.py looks at what the rows say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import earlier_reports
from bug_report import Report
from reports import REPORTS, UNSOLVED
from tools import wild

pytestmark = pytest.mark.one_python

DOCUMENT = Path(__file__).parents[2] / "docs" / "wild.md"
TEXT = DOCUMENT.read_text("utf-8")


def test_wild_document_begins_with_its_explanation() -> None:
    assert TEXT.startswith(f"{wild.HEAD}\n- ")


@pytest.mark.parametrize(
    ("title", "reports", "what"),
    [
        ("Reports with their sources", [*REPORTS, *UNSOLVED], wild.SEARCHED),
        ("Reports rebuilt before", earlier_reports.REPORTS, wild.REBUILT),
    ],
)
def test_wild_document_lists_and_counts_the_reports(
    title: str, reports: Sequence[Report], what: str
) -> None:
    section = TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    names = [row.split("`")[1] for row in rows]
    verdicts = [
        (re.findall(r"\*\* \((generic|unknown|wrong)\)", row) or ["right"])[0] for row in rows
    ]
    assert names == [report.name for report in reports]
    assert wild.count(what, verdicts) in TEXT.splitlines()
