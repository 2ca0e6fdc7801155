"""docs/wild.md shows what `explain` says now."""

from __future__ import annotations

from pathlib import Path

import pytest

import earlier_reports
from reports import REPORTS, UNSOLVED
from tools import wild

pytestmark = pytest.mark.one_python

DOCUMENT = Path(__file__).parents[2] / "docs" / "wild.md"


def test_wild_document_matches_what_explain_says_of_the_reported_sessions() -> None:
    assert DOCUMENT.read_text("utf-8") == wild.document(
        [*REPORTS, *UNSOLVED], earlier_reports.REPORTS
    )
