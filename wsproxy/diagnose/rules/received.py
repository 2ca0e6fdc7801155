"""Rules about the audio that the server sends, against the format that the session agreed on."""

from __future__ import annotations

from collections.abc import Iterator

from wsproxy.audio.encodings import ALAW, MULAW, PCM16, encoding_named
from wsproxy.audio.whiteness import whiteness
from wsproxy.catalog.envelope import Json
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.audio_carrier import BASE64_JSON
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.format_timeline import (
    DEFAULT,
    FormatDeclaration,
    format_timeline,
    without_header,
)
from wsproxy.wording import plural

_LAWS = (MULAW, ALAW)
_MP3, _WAV = "MP3", "WAV"
_NOISE = 0.9  # of the audible windows, from which the audio is noise
_MIN_NOISE = 1.0  # seconds of it
_MIN_SILENT = 2.0  # seconds of audio that is nothing but silence
_SILENT_DBFS = -60.0  # highest peak of what nobody hears
_MIN_STRETCH = 3.0  # seconds of audio without a pause, for a meaningful pace
_PAUSE = 0.5  # seconds without audio that are a pause
_KEEPS_UP = 0.9  # seconds of audio in a second
_SLOWEST = 8000  # samples a second, where none are declared
_RECORDED = "recorded"
_WAV_NAMES = ("audio/wav", "audio/x-wav")


def received_other_samples(facts: SessionFacts) -> list[Evidence]:
    """The server's audio is 16-bit PCM where mu-law or A-law was agreed, or the reverse.

    Or it is in a container. Some APIs put raw samples into WAV; a telephone's stream has none.
    """
    track = _track(facts)
    if track is None:
        return []
    if (
        track.carrier == BASE64_JSON
        and track.header is None
        and track.last_media in _WAV_NAMES
        and _asked_for_wav(facts)
    ):
        return [_evidence(track, " raw: it has no header of a WAV file", track.last_media, 0)]
    agreed = _agreed(facts, track)
    if agreed is None or agreed.source == DEFAULT:
        return []
    declared = agreed.format
    samples = encoding_named(declared.encoding)
    if samples is None or samples.is_float:
        return []
    is_law = samples.law is not None
    containers = (_MP3, _WAV) if facts.api is None and is_law else (_MP3,)
    if track.kind not in (*containers, *((PCM16,) if is_law else _LAWS)):
        return []
    by = " " if track.kind in containers else ", by its statistics, "
    return [_evidence(track, f"{by}{track.kind}", declared.encoding, declared.rate)]


def received_noise(facts: SessionFacts) -> list[Evidence]:
    """What the server sends as speech is noise, in the agreed encoding.

    A copy without personal data has noise in place of the audio, and so has a replay of it.
    """
    track, start = _track(facts), facts.session.start
    if track is None or start is None or start.source != _RECORDED or track.header is not None:
        return []
    agreed = _agreed(facts, track)
    samples = encoding_named(agreed.format.encoding) if agreed is not None else None
    if samples is None or agreed is None or received_other_samples(facts):
        return []
    found = whiteness(track.head, samples)
    if found.share < _NOISE or found.audible < _MIN_NOISE * (agreed.format.rate or _SLOWEST):
        return []
    first = track.first_places[0]
    text = (
        f"{found.share:.0%} of the server's audible audio is noise: neighboring samples are not "
        f"alike, as they are in a voice; agreed: {quoted(agreed.format.encoding)} "
        f"(from frame {first.frame} on)"
    )
    return [Evidence(text, (first.frame,), first.t_ns, round(found.share, 2), "share")]


def received_silent(facts: SessionFacts) -> list[Evidence]:
    """What the server sends as speech is silence, or hardly louder."""
    track, start = _track(facts), facts.session.start
    if track is None or start is None or start.source != _RECORDED:
        return []
    agreed = _agreed(facts, track)
    report = track.signal(agreed.format if agreed is not None else None)
    peak = report.peak_dbfs
    if report.duration_s < _MIN_SILENT or (peak is not None and peak > _SILENT_DBFS):
        return []
    if report.size < track.size:
        return []
    level = "every sample is zero" if peak is None else f"its peak is {peak:.0f} dBFS"
    first = track.first_places[0]
    text = f"{report.duration_s:.1f} s of the server's audio are silence: {level} "
    text += f"(from frame {first.frame} on)"
    return [Evidence(text, (first.frame,), first.t_ns, round(report.duration_s, 1), "s")]


def received_too_slowly(facts: SessionFacts) -> list[Evidence]:
    """A long stretch of the server's audio comes more slowly than it plays."""
    track = _track(facts)
    agreed = _agreed(facts, track) if track is not None else None
    per_second = agreed.format.bytes_per_second if agreed is not None else 0
    if track is None or not per_second or track.header is not None:
        return []
    found: list[tuple[float, float, int]] = []
    for stretch in stretches(track.cursor.recent):
        (start_ns, before), (end_ns, size) = stretch[0], stretch[-1]
        found.append((seconds(end_ns - start_ns), (size - before) / per_second, start_ns))
    wall, audio, start_ns = max(found, default=(0.0, 0.0, 0))
    if wall < _MIN_STRETCH or audio >= _KEEPS_UP * wall:
        return []
    text = f"{audio:.1f} s of the server's audio came in {wall:.1f} s without a pause: "
    text += f"{audio / wall:.2f} times real time"
    return [Evidence(text, (), start_ns, round(audio / wall, 2), "x")]


def stretches(chunks: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Chunks that follow each other without a pause, as one is made between two turns.

    Args:
        chunks: the time of each, and the bytes of audio up to its end.
    """
    first = 0
    for at in range(1, len(chunks) + 1):
        if at == len(chunks) or seconds(chunks[at][0] - chunks[at - 1][0]) > _PAUSE:
            yield chunks[first:at]
            first = at


def _track(facts: SessionFacts) -> AudioTrack | None:
    """The server's audio."""
    tracks = facts.tracks(from_client=False)
    return tracks[0] if tracks and tracks[0].first_places else None


def _agreed(facts: SessionFacts, track: AudioTrack) -> FormatDeclaration | None:
    """The last declaration of a format before the server's first audio."""
    timeline = format_timeline(facts.session, facts.api, track, from_client=False)
    formats = without_header(timeline).declarations
    first_ns = track.first_places[0].t_ns
    return next((each for each in reversed(formats) if each.t_ns <= first_ns), None)


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
    text = f"the server's audio is{what}; agreed: {quoted(agreed)}{at} "
    text += f"({plural(track.messages, 'message')}, from frame {first.frame} on)"
    return Evidence(text, (first.frame,), first.t_ns, float(track.messages), "messages")


RULES: tuple[Measure, ...] = (
    received_other_samples,
    received_noise,
    received_silent,
    received_too_slowly,
)
