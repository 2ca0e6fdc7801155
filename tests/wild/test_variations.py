"""The right headline of a report does not depend on details of its session."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import earlier_reports
import variation
from bug_report import Judgement, explanation, false_of_near_miss, headline, judge
from provider_sessions import answered, append, chunks, pcm, realtime, response_done
from reports import REPORTS
from variation import Variation

pytestmark = pytest.mark.one_python

BY_NAME = {report.name: report for report in [*earlier_reports.REPORTS, *REPORTS]}

ONCE_WRONG = [
    # An error message before an ordinary Close was buried under what was missing.
    ("xi-unusual-activity", variation.server_closes_normally),
    ("xi-paid-voice", variation.server_closes_normally),
    ("aai-v2-retired", variation.app_closes),
    # Where the key belongs was only said of a session that failed.
    ("aai-key-in-query", variation.app_closes),
    # The server's JSON in binary messages was not read.
    ("oai-float32", variation.server_sends_binary),
    ("oai-incomplete", variation.server_sends_binary),
    ("gl-chunk-refused", variation.server_sends_binary),
    ("xai-model-ignored", variation.server_sends_binary),
    # The number of the last frame was compared with that of the last message.
    ("own-server-silent", variation.fragmented),
    # A rate that only a WAV header declares was compared with the pitch of the voice alone.
    ("az-8k-as-16k", variation.slow_start),
]


@pytest.mark.parametrize(("name", "vary"), ONCE_WRONG)
def test_explain_of_a_varied_report_names_its_cause(
    name: str, vary: Variation, tmp_path: Path
) -> None:
    report = BY_NAME[name]
    session = vary(report.session())
    assert session is not None

    explained = explanation(session.write(tmp_path / "session.wstrace"))

    assert judge(report, explained) == Judgement((), (), ()), headline(explained)


NEAR_ONCE_FALSE = [
    ("dgs-excessive-flush", variation.server_sends_binary),
    ("y-dg-english-as-japanese", variation.server_sends_binary),
]


@pytest.mark.parametrize(("name", "vary"), NEAR_ONCE_FALSE)
def test_explain_of_a_varied_near_miss_does_not_name_the_cause(
    name: str, vary: Variation, tmp_path: Path
) -> None:
    report = BY_NAME[name]
    session = vary(report.near())
    assert session is not None

    explained = explanation(session.write(tmp_path / "session.wstrace"))

    assert false_of_near_miss(report, explained) == [], headline(explained)


NEVER = [
    # What was not recorded of a message is neither odd nor invalid.
    ("oai-float32", variation.cut_frames, "odd number|not valid JSON"),
    ("oai-shared-pool", variation.cut_frames, "odd number|not valid JSON"),
    # What a recording does not contain may have come later.
    ("dg-closed-ok", variation.recording_stops, "no transcript|did not answer|no audio came"),
    ("xi-unusual-activity", variation.recording_stops, "no transcript|no audio came"),
    ("oai-voice-noise", variation.recording_stops, "did not answer"),
]


@pytest.mark.parametrize(("name", "vary", "never"), NEVER)
def test_explain_of_a_session_that_was_not_recorded_completely_says_nothing_of_the_rest(
    name: str, vary: Variation, never: str, tmp_path: Path
) -> None:
    session = vary(BY_NAME[name].session())
    assert session is not None

    explained = explanation(session.write(tmp_path / "session.wstrace"))

    titles = [finding["title"] for finding in explained["findings"]]
    said = f"{explained['outcome']}\n" + "\n".join(titles)
    assert not re.search(never, said), said


def test_explain_of_long_messages_of_audio_finds_no_problem(tmp_path: Path) -> None:
    session = realtime().stream(chunks(pcm(8.0, 24_000), 96_000), 2.0, append)
    session.app({"type": "input_audio_buffer.commit"})
    answered(session).server(response_done("completed")).app_closes(1000, after=1.0)

    explained = explanation(session.write(tmp_path / "session.wstrace"))

    assert [f["title"] for f in explained["findings"] if f["severity"] != "info"] == []
