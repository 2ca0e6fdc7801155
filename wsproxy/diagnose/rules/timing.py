"""Rules about gaps, pace and durations, against the limits that the API documents."""

from __future__ import annotations

from wsproxy.audio.encodings import ALAW, COMPANDED, MULAW, AudioFormat
from wsproxy.audio.sniff import sniff
from wsproxy.diagnose.evidence import Evidence, frame_list, seconds
from wsproxy.diagnose.measurements import (
    WINDOW,
    audio_and_wall_seconds,
    fastest_window,
    outside_limits,
)
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.statistics import median
from wsproxy.wording import plural

from .audio import other_inside_wav
from .lateness import late_results
from .likely_causes import arrives_at_lower_rate
from .quiet_source import sent_in_stretches
from .received import stretches
from .signal import pace_is_explained

BEHIND = 0.8  # seconds of audio in a second below which a live source is too slow
SLOW = 5.0  # seconds to the first result above which it is late
BEHIND_BY = 3.0  # seconds between audio and results above which they are late
WORDS_BEHIND_BY = 5.0  # the same, where a result reports no more than the place of its words
AHEAD = 1.25  # seconds of audio in a second, above which it is no live source
LATE_SPEECH = 3.0  # seconds from a text to its first audio above which it is late
_MIN_RESULTS = 5  # for a median
_NEARLY = 0.9  # of the audio, which the last result reaches
_MIN_WALL = 5.0  # seconds of session for a meaningful pace
_MIN_FIRM_WALL = 3.0  # the same, for the pace of a sample rate
# Of audio, of which the pace is measured. The error of few goes the other way: the time before the
# first one is not counted, nor is the longest silence.
_MIN_MESSAGES = 8


def chunk_duration(facts: SessionFacts) -> list[Evidence]:
    """Audio messages that are shorter or longer than the API allows."""
    declared, limits = facts.timed_format, facts.limits
    if declared is None or not limits.longest_chunk:
        return []
    odd = outside_limits(facts, declared)
    if facts.audio.last is not None:  # the rest of a recording may be short
        odd = odd.without(facts.audio.last.frame)
    if not odd:
        return []
    low, high = (1000 * declared.duration(size) for size in (odd.shortest, odd.longest))
    text = (
        f"{plural(odd.count, 'audio message')} of {facts.audio.messages} "
        f"{'lasts' if odd.count == 1 else 'last'} {_format_range(low, high)}; the limit is "
        f"{limits.shortest_chunk * 1000:.0f} to {limits.longest_chunk * 1000:.0f} ms: "
        f"{frame_list(odd.frames, of=odd.count)}"
    )
    value = round(low if low < limits.shortest_chunk * 1000 else high, 2)
    return [Evidence(text, odd.frames[:5], odd.places[0].t_ns, value, "ms")]


def _format_range(low: float, high: float) -> str:
    return f"{low:.0f} ms" if round(low) == round(high) else f"{low:.0f} to {high:.0f} ms"


def first_audio_late(facts: SessionFacts) -> list[Evidence]:
    """The first audio came later after the upgrade than the API waits."""
    limit = facts.limits.first_audio
    if not limit or facts.client_format is None or not facts.session.accepted:
        return []
    first = facts.audio.first
    first_ns = first.t_ns if first else facts.ended_ns
    waited = seconds(first_ns - facts.opened_ns)
    if waited <= limit:
        return []
    if first is None:
        text = f"no audio came in the {waited:.1f} s of the session; the limit is {limit:g} s"
        return [Evidence(text, (), first_ns, waited, "s")]
    text = f"the first audio came {waited:.1f} s after the upgrade; the limit is {limit:g} s"
    text += f" (frame {first.frame})"
    return [Evidence(text, (first.frame,), first_ns, waited, "s")]


def silent_too_long(facts: SessionFacts) -> list[Evidence]:
    """The app paused longer than the API allows."""
    limit = facts.limits.silence
    if not limit or not facts.session.accepted or not facts.sent.count:
        return []
    gap, t_ns, before = facts.sent.longest_gap(facts.opened_ns, facts.ended_ns)
    if seconds(gap) <= limit:
        return []
    after = f"after frame {before}" if before else "after the upgrade"
    text = f"the app sent nothing for {seconds(gap):.1f} s {after}; the limit is {limit:g} s"
    return [Evidence(text, (before,) if before else (), t_ns, seconds(gap), "s")]


