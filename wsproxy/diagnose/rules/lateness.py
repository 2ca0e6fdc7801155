"""How late results of speech came, by the places in the audio that they state."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from wsproxy.diagnose.evidence import seconds
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session.transcript import Result
from wsproxy.statistics import median

_CHUNKS = 20  # whose pace shows how much a second is
_RATES = (8000, 16_000, 24_000, 32_000, 44_100, 48_000)
_SAMPLE_SIZES = (1, 2, 4)  # bytes of all channels
_CLOSE = 0.03  # relative


class LateResult(NamedTuple):
    """A result, and how late it came.

    Attributes:
        seconds: since the audio at its end was sent.
        sent: seconds of audio that were sent since then.
    """

    result: Result
    seconds: float
    sent: float


def late_results(facts: SessionFacts) -> Iterator[LateResult]:
    """The results of the user's speech that are kept and state their place in the audio.

    There are none where places count from the beginning of one of several turns.
    """
    timeline, cursor = facts.session.timeline, facts.audio.cursor
    paths = facts.api.result_paths if facts.api else None
    if timeline is None or paths is None or not facts.audio.from_client or not has_places(facts):
        return
    if not (per_second := _bytes_per_second(facts)):
        return
    for each in timeline.transcript:
        # Of a result without words, only the place of what was examined says anything.
        if each.by_agent or each.end_s is None or not (each.text or paths.duration):
            continue
        spoken_ns = cursor.time_at(int(each.end_s * per_second))
        if spoken_ns is not None and spoken_ns <= each.t_ns:
            sent = cursor.size_at(each.t_ns) / per_second - each.end_s
            yield LateResult(each, seconds(each.t_ns - spoken_ns), sent)


def has_places(facts: SessionFacts) -> bool:
    """Whether the times of all results count from the beginning of the audio."""
    timeline, paths = facts.session.timeline, facts.api.result_paths if facts.api else None
    if timeline is None or paths is None:
        return False
    if not paths.of_turn:
        return True
    messages = facts.server_json
    turns = sum(message.kind == paths.of_turn for message in messages)
    return turns <= 1 and len(messages) >= timeline.server_messages  # none was dropped


def _bytes_per_second(facts: SessionFacts) -> float:
    """Of the audio, as declared, or as it arrives where a trace has no declaration; 0: unknown."""
    if (declared := facts.only_format) is not None:
        return declared.bytes_per_second
    if facts.api is None or not facts.api.audio.declared_in:
        return 0.0
    recent = facts.audio.cursor.recent
    interval_ns = facts.audio.cursor.median_interval_ns
    if len(recent) < _CHUNKS or not interval_ns:
        return 0.0
    arrives = 1e9 * median(b - a for (_, a), (_, b) in pairwise(recent)) / interval_ns
    usual = (rate * size for rate in _RATES for size in _SAMPLE_SIZES)
    return min((each for each in usual if abs(each / arrives - 1) < _CLOSE), default=0.0)
