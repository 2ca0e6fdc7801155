"""The pages of all sample traces and of all reported sessions say what the commands say."""

from __future__ import annotations

from pathlib import Path

import pytest

import earlier_reports
from bug_report import Report
from html_page import assert_shows_what_commands_say, page_of
from reports import REPORTS

pytestmark = pytest.mark.one_python

SAMPLES = Path(__file__).parents[2] / "recordings" / "samples"
FOLDERS = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS)
def test_pages_of_samples_show_what_explain_and_show_say(folder: str) -> None:
    traces = sorted((SAMPLES / folder).glob("*.wstrace"))
    assert traces
    for trace in traces:
        page = page_of(trace, max_audio=0)
        assert_shows_what_commands_say(page, trace)
        assert page.unclosed == []


@pytest.mark.parametrize(
    "report", [*earlier_reports.REPORTS, *REPORTS], ids=lambda report: report.name
)
def test_page_of_a_reported_session_shows_what_explain_and_show_say(
    report: Report, tmp_path: Path
) -> None:
    trace = report.session().write(tmp_path / "session.wstrace")
    assert_shows_what_commands_say(page_of(trace, max_audio=0), trace)