def session_too_long(facts: SessionFacts) -> list[Evidence]:
    """The session reached the longest duration that the API allows."""
    limit = facts.limits.session
    lasted = seconds(facts.ended_ns - facts.opened_ns)
    if not limit or not facts.session.accepted or lasted < limit:
        return []
    text = f"the session lasted {lasted:.0f} s; the limit is {limit:.0f} s"
    return [Evidence(text, (), facts.ended_ns, lasted, "s")]


def audio_too_fast(facts: SessionFacts) -> list[Evidence]:
    """Audio was sent faster than the API allows."""
    declared, limit = facts.timed_format, facts.limits.pace
    if declared is None or not limit or not declared.from_client:
        return []
    if facts.audio.messages < 2 or pace_is_explained(facts):
        return []
    length, wall = audio_and_wall_seconds(facts, declared)
    worst, start = fastest_window(facts.audio, declared)
    # A second of audio may be in the buffers of app and network at any time.
    over = max((length - 1.0) / wall, worst - 1.0 / WINDOW)
    if over <= limit or _kept_pace(facts, length, limit):
        return []
    text = f"{length:.1f} s of audio were sent in {wall:.1f} s ({length / wall:.1f} times real time"
    text += f"; {worst:.1f} times in the worst {WINDOW:.0f} s" if worst else ""
    text += f"); the limit is {limit:g} times"
    place = start if worst else facts.audio.first_places[0]
    return [Evidence(text, (place.frame,), place.t_ns, round(length / wall, 2), "x")]


def _kept_pace(facts: SessionFacts, length: float, limit: float) -> bool:
    """Whether the results of nearly all of the audio came sooner than the limit allows.

    Then the service did not hold the audio back: some transcribe a file at any speed.
    """
    timeline, first = facts.session.timeline, facts.audio.first
    if timeline is None or first is None:
        return False
    ends = [(r.end_s, r.t_ns) for r in timeline.transcript if r.end_s is not None and r.text]
    if not ends:
        return False
    reached, t_ns = max(ends)
    return reached >= _NEARLY * length and seconds(t_ns - first.t_ns) < reached / limit


def audio_too_slow(facts: SessionFacts) -> list[Evidence]:
    """A live source sends less than a second of audio in a second."""
    declared = facts.timed_format or _telephone_format(facts) or _format_of_header(facts)
    if declared is None or not facts.audio.from_client or facts.audio.messages < _MIN_MESSAGES:
        return []
    length, wall = _audio_and_wall(facts, declared)
    lower = facts.measured(arrives_at_lower_rate)
    if wall < (_MIN_FIRM_WALL if lower else _MIN_WALL) or length / wall >= BEHIND:
        return []
    if pace_is_explained(facts):
        return []
    text = f"{length:.1f} s of audio in {wall:.1f} s without {_pauses(facts)}: "
    text += f"{length / wall:.2f} times real time"
    if not facts.measured(sent_in_stretches):
        text += "; the source is too slow, or the declared rate is too high"
    if lower:
        text += f": {lower[0].text}"
    places = [place for place in (facts.audio.first, facts.audio.last) if place is not None]
    frames = tuple(place.frame for place in places)
    return [Evidence(text, frames, places[0].t_ns, round(length / wall, 2), "x")]


def _audio_and_wall(facts: SessionFacts, declared: AudioFormat) -> tuple[float, float]:
    """Seconds of audio, and seconds in which it came, without times that may be pauses.

    An app that talks with an agent may stop its audio whenever the agent speaks.
    """
    if not _may_be_conversation(facts):
        return audio_and_wall_seconds(facts, declared, without_pauses=True)
    length = wall = 0.0
    for stretch in stretches(facts.audio.cursor.recent):
        (start_ns, before), (end_ns, size) = stretch[0], stretch[-1]
        length += declared.duration(size - before)
        wall += seconds(end_ns - start_ns)
    return length, max(wall, 0.001)


def _may_be_conversation(facts: SessionFacts) -> bool:
    """Whether both sides speak: by the API, or where it is unknown, because both have audio."""
    if facts.api is not None:
        return facts.api.audio.origin == "both"
    return bool(facts.tracks(from_client=False))


