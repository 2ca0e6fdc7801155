"""The pages of all sample traces and of all reported sessions say what the commands say."""

from __future__ import annotations

from pathlib import Path

import pytest

import earlier_reports
from bug_report import Report
from html_page import (
    Page,
    assert_shows_what_commands_say,
    html_of,
    listening,
    page_of,
)
from reports import REPORTS
from sample_traces import TRACES, kind
from sessions import APP, SERVER, audio, closed, write
from wsproxy.trace import FrameRecord, Record
from wsproxy.wire import Opcode

pytestmark = pytest.mark.one_python


@pytest.mark.sweep(kind=kind)
@pytest.mark.parametrize("name", TRACES)
def test_page_of_a_sample_shows_what_explain_and_show_say(name: str) -> None:
    page = page_of(TRACES[name], max_audio=0)
    assert_shows_what_commands_say(page, TRACES[name])
    assert page.unclosed == []


@pytest.mark.sweep(keep=25)
@pytest.mark.parametrize(
    "report", [*earlier_reports.REPORTS, *REPORTS], ids=lambda report: report.name
)
def test_page_of_a_reported_session_shows_what_explain_and_show_say(
    report: Report, tmp_path: Path
) -> None:
    trace = report.session().write(tmp_path / "session.wstrace")
    assert_shows_what_commands_say(page_of(trace, max_audio=0), trace)


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ("closed the session", "ended the session"),  # the verdict
        ("No audio reached Deepgram in time", "Too much audio came"),  # a finding's title
        ('dl class="answer error"', 'dl class="answers"'),  # the same at the top
        ("close code: 1011", "close code: 1000"),  # its evidence
        ("During silence, send the text", "Never send the text"),  # what to do
        ("<dd>failed", "<dd>succeeded"),  # the outcome
        ("31 frames, ", "32 frames, "),  # counts
        ("2 words in 1 final", "3 words in 1 final"),
        ("<td>hello world</td>", "<td>hello word</td>"),  # the transcript
        ('"first_final_s":', '"first_final":'),  # latencies
        ("<dd>3.000 s</dd>", "<dd>3.001 s</dd>"),
    ],
)
def test_page_that_says_something_else_is_noticed(tmp_path: Path, part: str, changed: str) -> None:
    """The comparison of the other tests can fail."""
    records = [record for record in listening() if not is_close(record)]
    records += [audio(3150, APP, b"ab"), closed(15_000, SERVER, 1011, "NET-0001")]
    trace = write(tmp_path / "a.wstrace", records)
    html = html_of(trace, max_audio=0)
    assert part in html
    assert_shows_what_commands_say(Page(html), trace)
    with pytest.raises((AssertionError, KeyError)):
        assert_shows_what_commands_say(Page(html.replace(part, changed)), trace)


def is_close(record: Record) -> bool:
    return isinstance(record, FrameRecord) and record.opcode == Opcode.CLOSE
