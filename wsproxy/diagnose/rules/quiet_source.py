"""Likely causes: what an app sends around the speech, which is nothing, or silence in its place.

Services find the end of a turn by silence that comes in real time. A source that sends only
speech, or all of the silence at once, leaves them without it.
"""

from __future__ import annotations

from itertools import pairwise

from wsproxy.diagnose.evidence import Evidence, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts

from .likely_causes import MIN_STOPPED, audio_stopped
from .received import stretches

_BURSTS = 3  # parts of silence that are sent at once
_BURST = 0.4  # seconds of such a part
_FASTER = 2.0  # times real time
_STRETCHES = 3  # with pauses between them
_PAUSES = (1.5, 60.0)  # seconds without audio
LIVE = (0.8, 1.25)  # times real time of a live source
_SHORTEST = 0.3  # seconds of a stretch whose pace means anything


def silence_withheld(facts: SessionFacts) -> list[Evidence]:
    """The audio stopped with the speech: no silence shows the server that it has ended."""
    spoken, last = facts.signal.speech.kept, facts.audio.last
    if spoken and facts.timeline.seconds(facts.audio) - spoken[-1].end_s >= MIN_STOPPED:
        return []
    timeline = facts.session.timeline
    spoke_ns = timeline.sent.speech_ns if timeline is not None else None
    if last is not None and spoke_ns is not None and seconds(last.t_ns - spoke_ns) >= MIN_STOPPED:
        return []
    return audio_stopped(facts)


def silence_in_bursts(facts: SessionFacts) -> list[Evidence]:
    """Between pieces of the speech, digital silence was sent much faster than real time."""
    if not facts.audio.from_client:
        return []
    spoken = facts.signal.speech.kept
    found = [
        part
        for part in facts.signal.silence.kept
        if part.seconds >= _BURST and seconds(part.end_t_ns - part.t_ns) * _FASTER < part.seconds
    ]
    between = [p for p in found if any(s.start_s >= p.end_s - 0.1 for s in spoken)]
    if len(between) < _BURSTS:
        return []
    longest = max(between, key=lambda part: part.seconds)
    took = seconds(longest.end_t_ns - longest.t_ns)
    text = f"{len(between)} times, digital silence was sent at once between pieces of the speech, "
    text += f"such as {longest.seconds:.1f} s of it in {took:.2f} s (frame {longest.frame})"
    frames = tuple(part.frame for part in between[:5])
    return [Evidence(text, frames, longest.t_ns, float(len(between)), "parts")]


def sent_in_stretches(facts: SessionFacts) -> list[Evidence]:
    """Audio comes in real time for a while, then none, again and again."""
    declared = facts.only_format
    if declared is None or not facts.audio.from_client:
        return []
    parts = [part for part in stretches(facts.audio.cursor.recent) if len(part) > 1]
    pauses = [seconds(later[0][0] - part[-1][0]) for part, later in pairwise(parts)]
    if len(parts) < _STRETCHES or not _PAUSES[0] <= min(pauses) <= max(pauses) <= _PAUSES[1]:
        return []
    answers = [t.cursor.size_at for t in facts.tracks(from_client=False)[:1]]
    if any(size(a[-1][0]) != size(b[0][0]) for size in answers for a, b in pairwise(parts)):
        return []  # it may send nothing while the agent speaks
    length = sum(declared.duration(part[-1][1] - part[0][1]) for part in parts)
    wall = sum(seconds(part[-1][0] - part[0][0]) for part in parts)
    if wall < _SHORTEST * len(parts) or not LIVE[0] <= length / wall <= LIVE[1]:
        return []
    text = f"the audio came in {len(parts)} stretches, each in real time, with pauses of "
    text += f"{min(pauses):.1f} to {max(pauses):.1f} s in which nothing came"
    return [Evidence(text, (), parts[0][0][0], float(len(parts)), "stretches")]


RULES: tuple[Measure, ...] = (silence_withheld, silence_in_bursts, sent_in_stretches)
