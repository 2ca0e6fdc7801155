"""Sessions that end with 1000: what failed is said, and success is not claimed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bug_report import explanation
from normal_close_sessions import FAILED, GOOD

pytestmark = pytest.mark.one_python


@pytest.mark.parametrize("name", FAILED)
def test_explain_of_a_failure_before_a_normal_close_claims_no_success(
    name: str, tmp_path: Path
) -> None:
    explained = explanation(FAILED[name]().write(tmp_path / "session.wstrace"))

    assert explained["outcome"] != "succeeded"
    assert explained["findings"][0]["severity"] in ("error", "warning")
    assert explained["findings"][0]["sentence"] or name == "az-second-phrase"


@pytest.mark.parametrize("name", GOOD)
def test_explain_of_a_normal_close_with_similar_words_finds_no_problem(
    name: str, tmp_path: Path
) -> None:
    explained = explanation(GOOD[name]().write(tmp_path / "session.wstrace"))

    assert explained["outcome"] == "succeeded"
    assert {each["severity"] for each in explained["findings"]} <= {"info"}
