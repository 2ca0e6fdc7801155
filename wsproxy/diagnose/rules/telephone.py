"""Rules about the media streams of telephone services, whose client is the service itself.

Twilio and others connect to the app and send JSON: `start`, `media`, `mark`, `stop`. They keep
the audio that the app sends until it has been played, unless the app sends `clear`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from wsproxy.catalog.envelope import field as field_of
from wsproxy.diagnose.evidence import Evidence, seconds
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.format_timeline import format_timeline
from wsproxy.wording import plural

QUEUED = 1.5  # seconds of the agent's speech that wait to be played while the caller speaks
_MIN_SPEECH = 0.4  # seconds of the caller's speech
_TELEPHONE = 8000  # bytes a second, where nothing else is declared
_STEP = 0.25  # seconds of the model of what waits
_MAX_STEPS = 2400  # the first ten minutes
_FORMATS = ("start.mediaFormat", "start.media_format")


def stream_is_one_way(facts: SessionFacts) -> list[Evidence]:
    """The app sends audio to a stream of a telephone service that only listens."""
    start, sent = _start(facts), _agent(facts)
    if start is None or sent is None or facts.session.timeline is None:
        return []
    tracks = field_of(start.content, "start.tracks")
    if not isinstance(tracks, list) or "outbound" not in tracks:
        return []
    text = (
        f"start lists both tracks, inbound and outbound (frame {start.frame}), as for a stream of "
        f"<Start>; the app sent it {plural(sent.messages, 'message')} with audio"
    )
    return [Evidence(text, (start.frame,), start.t_ns, float(sent.messages), "messages")]


def playback_not_cleared(facts: SessionFacts) -> list[Evidence]:
    """The caller spoke while speech of the agent waited to be played, and the app cleared none."""
    timeline, sent = facts.session.timeline, _agent(facts)
    if timeline is None or sent is None or sent.first is None or _start(facts) is None:
        return []
    if timeline.events.counts.get((False, "interruption")) or stream_is_one_way(facts):
        return []
    waiting = list(_waiting(facts, sent))
    times = [t_ns for t_ns, _ in waiting]
    for region in facts.signal.speech.kept if facts.audio.from_client else ():
        at = bisect_right(times, region.t_ns)
        queued = waiting[at - 1][1] if 0 < at < len(waiting) else 0.0
        if queued >= QUEUED and region.seconds >= _MIN_SPEECH:
            text = (
                f"the caller spoke (frame {region.frame}) while {queued:.1f} s of the agent's "
                "speech waited to be played, and the app sent no clear message"
            )
            return [Evidence(text, (region.frame,), region.t_ns, round(queued, 1), "s")]
    return []


def _start(facts: SessionFacts) -> ServerMessage | None:
    """The service's message with the format of the call; None where the peer is another one."""
    if facts.api is not None:
        return None
    first = (m for m in facts.client_json[:3] if m.content.get("event") == "start")
    named = (m for m in first if any(field_of(m.content, path) for path in _FORMATS))
    return next(named, None)


def _agent(facts: SessionFacts) -> AudioTrack | None:
    """The audio that the app sends to the service."""
    tracks = facts.tracks(from_client=False)
    return tracks[0] if tracks else None


def _waiting(facts: SessionFacts, sent: AudioTrack) -> Iterator[tuple[int, float]]:
    """Seconds of the app's audio that wait to be played, over the beginning of the call."""
    assert sent.first is not None
    formats = format_timeline(facts.session, facts.api, sent, from_client=False)
    declared = formats.at(sent.first.t_ns)
    per_second = (declared.bytes_per_second if declared is not None else 0) or _TELEPHONE
    first_ns, length = sent.first.t_ns, seconds(facts.ended_ns - sent.first.t_ns)
    had, queued = 0, 0.0
    for number in range(min(int(length / _STEP) + 1, _MAX_STEPS)):
        t_ns = first_ns + int(number * _STEP * 1e9)
        size = sent.cursor.size_at(t_ns)
        queued = max(0.0, queued - _STEP) + (size - had) / per_second
        had = size
        yield t_ns, queued


RULES: tuple[Measure, ...] = (stream_is_one_way, playback_not_cleared)
