"""The right headline of a report does not depend on details of its session."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import earlier_reports
import variation
from bug_report import Judgement, Report, explanation, false_of_near_miss, headline, judge
from provider_sessions import answered, append, chunks, pcm, realtime, response_done
from reports import REPORTS
from variation import Variation
from wire_session import WireSession

pytestmark = pytest.mark.one_python

ALL = [*earlier_reports.REPORTS, *REPORTS]
BY_NAME = {report.name: report for report in ALL}

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
    # An empty field for warnings made an error of a transcript.
    ("whisperlivekit-floats", variation.further_fields),
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
    ("whisperlive-int16", variation.further_fields),
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


def test_explain_of_audio_without_its_header_judges_no_samples(tmp_path: Path) -> None:
    session = BY_NAME["dg-webm-next-connection"].session()

    explained = explanation(session.write(tmp_path / "session.wstrace"))

    found = [finding["id"] for finding in explained["findings"]]
    assert found[0] == "traffic.audio.container-header-missing"
    assert not any(each.startswith("traffic.signal.") for each in found)


# -- all reports, each with some of the variations

_EACH = 2  # variations of a report
_STEP = 5  # no divisor of their number, so that each variation meets reports of all kinds
VARIATIONS = variation.VARIATIONS
VARIED = [
    (report, VARIATIONS[(number * _EACH + nth) * _STEP % len(VARIATIONS)])
    for number, report in enumerate(ALL)
    for nth in range(_EACH)
]
EXEMPT: dict[Variation, tuple[str, ...]] = {}
"""Reports whose cause a variation changes, or hides."""

BY_PAIR = pytest.mark.parametrize(
    ("report", "vary"), VARIED, ids=lambda value: getattr(value, "name", None)
)


def applied(
    report: Report, vary: Variation, make: Callable[[], WireSession]
) -> tuple[str, WireSession]:
    """The session with the first variation that applies, from the given one on; and its name."""
    at = VARIATIONS.index(vary)
    for other in (*VARIATIONS[at:], *VARIATIONS[:at]):
        if report.name not in EXEMPT.get(other, ()) and (session := other(make())) is not None:
            return other.__name__, session
    raise AssertionError("no variation applies")


@pytest.mark.sweep(kind=lambda vary: vary.__name__)
@BY_PAIR
def test_explain_of_a_report_with_other_details_names_its_cause(
    report: Report, vary: Variation, tmp_path: Path
) -> None:
    name, session = applied(report, vary, report.session)

    explained = explanation(session.write(tmp_path / "session.wstrace"))

    assert judge(report, explained) == Judgement((), (), ()), (name, headline(explained))


@pytest.mark.sweep(kind=lambda vary: vary.__name__)
@BY_PAIR
def test_explain_of_a_near_miss_with_other_details_does_not_name_that_cause(
    report: Report, vary: Variation, tmp_path: Path
) -> None:
    name, session = applied(report, vary, report.near)

    explained = explanation(session.write(tmp_path / "session.wstrace"))

    assert false_of_near_miss(report, explained) == [], (name, headline(explained))