def _pauses(facts: SessionFacts) -> str:
    """The times that do not count, see `_audio_and_wall`."""
    if _may_be_conversation(facts):
        return "pauses"
    kept_open = " and the pauses with keepalives" if facts.audio.meant_pauses_ns else ""
    return f"the longest silence{kept_open}"


def _format_of_header(facts: SessionFacts) -> AudioFormat | None:
    """The format that a WAV header in the audio states, if the audio has no other one."""
    return None if facts.measured(other_inside_wav) else facts.only_format


def _telephone_format(facts: SessionFacts) -> AudioFormat | None:
    """The format of 8-bit samples whose declaration the trace does not have."""
    declared = facts.declared_format
    is_law = sniff(facts.client_audio_head) in (MULAW, ALAW, COMPANDED)
    is_declared = declared is not None and (declared.encoding or declared.rate)
    return AudioFormat("mulaw", 8000) if is_law and not is_declared else None


def slow_first_result(facts: SessionFacts) -> list[Evidence]:
    """The first result came long after the first audio, while the app kept sending audio."""
    declared, kinds = facts.client_format, facts.vocabulary.results
    if declared is None or not kinds or facts.audio.first is None:
        return []
    first = next((message for message in facts.server_json if message.kind in kinds), None)
    if first is None:
        return []
    waited = seconds(first.t_ns - facts.audio.first.t_ns)
    audio_so_far = facts.audio.cursor.size_at(first.t_ns)
    # If the app paused, there was nothing to recognize.
    if waited <= SLOW or declared.duration(audio_so_far) < waited / 2:
        return []
    if declared.duration(audio_so_far) - _first_utterance_s(facts) <= SLOW:
        return []
    text = f"the first result came {waited:.1f} s after the first audio (frame {first.frame})"
    return [Evidence(text, (first.frame,), first.t_ns, waited, "s")]


def _first_utterance_s(facts: SessionFacts) -> float:
    """Seconds of audio until a result can come: without interim ones, one whole utterance."""
    timeline = facts.session.timeline
    if timeline is None or timeline.transcript.interims or not timeline.transcript.results:
        return 0.0
    return next((each.end_s for each in facts.signal.speech.kept), 0.0)


def result_latency(facts: SessionFacts) -> list[Evidence]:
    """Results lag the audio, by the position in the audio that each result reports.

    A service that takes audio at any speed may need its time for what came at once.
    """
    late = [(min(each.seconds, each.sent), each.result) for each in late_results(facts)]
    if len(late) < _MIN_RESULTS or (not facts.limits.pace and _is_ahead_of_time(facts)):
        return []
    paths = facts.api.result_paths if facts.api else None
    least = BEHIND_BY if paths and paths.duration else WORDS_BEHIND_BY
    middle = median(seconds for seconds, _ in late)
    if middle <= least:
        return []
    worst, result = max(late, key=lambda pair: round(pair[0], 1))
    text = (
        f"{len(late)} results lag the audio that was sent: p50 {middle:.1f} s, "
        f"max {worst:.1f} s (frame {result.frame})"
    )
    if worst - late[0][0] > least:
        text += f"; the first one lags by {late[0][0]:.1f} s"
    return [Evidence(text, (result.frame,), result.t_ns, round(middle, 2), "s")]


def _is_ahead_of_time(facts: SessionFacts) -> bool:
    """Whether audio was sent faster than it can have been spoken."""
    declared = facts.only_format
    if declared is None or facts.audio.first is None:
        return False
    length, wall = audio_and_wall_seconds(facts, declared)
    return length / wall > AHEAD


def tts_first_byte(facts: SessionFacts) -> list[Evidence]:
    """The first audio came long after the first text to speak."""
    declared = facts.declared_format
    if declared is None or declared.from_client or not facts.texts_to_speak:
        return []
    first = facts.audio.first
    if first is None:
        return []
    waited = seconds(first.t_ns - _speech_requested_ns(facts))
    if waited <= LATE_SPEECH:
        return []
    text = f"the first audio came {waited:.1f} s after it was requested (frame {first.frame})"
    return [Evidence(text, (first.frame,), first.t_ns, waited, "s")]


def _speech_requested_ns(facts: SessionFacts) -> int:
    """When speech was first requested: at the first flush after a text, if there is one."""
    text = facts.texts_to_speak[0][1].t_ns
    flushes = (s.t_ns for s in facts.client_json if s.kind in facts.vocabulary.flush)
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
