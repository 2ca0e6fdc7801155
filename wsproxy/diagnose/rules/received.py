"""Rules about the audio that the server sends, against the format that the session agreed on."""

from __future__ import annotations

from collections.abc import Iterator

from wsproxy.audio.encodings import (
    ALAW,
    MULAW,
    PCM16,
    SAMPLE_KINDS,
    containers_for,
    encoding_named,
)
from wsproxy.audio.sniff import TEXT_KINDS
from wsproxy.catalog.envelope import Json
from wsproxy.diagnose.evidence import Evidence, frame_list, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.audio_carrier import BASE64_JSON, MSGPACK, TWILIO_JSON
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.format_timeline import (
    DEFAULT,
    FormatDeclaration,
    format_timeline,
    without_header,
)
from wsproxy.wording import plural

from .repetition import received_twice

_LAWS = (MULAW, ALAW)
_MP3, _WAV = "MP3", "WAV"
_NOISE = 0.9  # of the audible windows, from which the audio is noise
_MIN_NOISE = 1.0  # seconds of it
_MIN_SILENT = 2.0  # seconds of audio that is nothing but silence
_SILENT_DBFS = -60.0  # highest peak of what nobody hears
_MIN_STRETCH = 3.0  # seconds of audio without a pause, for a meaningful pace
_PAUSE = 0.5  # seconds without audio that are a pause
_KEEPS_UP = 0.9  # seconds of audio in a second
_RATES = (8000, 16_000, 22_050, 24_000)  # of speech services
_SAME_PACE = 0.02  # difference of two paces that are the same
_SLOWEST = 8000  # samples a second, where none are declared
_PCM16_BYTES = 2  # of a sample
_SMALLEST_SPLIT = 2  # bytes of a sample
_SHOWN = 120  # characters of a text
_RECORDED = "recorded"
_WAV_NAMES = ("audio/wav", "audio/x-wav")


def received_other_samples(facts: SessionFacts) -> list[Evidence]:
    """The server's audio is 16-bit PCM where mu-law or A-law was agreed, or the reverse.

    Or it is in a container. Some APIs put raw samples into WAV; a telephone's stream has none.
    """
    track = received_track(facts)
    if track is None:
        return []
    if (
        track.carrier == BASE64_JSON
        and track.header is None
        and track.last_media in _WAV_NAMES
        and _asked_for_wav(facts)
    ):
        what = " raw: it has no header of a WAV file"
        return [_evidence(facts, track, what, track.last_media)]
    agreed = agreed_format(facts, track)
    if agreed is None or agreed.source == DEFAULT:
        return []
    declared = agreed.format
    samples = encoding_named(declared.encoding)
    if samples is None and _is_compressed(declared.encoding) and track.kind in SAMPLE_KINDS:
        return [_evidence(facts, track, f" raw: {track.kind}", declared.encoding, declared.rate)]
    if samples is None or samples.is_float:
        return []
    is_law = samples.law is not None
    containers = (_MP3, _WAV) if facts.api is None and (is_law or facts.is_call) else (_MP3,)
    if track.kind not in (*containers, *((PCM16,) if is_law else _LAWS)):
        return []
    by = " " if track.kind in containers else ", by its statistics, "
    return [_evidence(facts, track, f"{by}{track.kind}", declared.encoding, declared.rate)]


def server_other_samples(facts: SessionFacts) -> list[Evidence]:
    """A service's audio is in another encoding than agreed."""
    return [] if facts.is_call else facts.measured(received_other_samples)


def _is_compressed(encoding: str) -> bool:
    """Whether it is a compressed encoding; some services call raw samples WAV."""
    return bool(containers_for(encoding) - {_WAV})


def received_text(facts: SessionFacts) -> list[Evidence]:
    """Text came in place of audio."""
    track = received_track(facts)
    if track is None or track.kind not in TEXT_KINDS:
        return []
    first = track.first_places[0]
    said = quoted(track.head[:_SHOWN].decode("utf-8", "replace"), _SHOWN)
    text = f"what {facts.speaker} sends as audio is {track.kind}: {said} (frame {first.frame})"
    return [Evidence(text, (first.frame,), first.t_ns, float(track.size), "bytes")]


def received_split_samples(facts: SessionFacts) -> list[Evidence]:
    """Messages of the server end in the middle of a sample."""
    track = received_track(facts)
    if track is None or track.header is not None:
        return []
    if track.carrier not in (BASE64_JSON, MSGPACK, TWILIO_JSON):
        return []  # binary messages are read as a stream of bytes
    agreed = agreed_format(facts, track)
    width = agreed.format.sample_bytes if agreed is not None else 0
    if not width and track.kind == PCM16:
        width = _PCM16_BYTES
    if width < _SMALLEST_SPLIT or received_other_samples(facts):
        return []
    split = track.sizes.select(lambda size: size % width > 0)
    last = bool(track.last_size % width)  # the last message may be cut, or end the audio
    if split.count <= last:
        return []
    many = plural(split.count, "message has", "messages have")
    text = f"{many} no multiple of {width} bytes, which are one sample ("
    text += f"{frame_list(split.frames, of=split.count)}), of {track.messages} with audio"
    return [Evidence(text, split.frames[:5], split.places[0].t_ns, float(split.count), "messages")]


