"""Rules about the audio that a telephone service has got, and has still to play.

It keeps what the app sends until it has been played, unless the app sends `clear`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wsproxy.catalog.envelope import field as field_of
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.control_events import ControlEvent
from wsproxy.session.format_timeline import format_timeline
from wsproxy.wording import plural

from .dialogue_facts import user_speech
from .telephone import agent_audio, start_of, stream_is_one_way

QUEUED = 1.5  # seconds of the agent's speech that wait to be played while the caller speaks
CUT = 0.7  # seconds of it that wait when the app ends the stream
_MIN_SPEECH = 0.4  # seconds of the caller's speech
_TELEPHONE = 8000  # bytes a second, where nothing else is declared
_STEP = 0.25  # seconds of the model of what waits
_MAX_STEPS = 2400  # the first ten minutes
_UNHEARD = 0.5  # seconds of a sentence of which nobody has understood anything
_REPLACED_NS = 2_000_000_000  # in which audio comes that takes the place of other audio
_NO_KEYS = ("connected", "start", "media", "mark")  # events that do not come from the caller
_JUST_BEFORE = 1.5  # seconds before a message of the app that speech of the caller may have caused
_PIECE = 1.5  # seconds of audio that are hardly a sentence
_GAP = (0.1, 4.0)  # seconds without audio between pieces of one sentence
_PIECES = 5  # with gaps between them
# Where messages that set a mark, or confirm one, have its name: of Twilio and others, of Plivo.
_MARKS = {"mark": "mark.name", "checkpoint": "name", "playedStream": "name"}


@dataclass(frozen=True, slots=True)
class _Piece:
    """Audio that is played without a gap.

    Attributes:
        t_ns: when it came.
        length: seconds that it plays.
        gap: seconds without audio after it.
    """

    t_ns: int
    length: float
    gap: float


def playback_not_cleared(facts: SessionFacts) -> list[Evidence]:
    """The caller spoke while speech of the agent waited to be played, and the app cleared none."""
    timeline, sent = facts.session.timeline, agent_audio(facts)
    if timeline is None or sent is None or sent.first is None or start_of(facts) is None:
        return []
    if timeline.events.counts.get((False, "interruption")) or stream_is_one_way(facts):
        return []
    waiting = list(_waiting(facts, sent))
    times = [t_ns for t_ns, _ in waiting]
    for region in user_speech(facts):
        at = bisect_right(times, region.t_ns)
        queued = waiting[at - 1][1] if 0 < at < len(waiting) else 0.0
        if queued >= QUEUED and region.seconds >= _MIN_SPEECH:
            text = (
                f"the caller spoke (frame {region.frame}) while {queued:.1f} s of the agent's "
                "speech waited to be played, and the app sent no clear message"
            )
            return [Evidence(text, (region.frame,), region.t_ns, round(queued, 1), "s")]
    return []


def playback_cut_off(facts: SessionFacts) -> list[Evidence]:
    """The app ended the stream while its audio waited to be played."""
    session, sent = facts.session, agent_audio(facts)
    if sent is None or sent.last is None or start_of(facts) is None or session.timeline is None:
        return []
    if session.closed_by != "server" or _has_stopped(facts) or stream_is_one_way(facts):
        return []
    if any(event.t_ns > sent.last.t_ns for event in _interruptions(facts)):
        return []
    pieces = _pieces(facts, sent)
    if not pieces:
        return []
    left = pieces[-1].length - seconds(facts.ended_ns - pieces[-1].t_ns)
    if left < CUT:
        return []
    ago = seconds(facts.ended_ns - sent.last.t_ns)
    text = f"the app ended the stream {ago:.1f} s after its last audio (frame {sent.last.frame}), "
    text += f"of which {left:.1f} s had still to be played"
    return [Evidence(text, (sent.last.frame,), facts.ended_ns, round(left, 1), "s")]


def playback_cleared_unheard(facts: SessionFacts) -> list[Evidence]:
    """The app discarded its audio before it was played, and the caller had not spoken."""
    sent = agent_audio(facts)
    if sent is None or start_of(facts) is None or not facts.audio.from_client:
        return []
    pieces = _pieces(facts, sent, with_clears=False)
    for event in _interruptions(facts):
        for piece in pieces:
            played = seconds(event.t_ns - piece.t_ns)
            left = piece.length - played
            if not 0 <= played <= _UNHEARD or left < QUEUED or _is_answer(facts, event.t_ns):
                continue
            if sent.cursor.size_at(event.t_ns + _REPLACED_NS) > sent.cursor.size_at(event.t_ns):
                continue  # the app says something else
            text = f"the app sent {event.kind} (frame {event.frame}) {played:.1f} s after the "
            text += f"beginning of its audio, of which {left:.1f} s had still to be played; the "
            text += "caller did not speak before it"
            return [Evidence(text, (event.frame,), event.t_ns, round(left, 1), "s")]
    return []


def _is_answer(facts: SessionFacts, t_ns: int) -> bool:
    """Whether the caller speaks, or presses a key, at a time or just before it."""
    keys = (m for m in facts.client_json if m.content.get("event") not in _NO_KEYS)
    spoken = user_speech(facts)
    return any(0 <= seconds(t_ns - key.t_ns) <= _JUST_BEFORE for key in keys) or any(
        0 <= seconds(t_ns - region.t_ns) <= region.seconds + _JUST_BEFORE for region in spoken
    )


def _has_stopped(facts: SessionFacts) -> bool:
    """Whether the service had reported the end of the call: nobody is there to listen."""
    return any(message.content.get("event") == "stop" for message in facts.client_json)


def playback_ran_dry(facts: SessionFacts) -> list[Evidence]:
    """Speech came in short pieces, and each had been played long before the next one came."""
    sent = agent_audio(facts)
    if sent is None or start_of(facts) is None or stream_is_one_way(facts):
        return []
    longest: list[_Piece] = []
    current: list[_Piece] = []
    for piece in _pieces(facts, sent):
        if piece.length < _PIECE:
            current.append(piece)
        if piece.length >= _PIECE or not _GAP[0] <= piece.gap <= _GAP[1]:
            longest, current = max(longest, current, key=len), []
    longest = max(longest, current, key=len)
    if len(longest) < _PIECES or _caller_speaks(facts, longest):
        return []
    length = sum(piece.length for piece in longest)
    wall = seconds(longest[-1].t_ns - longest[0].t_ns) + longest[-1].length
    text = f"{length:.1f} s of audio came in {plural(len(longest), 'piece')} over {wall:.1f} s: "
    text += f"after each, there were up to {max(p.gap for p in longest[:-1]):.1f} s with nothing "
    text += "to play"
    return [Evidence(text, (), longest[0].t_ns, float(len(longest)), "pieces")]


def mark_unconfirmed(facts: SessionFacts) -> list[Evidence]:
    """A mark of the app was not confirmed, and a later one was: it will not be any more."""
    if start_of(facts) is None:
        return []
    sent = [(name, m) for m in facts.server_json if (name := _mark(m.content))]
    confirmed = {name: m for m in facts.client_json if (name := _mark(m.content))}
    names = [name for name, _ in sent]
    lost = [
        (name, message, later)
        for at, (name, message) in enumerate(sent)
        if name not in confirmed
        and names.count(name) == 1
        and (later := next((n for n in names[at + 1 :] if n in confirmed), None)) is not None
    ]
    if not lost:
        return []
    name, message, later = lost[0]
    text = f"the mark {quoted(name, 40)} (frame {message.frame}) was never confirmed, and "
    text += f"{quoted(later, 40)}, which the app sent after it, was (frame "
    text += f"{confirmed[later].frame}); {len(sent) - len(lost)} of {len(sent)} marks were"
    return [Evidence(text, (message.frame,), message.t_ns, float(len(lost)), "marks")]


def _mark(content: Mapping[str, Any]) -> str:
    """The name of the mark that a message sets, or confirms; "" if it is another message."""
    path = _MARKS.get(str(content.get("event")), "")
    name = field_of(content, path) if path else ""
    return name if isinstance(name, str) else ""


def _caller_speaks(facts: SessionFacts, pieces: list[_Piece]) -> bool:
    """Whether the caller speaks among these, so that they may be answers."""
    first_ns, last_ns = pieces[0].t_ns, pieces[-1].t_ns
    spoken = (r for r in user_speech(facts) if r.seconds >= _MIN_SPEECH)
    return any(first_ns < region.t_ns < last_ns for region in spoken)


def _interruptions(facts: SessionFacts) -> list[ControlEvent]:
    """The app's messages that discard what waits to be played, of those that are kept."""
    events = facts.session.timeline.events if facts.session.timeline is not None else ()
    return [e for e in events if e.category == "interruption" and not e.from_client]


