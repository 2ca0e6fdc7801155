"""The formats that a session declares its audio to have, in the order of their declaration.

A format is declared by the API's default, a query parameter, a field of a JSON message, the media
type next to the audio, or the header of a WAV stream; it can change during the session.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from wsproxy.audio.encodings import AudioFormat
from wsproxy.catalog import Api
from wsproxy.catalog.envelope import Json, read
from wsproxy.catalog.envelope import field as field_of
from wsproxy.trace import Request

from .audio_track import AudioTrack
from .request_query import query_parameters
from .session_audio import SessionAudio

DEFAULT, QUERY, MESSAGE, MEDIA_TYPE, HEADER = "default", "query", "message", "media-type", "header"

_ENCODINGS = (
    "encoding", "audio_encoding", "audioencoding", "codec", "media_encoding", "media-encoding",
    "audio_format", "audioformat", "format", "output_format", "input_audio_format",
    "output_audio_format", "user_input_audio_format", "agent_output_audio_format", "mimetype",
    "mime_type", "content_type", "content-type", "response_format",
)  # fmt: skip
_RATES = (
    "sample_rate", "samplerate", "sample-rate", "sample_rate_hertz", "sampleratehertz",
    "samplingrate", "sampling_rate", "rate",
)  # fmt: skip
_CHANNELS = ("channels", "num_channels", "channelcount", "number-of-channels", "audio_channels")
# Names under which APIs declare encodings that have another name in `audio.encodings`.
_NAMES = {
    "g711_ulaw": "mulaw",
    "audio/pcmu": "mulaw",
    "audio/x-mulaw": "mulaw",
    "audio/basic": "mulaw",
    "g711_alaw": "alaw",
    "audio/pcma": "alaw",
    "audio/x-alaw": "alaw",
    "audio/pcm": "pcm",
    "audio/x-pcm": "pcm",
    "audio/l16": "linear16",
    "pcm_mulaw": "mulaw",
    "pcmu": "mulaw",
    "pcma": "alaw",
    "raw": "pcm",
}
_WITH_RATE = re.compile(r"(pcm|ulaw|mulaw|alaw|mp3|opus)_(\d{4,6})(?:_\d+)?")
_PLAIN = re.compile(r"[a-z][a-z0-9_./+-]{1,40}")
_RATE = re.compile(r"(?:^|;)\s*(?:sample)?rate=(\d{4,6})")
_OUTPUT = re.compile(r"(?i)output|speak|agent|tts|synth|playback")
_INPUT = re.compile(r"(?i)input|listen|user|mediaformat|asr|stt|transcri|recogni")
# Of a telephone's media stream, which is the same in both directions.
_BOTH = ("mediaformat", "media_format")
_MEDIA_TYPE_OF_CALL = "content-type"  # beside the event, in the first message of Vonage
_SLIN = "base64"  # as Exotel names its 16-bit samples there
_MAX_DEPTH, _MAX_NODES = 8, 400  # of a message that is searched
_IMPLIED_RATES = {"pcm16": 24_000, "mulaw": 8_000, "alaw": 8_000}


class AudioSession(Protocol):
    """The part of a `Session` that says how its audio is declared."""

    @property
    def request(self) -> Request | None: ...
    @property
    def audio(self) -> SessionAudio: ...
    @property
    def declaration_count(self) -> int: ...


@dataclass(frozen=True, slots=True)
class FormatDeclaration:
    """A format, from a place in the session on.

    Attributes:
        from_client: whose audio it is the format of.
        frame, t_ns: of the message that declares it; 0 where the request or the API does.
        format: the format from there on.
        source: DEFAULT, QUERY, MESSAGE, MEDIA_TYPE or HEADER.
        explicit: which of "encoding", "rate" and "channels" the session itself has declared
            so far; the others are the API's defaults.
    """

    from_client: bool
    frame: int
    t_ns: int
    format: AudioFormat
    source: str
    explicit: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FormatTimeline:
    """The formats of one direction's audio, the first declaration first."""

    declarations: Sequence[FormatDeclaration] = ()

    def at(self, t_ns: int) -> AudioFormat | None:
        """The format that applies at a time; before the first declaration, the first."""
        found = [d for d in self.declarations if d.t_ns <= t_ns] or self.declarations[:1]
        return found[-1].format if found else None

    def seconds(self, track: AudioTrack, until_ns: int | None = None) -> float:
        """Seconds of a track's audio, up to a time, each byte in the format at its time.

        Returns:
            0.0 where the size does not determine the duration, as in compressed audio.
        """
        if track.last is None or not self.declarations:
            return 0.0
        end = track.last.t_ns if until_ns is None else until_ns
        total, counted = 0.0, 0
        for number, declaration in enumerate(self.declarations):
            following = self.declarations[number + 1 : number + 2]
            until = min(end, following[0].t_ns - 1) if following else end
            size = max(
                counted, track.size if until >= track.last.t_ns else track.cursor.size_at(until)
            )
            total += declaration.format.duration(size - counted)
            counted = size
        return total


