"""The turns of a transcript that grows."""

from __future__ import annotations

import pytest

from wsproxy.session.transcript import Result, SessionTranscript, Word
from wsproxy.view import live_turns
from wsproxy.view.live_turns import LiveTurns, results

WORDS = (Word("a", 0.0, 0.5),)


def made(number: int, *, final: bool, channel: str = "", agent: bool = False) -> Result:
    t_ns = number * 1_000_000_000
    return Result(
        number, t_ns, f"text {number}", final, None, None, WORDS, channel, None, by_agent=agent
    )


def added(transcript: SessionTranscript, turns: LiveTurns, *items: Result) -> None:
    for each in items:
        transcript.kept.append(each)
        turns.follow(transcript)


@pytest.fixture
def transcript() -> SessionTranscript:
    return SessionTranscript(None, 5)


def test_live_turns_have_a_final_result_with_the_interims_of_its_speaker(
    transcript: SessionTranscript,
) -> None:
    turns = LiveTurns()
    added(
        transcript,
        turns,
        made(1, final=False, channel="0"),
        made(2, final=False, channel="1"),
        made(3, final=False, channel="0"),
        made(4, final=True, channel="0"),
        made(5, final=True, agent=True),
    )
    data = turns.data(transcript, 0)
    assert (data["results"], data["count"]) == (5, 2)
    assert [(t["n"], t["since"], t["until"], t["interims"]) for t in data["turns"]] == [
        (1, 1, 4, 2),
        (2, 5, 5, 0),
    ]
    assert data["turns"][0]["result"]["words"] == [["a", 0.0, 0.5]]
    (waiting,) = data["open"]
    assert (waiting["n"], waiting["since"], waiting["interims"]) == (None, 2, 1)
    assert waiting["result"]["text"] == "text 2"
    assert [each["text"] for each in results(transcript, 1, 3)] == ["text 1", "text 2", "text 3"]


def test_live_turns_for_a_page_are_those_after_the_ones_that_it_has(
    transcript: SessionTranscript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_turns, "SENT_AT_ONCE", 3)
    turns = LiveTurns()
    added(transcript, turns, *(made(number, final=True) for number in range(1, 11)))
    assert [turn["n"] for turn in turns.data(transcript, 8)["turns"]] == [9, 10]
    assert [turn["n"] for turn in turns.data(transcript, 0)["turns"]] == [8, 9, 10]


def test_live_turns_whose_results_are_not_kept_are_left_out(transcript: SessionTranscript) -> None:
    turns = LiveTurns()
    added(transcript, turns, *(made(number, final=True) for number in range(1, 21)))
    found = turns.turns(transcript, 1, 20)
    assert [turn["n"] for turn in found] == [*range(1, 6), *range(16, 21)]


def test_live_turns_around_a_time_are_found(transcript: SessionTranscript) -> None:
    turns = LiveTurns()
    added(transcript, turns, *(made(number, final=True) for number in range(1, 10)))
    assert [turns.around(transcript, t * 1_000_000_000) for t in (0, 1, 4, 9, 99)] == [
        *(1, 1, 4, 9, 9)
    ]


def test_live_turns_of_many_speakers_without_final_results_are_bounded(
    transcript: SessionTranscript,
) -> None:
    turns = LiveTurns()
    added(transcript, turns, *(made(n, final=False, channel=str(n)) for n in range(1, 200)))
    assert len(turns._open) == 64
