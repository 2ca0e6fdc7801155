"""Rules about the audio that the server sends, against the format that the session agreed on."""

from __future__ import annotations

from collections.abc import Iterator

from wsproxy.audio.encodings import ALAW, MULAW, PCM16, encoding_named
from wsproxy.catalog.envelope import Json
from wsproxy.diagnose.evidence import Evidence, quoted
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.audio_carrier import BASE64_JSON
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.format_timeline import DEFAULT, format_timeline, without_header
from wsproxy.wording import plural

_LAWS = (MULAW, ALAW)
_MP3, _WAV = "MP3", "WAV"
_WAV_NAMES = ("audio/wav", "audio/x-wav")


def received_other_samples(facts: SessionFacts) -> list[Evidence]:
    """The server's audio is 16-bit PCM where mu-law or A-law was agreed, or the reverse.

    Or it is in a container. Some APIs put raw samples into WAV; a telephone's stream has none.
    """
    tracks = facts.tracks(from_client=False)
    if not tracks or not tracks[0].first_places:
        return []
    track, first = tracks[0], tracks[0].first_places[0]
    if (
        track.carrier == BASE64_JSON
        and track.header is None
        and track.last_media in _WAV_NAMES
        and _asked_for_wav(facts)
    ):
        return [_evidence(track, "raw: it has no header of a WAV file", track.last_media, 0)]
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
    by = "" if track.kind in containers else "by its statistics, "
    return [_evidence(track, f"{by}{track.kind}", declared.encoding, declared.rate)]


def _asked_for_wav(facts: SessionFacts) -> bool:
    """Whether a message of the app names WAV; some services call raw samples so by default."""
    values = (value for message in facts.client_json for value in _texts(message.content))
    return any(value.lower() in ("wav", *_WAV_NAMES) for value in values)


def _texts(content: Json) -> Iterator[str]:
    for value in content.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from (text for text in value.values() if isinstance(text, str))


def _evidence(track: AudioTrack, what: str, agreed: str, rate: int) -> Evidence:
    first = track.first_places[0]
    at = f" at {rate} Hz" if rate else ""
    text = f"the server's audio is {what}; agreed: {quoted(agreed)}{at} "
    text += f"({plural(track.messages, 'message')}, from frame {first.frame} on)"
    return Evidence(text, (first.frame,), first.t_ns, float(track.messages), "messages")


RULES: tuple[Measure, ...] = (received_other_samples,)