def format_timeline(
    session: AudioSession, api: Api | None, track: AudioTrack | None, *, from_client: bool
) -> FormatTimeline:
    """The formats that a direction's audio is declared to have.

    Args:
        api: the API of the session, None if it is unknown.
        track: the audio, for the media types next to it and the header in it.
    """
    found = list(_declared(session, api, from_client=from_client))
    if track is not None:
        found += _next_to_audio(track)
    found.sort(key=lambda item: item[1])
    current = _default(api, from_client=from_client)
    declarations = (
        [FormatDeclaration(from_client, 0, 0, current, DEFAULT)]
        if current.encoding or current.rate
        else []
    )
    explicit: frozenset[str] = frozenset()
    for frame, t_ns, source, values in found:
        changed = _merged(current, values)
        explicit |= {name for name in ("encoding", "rate", "channels") if getattr(values, name)}
        if changed == current and declarations and declarations[-1].explicit == explicit:
            continue
        current = changed
        declarations.append(FormatDeclaration(from_client, frame, t_ns, current, source, explicit))
    return FormatTimeline(tuple(declarations))


@dataclass(frozen=True, slots=True)
class _Values:
    """What one place declares; "" and 0 where it does not."""

    encoding: str = ""
    rate: int = 0
    channels: int = 0

    def __bool__(self) -> bool:
        return bool(self.encoding or self.rate or self.channels)


_Found = tuple[int, int, str, _Values]


def _default(api: Api | None, *, from_client: bool) -> AudioFormat:
    audio = api.audio if api else None
    if audio is None or audio.origin not in ("both", "client" if from_client else "server"):
        return AudioFormat("", 0)
    return AudioFormat(audio.default_encoding.lower(), audio.default_rate)


def _merged(current: AudioFormat, values: _Values) -> AudioFormat:
    encoding = values.encoding or current.encoding
    rate = values.rate or current.rate
    if values.encoding and not values.rate and values.encoding != current.encoding:
        rate = _IMPLIED_RATES.get(values.encoding, rate)
    return AudioFormat(encoding, rate, values.channels or current.channels)


def _declared(session: AudioSession, api: Api | None, *, from_client: bool) -> Iterator[_Found]:
    """What the request and the messages declare."""
    query = query_parameters(session.request, blank=False)
    if api is not None:
        audio = api.audio
        values = _values(
            query.get(audio.encoding_query, ""),
            query.get(audio.rate_query, ""),
            query.get(audio.channels_query, ""),
        )
        is_origin = audio.origin in ("both", "client" if from_client else "server")
    else:
        values, is_origin = _generic(query), True
    if values and is_origin:
        yield 0, 0, QUERY, values
    for frame, t_ns, sender, content in session.audio.declaring:
        message = read(api.envelope if api else "", content.decode("utf-8", "replace"))[0]
        if message is None:
            continue
        found = _in_message(message, api, sender=sender, from_client=from_client)
        if found:
            yield frame, t_ns, MESSAGE, found


def _in_message(message: Json, api: Api | None, *, sender: bool, from_client: bool) -> _Values:
    """What a message declares about a direction's audio."""
    if api is not None and sender:
        audio = api.audio
        paths = (audio.encoding_field, audio.rate_field, audio.channels_field)
        if any(paths) and audio.origin in ("both", "client" if from_client else "server"):
            texts = [str(field_of(message, path) or "") if path else "" for path in paths]
            if values := _values(*texts):
                return values
    origin = api.audio.origin if api is not None else "both"
    side = origin != "server" if origin != "both" else sender
    for path, node in _nodes(message):
        about_client = side
        is_of_call = path[-1].lower() in _BOTH if path else _MEDIA_TYPE_OF_CALL in node
        if api is None and is_of_call and (values := _of_call(node)):
            return values
        # The innermost name decides: "agent.listen", "audio.input".
        for name in reversed(path):
            if _INPUT.search(name) or _OUTPUT.search(name):
                about_client = bool(_INPUT.search(name))
                break
        for key in ("input_audio_format", "user_input_audio_format"):
            if from_client and isinstance(node.get(key), str):
                return _values(node[key], "", "")
        for key in ("output_audio_format", "agent_output_audio_format"):
            if not from_client and isinstance(node.get(key), str):
                return _values(node[key], "", "")
        if about_client is from_client and (values := _generic(node)):
            return values
    return _Values()