def _pieces(facts: SessionFacts, sent: AudioTrack, *, with_clears: bool = True) -> list[_Piece]:
    """The latest audio that the app sent, split where nothing was left to play.

    Args:
        with_clears: whether a clear message of the app ends what waits to be played.
    """
    per_second = _bytes_per_second(facts, sent)
    recent = sent.cursor.recent
    if not recent:
        return []
    found: list[_Piece] = []
    begun_ns, before = recent[0][0], 0 if len(recent) == sent.messages else recent[0][1]
    end_ns = float(begun_ns)  # when all audio so far has been played
    clears = [e.t_ns for e in _interruptions(facts)] if with_clears else []
    for t_ns, size in recent:
        while clears and clears[0] <= t_ns:
            end_ns = min(end_ns, float(clears.pop(0)))
        gap = (t_ns - end_ns) / 1e9
        if gap > _GAP[0]:
            found.append(_Piece(begun_ns, (end_ns - begun_ns) / 1e9, gap))
            begun_ns, end_ns = t_ns, float(t_ns)
        end_ns = max(end_ns, float(t_ns)) + (size - before) / per_second * 1e9
        before = size
    return [*found, _Piece(begun_ns, (end_ns - begun_ns) / 1e9, 0.0)]


def _waiting(facts: SessionFacts, sent: AudioTrack) -> Iterator[tuple[int, float]]:
    """Seconds of the app's audio that wait to be played, over the beginning of the call."""
    assert sent.first is not None
    per_second = _bytes_per_second(facts, sent)
    first_ns, length = sent.first.t_ns, seconds(facts.ended_ns - sent.first.t_ns)
    had, queued = 0, 0.0
    for number in range(min(int(length / _STEP) + 1, _MAX_STEPS)):
        t_ns = first_ns + int(number * _STEP * 1e9)
        size = sent.cursor.size_at(t_ns)
        queued = max(0.0, queued - _STEP) + (size - had) / per_second
        had = size
        yield t_ns, queued


def _bytes_per_second(facts: SessionFacts, sent: AudioTrack) -> int:
    """Of the audio that the call declares."""
    assert sent.first is not None
    formats = format_timeline(facts.session, facts.api, sent, from_client=False)
    declared = formats.at(sent.first.t_ns)
    return (declared.bytes_per_second if declared is not None else 0) or _TELEPHONE


RULES: tuple[Measure, ...] = (
    playback_not_cleared,
    playback_cut_off,
    playback_cleared_unheard,
    playback_ran_dry,
    mark_unconfirmed,
)