def received_noise(facts: SessionFacts) -> list[Evidence]:
    """What the server sends as speech is noise, in the agreed encoding.

    A copy without personal data has noise in place of the audio, and so has a replay of it.
    """
    track, start = received_track(facts), facts.session.start
    if track is None or start is None or start.source != _RECORDED or track.header is not None:
        return []
    agreed = agreed_format(facts, track)
    samples = encoding_named(agreed.format.encoding) if agreed is not None else None
    if samples is None or agreed is None or received_other_samples(facts):
        return []
    # With numpy, which takes 0.1 s to import: sessions without audio are explained without it.
    from wsproxy.audio.whiteness import whiteness  # noqa: PLC0415

    found = whiteness(track.head, samples)
    if found.share < _NOISE or found.audible < _MIN_NOISE * (agreed.format.rate or _SLOWEST):
        return []
    first = track.first_places[0]
    text = (
        f"{found.share:.0%} of {facts.speaker}'s audible audio is noise: neighboring samples are "
        f"not alike, as they are in a voice; agreed: {quoted(agreed.format.encoding)} "
        f"(from frame {first.frame} on)"
    )
    return [Evidence(text, (first.frame,), first.t_ns, round(found.share, 2), "share")]


def received_silent(facts: SessionFacts) -> list[Evidence]:
    """What the server sends as speech is silence, or hardly louder."""
    track, start = received_track(facts), facts.session.start
    if track is None or start is None or start.source != _RECORDED:
        return []
    agreed = agreed_format(facts, track)
    report = track.signal(agreed.format if agreed is not None else None)
    peak = report.peak_dbfs
    if report.duration_s < _MIN_SILENT or (peak is not None and peak > _SILENT_DBFS):
        return []
    if report.size < track.size:
        return []
    level = "every sample is zero" if peak is None else f"its peak is {peak:.0f} dBFS"
    first = track.first_places[0]
    text = f"{report.duration_s:.1f} s of {facts.speaker}'s audio are silence: {level} "
    text += f"(from frame {first.frame} on)"
    return [Evidence(text, (first.frame,), first.t_ns, round(report.duration_s, 1), "s")]


def received_too_slowly(facts: SessionFacts) -> list[Evidence]:
    """A long stretch of the server's audio comes more slowly than it plays."""
    track = received_track(facts)
    agreed = agreed_format(facts, track) if track is not None else None
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
    text = f"{audio:.1f} s of {facts.speaker}'s audio came in {wall:.1f} s without a pause: "
    text += f"{audio / wall:.2f} times real time"
    return [Evidence(text, (), start_ns, round(audio / wall, 2), "x")]


def received_at_lower_rate(facts: SessionFacts) -> list[Evidence]:
    """The pace of audio that comes too slowly is that of another sample rate."""
    found, track = facts.measured(received_too_slowly), received_track(facts)
    agreed = agreed_format(facts, track) if track is not None else None
    if not found or agreed is None:
        return []
    declared, pace = agreed.format.rate, found[0].value or 0.0
    rates = (rate for rate in _RATES if rate < declared)
    near = min(rates, key=lambda rate: abs(rate / declared - pace), default=0)
    if not near or abs(near / declared - pace) > _SAME_PACE:
        return []
    text = f"{pace:.2f} times real time at {declared} Hz is real time at {near} Hz"
    return [Evidence(text, (), found[0].t_ns, float(near), "Hz")]


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


def received_track(facts: SessionFacts) -> AudioTrack | None:
    """The server's audio."""
    tracks = facts.tracks(from_client=False)
    return tracks[0] if tracks and tracks[0].first_places else None


def agreed_format(facts: SessionFacts, track: AudioTrack) -> FormatDeclaration | None:
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


def _evidence(
    facts: SessionFacts, track: AudioTrack, what: str, agreed: str, rate: int = 0
) -> Evidence:
    first = track.first_places[0]
    at = f" at {rate} Hz" if rate else ""
    text = f"{facts.speaker}'s audio is{what}; agreed: {quoted(agreed)}{at} "
    text += f"({plural(track.messages, 'message')}, from frame {first.frame} on)"
    return Evidence(text, (first.frame,), first.t_ns, float(track.messages), "messages")


RULES: tuple[Measure, ...] = (
    server_other_samples,
    received_text,
    received_split_samples,
    received_noise,
    received_silent,
    received_too_slowly,
    received_twice,
    received_at_lower_rate,
)