def _nodes(message: Json) -> Iterator[tuple[tuple[str, ...], Json]]:
    """The objects of a message with their paths, outer ones first."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), message)]
    for _ in range(_MAX_NODES):
        if not waiting:
            return
        path, node = waiting.pop(0)
        if isinstance(node, dict):
            yield path, node
            if len(path) < _MAX_DEPTH:
                waiting += [((*path, str(k)), v) for k, v in node.items() if isinstance(v, dict)]


def _of_call(values: Mapping[str, object]) -> _Values:
    """What the start message of a telephone's media stream declares."""
    found = _generic(values)
    return replace(found, encoding="linear16") if found.encoding == _SLIN else found


def _generic(values: Mapping[str, object]) -> _Values:
    """What an object declares under one of the usual names."""
    low = {key.lower(): value for key, value in values.items()}

    def first(names: Sequence[str]) -> str:
        found = (low[name] for name in names if name in low)
        return next((str(v) for v in found if isinstance(v, str | int | float)), "")

    encoding, rate, channels = first(_ENCODINGS), first(_RATES), first(_CHANNELS)
    kind = low.get("type")
    if not encoding and isinstance(kind, str) and kind.lower().startswith("audio/"):
        encoding = kind
    found = _values(encoding, rate, channels)
    # A number of channels, or a word, is nothing about audio by itself.
    return found if found.rate or (found.encoding and is_encoding(found.encoding)) else _Values()


def is_encoding(name: str) -> bool:
    """Whether it is the name of an encoding of audio, as far as known."""
    return AudioFormat(name, 0).samples is not None or name.startswith("audio/") or name in (
        "opus", "mp3", "flac", "aac", "ogg", "webm", "wav", "ogg-opus", "ogg_opus", "amr", "speex",
    )  # fmt: skip


def _values(encoding: str, rate: str, channels: str) -> _Values:
    name, implied = encoding_and_rate(encoding)
    return _Values(name, _number(rate) or implied, _number(channels))


def encoding_and_rate(declared: str) -> tuple[str, int]:
    """The name of an encoding, and the rate that is part of it; "" and 0 if there is none.

    E.g. "pcm" and 16000 of "pcm_16000" and of "audio/pcm;rate=16000".
    """
    low = declared.strip().lower()
    if found := _WITH_RATE.fullmatch(low):
        return {"ulaw": "mulaw"}.get(found[1], found[1]), int(found[2])
    media, _, parameters = low.partition(";")
    rate = _RATE.search(parameters)
    if media == "audio/x-raw":
        return low, int(rate[1]) if rate else 0
    name = _NAMES.get(media.strip(), media.strip())
    return name if _PLAIN.fullmatch(name) else "", int(rate[1]) if rate else 0


def _number(text: str) -> int:
    """The number in a text, 0 where it is not one of at most six digits."""
    whole = text.removesuffix(".0")
    return int(whole) if whole.isdecimal() and len(whole) < 7 else 0


def _next_to_audio(track: AudioTrack) -> Iterator[_Found]:
    """The media types next to the audio, and the format in a WAV header."""
    for place, media in track.media:
        values = _values(media, "", "")
        # Only its header says what a WAV stream is, and Azure's clients name it with raw samples.
        if values and not values.encoding.endswith("wav"):
            yield place.frame, place.t_ns, MEDIA_TYPE, values
    header = track.header
    if header is not None and header.name == "WAV" and track.first is not None:
        values = _Values(header.encoding, header.rate, header.channels)
        yield track.first.frame, track.first.t_ns, HEADER, values


def without_header(timeline: FormatTimeline) -> FormatTimeline:
    """What the session declares outside of the audio itself."""
    kept = [d for d in timeline.declarations if d.source != HEADER]
    return replace(timeline, declarations=tuple(kept))
