"""Rules about calls of Asterisk's chan_websocket: commands as text, audio as binary messages.

Asterisk plays what the app sends from a queue of its own.
"""

from __future__ import annotations

import re

from wsproxy.audio.encodings import AudioFormat
from wsproxy.diagnose.call import ASTERISK
from wsproxy.diagnose.evidence import Evidence, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.audio_track import AudioTrack

from .playback import CUT
from .telephone import agent_audio

_BUFFERING = "MEDIA_BUFFERING"  # of the commands that begin and end it
_MIN_WAIT = 2.0  # seconds in which an app ends what it has begun
_SHOWN = 40  # characters of a command
_FULL, _ROOM = "MEDIA_XOFF", "MEDIA_XON"  # its queue holds 900 frames; there is room again
_LEFT = 2.0  # seconds for which there is room after MEDIA_XOFF: 100 frames of 20 ms
_HANGUP, _FLUSH = "HANGUP", "FLUSH_MEDIA"  # either discards what waits
_FORMAT = re.compile(r"\bformat:(\w{1,20})")
_FORMATS = {
    "ulaw": AudioFormat("mulaw", 8000),
    "alaw": AudioFormat("alaw", 8000),
    "slin": AudioFormat("linear16", 8000),
    "slin12": AudioFormat("linear16", 12_000),
    "slin16": AudioFormat("linear16", 16_000),
    "slin24": AudioFormat("linear16", 24_000),
    "slin32": AudioFormat("linear16", 32_000),
    "slin48": AudioFormat("linear16", 48_000),
}


def _is_asterisk(facts: SessionFacts) -> bool:
    heard = facts.session.messages(from_client=True)
    return facts.api is None and bool(heard) and heard[0].text.startswith(ASTERISK)


def _format(facts: SessionFacts) -> AudioFormat | None:
    """The format of the call's audio; None where the peer is another one, or the format is."""
    if not _is_asterisk(facts):
        return None
    named = _FORMAT.search(facts.session.messages(from_client=True)[0].text)
    return _FORMATS.get(named[1]) if named else None


def buffering_not_ended(facts: SessionFacts) -> list[Evidence]:
    """The app began to buffer its audio in Asterisk, and did not end that."""
    if not _is_asterisk(facts):
        return []
    commands = [m for m in facts.session.messages(from_client=False) if _BUFFERING in m.text]
    sent, last = agent_audio(facts), commands[-1] if commands else None
    if last is None or sent is None or sent.last is None or not last.text.startswith("START"):
        return []
    waits = seconds(facts.ended_ns - max(sent.last.t_ns, last.t_ns))
    if sent.last.t_ns < last.t_ns or waits < _MIN_WAIT:
        return []
    text = f"{last.text.strip()[:_SHOWN]} (frame {last.frame}) was not followed by STOP_"
    text += f"{_BUFFERING}; the last audio came {waits:.1f} s before the end"
    return [Evidence(text, (last.frame,), last.t_ns, round(waits, 1), "s")]


def hung_up_early(facts: SessionFacts) -> list[Evidence]:
    """The app hung up while its audio waited in the queue."""
    form, sent = _format(facts), agent_audio(facts)
    if form is None or sent is None or sent.last is None:
        return []
    texts = facts.session.messages(from_client=False)
    last = next((m for m in texts if m.text.strip() == _HANGUP), None)
    flushed = [m for m in texts if m.text.strip() == _FLUSH]
    if last is None or any(m.t_ns > sent.last.t_ns for m in flushed):
        return []
    left = _waiting(sent, form, last.t_ns)
    if left < CUT:
        return []
    text = f"{_HANGUP} (frame {last.frame}) came {seconds(last.t_ns - sent.last.t_ns):.1f} s after "
    text += f"the last audio (frame {sent.last.frame}), of which {left:.1f} s had still to be "
    text += "played"
    return [Evidence(text, (last.frame,), last.t_ns, round(left, 1), "s")]


def _waiting(sent: AudioTrack, form: AudioFormat, until_ns: int) -> float:
    """Seconds of the latest audio that have not been played at a time."""
    end_ns, before = 0.0, 0
    recent = sent.cursor.recent
    if len(recent) != sent.messages and recent:
        before = recent[0][1]  # what came before is known as a sum only
    for t_ns, size in recent:
        if t_ns > until_ns:
            break
        end_ns = max(end_ns, float(t_ns)) + form.duration(size - before) * 1e9
        before = size
    return (end_ns - until_ns) / 1e9


def queue_overflowed(facts: SessionFacts) -> list[Evidence]:
    """The app sent on when the queue was full, more than there is room for."""
    form, sent = _format(facts), agent_audio(facts)
    if form is None or sent is None:
        return []
    heard = facts.session.messages(from_client=True)
    for full in (m for m in heard if m.text.strip() == _FULL):
        room = next((m for m in heard if m.frame > full.frame and m.text.strip() == _ROOM), None)
        until_ns = room.t_ns if room is not None else facts.ended_ns
        before = sent.cursor.size_at(full.t_ns)
        after = [(t, size) for t, size in sent.cursor.recent if full.t_ns < t <= until_ns]
        # What is played meanwhile makes room.
        over = (form.duration(size - before) - seconds(t - full.t_ns) for t, size in after)
        lost = max(over, default=0.0) - _LEFT
        if lost < CUT:
            continue
        text = f"{_FULL} (frame {full.frame}) says that the queue is full; the app sent "
        text += f"{form.duration(after[-1][1] - before):.1f} s of audio before {_ROOM}: about "
        text += f"{lost:.1f} s of it did not fit"
        return [Evidence(text, (full.frame,), full.t_ns, round(lost, 1), "s")]
    return []


RULES: tuple[Measure, ...] = (buffering_not_ended, hung_up_early, queue_overflowed)
