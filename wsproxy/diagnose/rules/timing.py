"""Gaps, pace and durations, against the limits that the API documents."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from statistics import median
from typing import TypeGuard

from wsproxy.diagnose.checks import (
    WINDOW,
    audio_and_wall,
    longest_gap,
    outside_limits,
    worst_window,
)
from wsproxy.diagnose.evidence import Evidence, named, plural, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session import FrameColumns

BEHIND = 0.8  # seconds of live audio in a second that are taken for falling behind
SLOW = 5.0  # seconds to the first result
BEHIND_BY = 3.0  # seconds that results are behind the audio
LATE_SPEECH = 3.0  # seconds from a text to its first audio
_ENOUGH = 5  # results that say something
_SHORT = 5.0  # seconds of session in which a pace says nothing


def chunk_duration(case: SessionFacts) -> list[Evidence]:
    """Audio messages that are shorter or longer than the API allows."""
    form, limits = case.format, case.limits
    if form is None or not form.bytes_per_second or not limits.longest_chunk:
        return []
    odd = _without_last(outside_limits(case, form), case.audio)
    if not odd:
        return []
    low, high = (1000 * form.duration(pick(odd.lengths)) for pick in (min, max))
    text = (
        f"{plural(len(odd), 'audio message')} of {len(case.audio)} "
        f"{'lasts' if len(odd) == 1 else 'last'} {_span(low, high)}; allowed are "
        f"{limits.shortest_chunk * 1000:.0f} to {limits.longest_chunk * 1000:.0f} ms: "
        f"{named(odd.numbers)}"
    )
    return [_at(odd, text, low if low < limits.shortest_chunk * 1000 else high, "ms")]


def _span(low: float, high: float) -> str:
    return f"{low:.0f} ms" if round(low) == round(high) else f"{low:.0f} to {high:.0f} ms"


def _without_last(odd: FrameColumns, audio: FrameColumns) -> FrameColumns:
    """What is left over at the end of a recording may be short."""
    last = audio.numbers[-1:]
    return odd.where(number not in last for number in odd.numbers)


def _at(track: FrameColumns, text: str, value: float, unit: str) -> Evidence:
    return Evidence(text, tuple(track.numbers[:5]), track.times_ns[0], round(value, 2), unit)


def first_audio_late(case: SessionFacts) -> list[Evidence]:
    """The first audio came later after the upgrade than the API waits."""
    limit = case.limits.first_audio
    form = case.format
    if not limit or form is None or not form.from_client or not case.session.accepted:
        return []
    first = case.audio.times_ns[0] if case.audio else case.ended_ns
    waited = seconds(first - case.opened_ns)
    if waited <= limit:
        return []
    if not case.audio:
        text = f"no audio came in the {waited:.1f} s of the session; allowed are {limit:g} s"
        return [Evidence(text, (), first, waited, "s")]
    number = case.audio.numbers[0]
    text = f"the first audio came {waited:.1f} s after the upgrade; allowed are {limit:g} s"
    return [Evidence(f"{text} (frame {number})", (number,), first, waited, "s")]


def silent_too_long(case: SessionFacts) -> list[Evidence]:
    """A gap in what the app sends that is longer than the API allows."""
    limit = case.limits.silence
    if not limit or not case.session.accepted or not case.sent:
        return []
    gap, t_ns, before = longest_gap(case.sent, case.opened_ns, case.ended_ns)
    if seconds(gap) <= limit:
        return []
    after = f"after frame {before}" if before else "after the upgrade"
    text = f"the app sent nothing for {seconds(gap):.1f} s {after}; allowed are {limit:g} s"
    return [Evidence(text, (before,) if before else (), t_ns, seconds(gap), "s")]


def session_too_long(case: SessionFacts) -> list[Evidence]:
    """The session lasted as long as the API lets any last."""
    limit = case.limits.session
    lasted = seconds(case.ended_ns - case.opened_ns)
    if not limit or not case.session.accepted or lasted < limit:
        return []
    text = f"the session lasted {lasted:.0f} s; a session may last {limit:.0f} s"
    return [Evidence(text, (), case.ended_ns, lasted, "s")]


def audio_too_fast(case: SessionFacts) -> list[Evidence]:
    """Audio was sent faster than the API takes it."""
    form, limit = case.format, case.limits.pace
    if form is None or not limit or not form.from_client or not form.bytes_per_second:
        return []
    if len(case.audio) < 2:
        return []
    length, wall = audio_and_wall(case, form)
    worst, at = worst_window(case.audio, form)
    # A second of audio may be in the buffers of app and network at any time.
    over = max((length - 1.0) / wall, worst - 1.0 / WINDOW)
    if over <= limit:
        return []
    text = f"{length:.1f} s of audio were sent in {wall:.1f} s ({length / wall:.1f} times real time"
    text += f"; {worst:.1f} times in the worst {WINDOW:.0f} s" if worst else ""
    text += f"); the limit is {limit:g} times"
    return [_at(case.audio.where(_one(at, len(case.audio))), text, length / wall, "x")]


def _one(index: int, length: int) -> list[bool]:
    return [i == index for i in range(length)]


def audio_too_slow(case: SessionFacts) -> list[Evidence]:
    """A live source that does not keep up with the clock."""
    form = case.format
    if form is None or not form.from_client or not form.bytes_per_second or len(case.audio) < 20:
        return []
    length, wall = audio_and_wall(case, form)
    gap, _, _ = longest_gap(case.audio, case.audio.times_ns[0], case.audio.times_ns[-1])
    # A pause is no slowness: the rate is taken without the longest silence.
    wall -= seconds(gap)
    if wall < _SHORT or length / wall >= BEHIND:
        return []
    text = (
        f"{length:.1f} s of audio in {wall:.1f} s, the longest silence left out: "
        f"{length / wall:.2f} times real time; it falls behind, or the declared rate is too high"
    )
    first, last = case.audio.numbers[0], case.audio.numbers[-1]
    value = round(length / wall, 2)
    return [Evidence(text, (first, last), case.audio.times_ns[0], value, "x")]


def slow_first_result(case: SessionFacts) -> list[Evidence]:
    """The first result came long after the first audio, while audio went on."""
    form, kinds = case.format, case.vocabulary.results
    if form is None or not form.from_client or not kinds or not case.audio:
        return []
    first = next((said for said in case.server_json if said.kind in kinds), None)
    if first is None:
        return []
    start = case.audio.times_ns[0]
    waited = seconds(first.t_ns - start)
    heard = case.audio.until(first.t_ns)
    # Without audio all the while there was nothing to give a result of.
    if waited <= SLOW or form.duration(heard.size) < waited / 2:
        return []
    text = f"the first result came {waited:.1f} s after the first audio (frame {first.frame})"
    return [Evidence(text, (first.frame,), first.t_ns, waited, "s")]


def result_latency(case: SessionFacts) -> list[Evidence]:
    """Results are far behind the audio: by the place in it that each of them names."""
    form, kinds = case.format, case.vocabulary.results
    if form is None or not form.from_client or not form.bytes_per_second or not case.audio:
        return []
    sent = list(accumulate(case.audio.lengths))
    behind = []
    for said in case.server_json:
        start, length = said.content.get("start"), said.content.get("duration")
        if said.kind not in kinds or not _is_number(start) or not _is_number(length):
            continue
        at = bisect_right(case.audio.times_ns, said.t_ns)
        cursor = form.duration(sent[at - 1]) if at else 0.0
        behind.append((cursor - (start + length), said))
    if len(behind) < _ENOUGH:
        return []
    middle = median(late for late, _ in behind)
    if middle <= BEHIND_BY:
        return []
    worst, said = max(behind, key=lambda pair: pair[0])
    text = (
        f"half of {len(behind)} results are {middle:.1f} s or more behind the audio that had "
        f"been sent, the worst {worst:.1f} s (frame {said.frame})"
    )
    return [Evidence(text, (said.frame,), said.t_ns, round(middle, 2), "s")]


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e9 < value < 1e9


def tts_first_byte(case: SessionFacts) -> list[Evidence]:
    """The first audio came long after the first text to speak."""
    form = case.format
    if form is None or form.from_client or not case.spoken or not case.audio:
        return []
    asked = _asked_ns(case)
    first = case.audio.times_ns[0]
    waited = seconds(first - asked)
    if waited <= LATE_SPEECH:
        return []
    number = case.audio.numbers[0]
    text = f"the first audio came {waited:.1f} s after it was asked for (frame {number})"
    return [Evidence(text, (number,), first, waited, "s")]


def _asked_ns(case: SessionFacts) -> int:
    """When speech was first due: at the first flush after a text, where the API has such."""
    text = case.spoken[0][1].t_ns
    flushes = (s.t_ns for s in case.client_json if s.kind in case.vocabulary.flush)
    return next((t_ns for t_ns in flushes if t_ns >= text), text)


RULES: tuple[Measure, ...] = (
    first_audio_late,
    silent_too_long,
    audio_too_fast,
    audio_too_slow,
    chunk_duration,
    session_too_long,
    slow_first_result,
    result_latency,
    tts_first_byte,
)
