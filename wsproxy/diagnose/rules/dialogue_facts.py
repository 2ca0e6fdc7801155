"""What the rules about a conversation share: when each side spoke, and which words are whose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from wsproxy.audio.report import Region
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session.agent_turns import AgentTurn, AgentTurns
from wsproxy.session.transcript import Result

from .good_ending import good_timeline

_PAUSE_NS = 2_000_000_000  # between two utterances of the user
MIN_UTTERANCE = 0.4  # seconds; shorter sounds may be noise


def agent_turns(facts: SessionFacts) -> AgentTurns | None:
    """The turns of the agent; None where there is no agent, or the session failed."""
    timeline = good_timeline(facts)
    if timeline is None or timeline.api is None or timeline.api.audio.origin != "both":
        return None
    known = timeline.api.exchange
    if facts.transcribes_only or not (known.turn or known.user_text):
        return None
    return timeline.exchange.agent_turns


def spoken_turns(facts: SessionFacts) -> list[AgentTurn]:
    """The turns of the agent that have audio."""
    return [turn for turn in agent_turns(facts) or () if turn.messages]


def user_speech(facts: SessionFacts) -> Sequence[Region]:
    """The stretches of the user's speech, as far as they are kept, in their order."""
    return facts.signal.speech.kept if facts.audio.from_client else ()


def utterances(regions: Sequence[Region], since_ns: int) -> list[Region]:
    """What the user said from a time on, without the pauses of a sentence."""
    out: list[Region] = []
    for region in regions:
        if region.end_t_ns <= since_ns:
            continue
        if out and region.t_ns - out[-1].end_t_ns < _PAUSE_NS:
            out[-1] = out[-1].until(region)
        else:
            out.append(region)
    return [each for each in out if each.seconds >= MIN_UTTERANCE]


def spoke_between(regions: Sequence[Region], start_ns: int, end_ns: int) -> bool:
    """Whether the user spoke at any time between two times."""
    return any(region.t_ns < end_ns and region.end_t_ns > start_ns for region in regions)


def sounds_between(
    regions: Sequence[Region], start_s: float, end_s: float
) -> list[tuple[float, float]]:
    """Where the parts of regions between two places in the audio begin and end, in seconds."""
    return [
        (max(each.start_s, start_s), min(each.end_s, end_s))
        for each in regions
        if each.end_s > start_s and each.start_s < end_s
    ]


def agent_words(facts: SessionFacts, turns: Sequence[AgentTurn]) -> Iterator[list[Result]]:
    """The words of each turn: those that came before the next one."""
    timeline = facts.session.timeline
    results = [each for each in timeline.transcript if each.by_agent] if timeline else []
    for turn, following in pairwise((*turns, None)):
        until = following.t_ns if following is not None else facts.ended_ns
        start = turn.t_ns if turn is not None else 0
        yield [each for each in results if start <= each.t_ns < until]
