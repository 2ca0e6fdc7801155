"""Rules about the audio that the server sends, against the format that the session agreed on."""

from __future__ import annotations

from wsproxy.audio.encodings import ALAW, MULAW, PCM16, encoding_named
from wsproxy.diagnose.evidence import Evidence, quoted
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.format_timeline import DEFAULT, format_timeline, without_header
from wsproxy.wording import plural

_LAWS = (MULAW, ALAW)
_MP3, _WAV = "MP3", "WAV"


def received_other_samples(facts: SessionFacts) -> list[Evidence]:
    """The server's audio is 16-bit PCM where mu-law or A-law was agreed, or the reverse.

    Or it is in a container. Some APIs put raw samples into WAV; a telephone's stream has none.
    """
    tracks = facts.tracks(from_client=False)
    if not tracks or not tracks[0].first_places:
        return []
    track, first = tracks[0], tracks[0].first_places[0]
    timeline = format_timeline(facts.session, facts.api, track, from_client=False)
    formats = without_header(timeline).declarations
    agreed = [each for each in formats if each.t_ns <= first.t_ns]
    if not agreed or agreed[-1].source == DEFAULT:
        return []
    declared = agreed[-1].format
    samples = encoding_named(declared.encoding)
    if samples is None or samples.is_float:
        return []
    is_law = samples.law is not None
    containers = (_MP3, _WAV) if facts.api is None and is_law else (_MP3,)
    if track.kind not in (*containers, *((PCM16,) if is_law else _LAWS)):
        return []
    by = "" if track.kind in containers else ", by its statistics,"
    text = f"the server's audio is{by} {track.kind}; agreed: "
    text += (
        f"{quoted(declared.encoding)} at {declared.rate} Hz ({plural(track.messages, 'message')}"
    )
    text += f", from frame {first.frame} on)"
    return [Evidence(text, (first.frame,), first.t_ns, float(track.messages), "messages")]


RULES: tuple[Measure, ...] = (received_other_samples,)
