"""The audio of a page, encoded so that all of it has at most a number of bytes.

A container that browsers play is embedded unchanged where that is smaller. Anything else becomes
a WAV file: 16-bit PCM, or mu-law where that is too large. If that is too large as well, the rate
is divided, and then only the end is embedded: sessions fail there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wsproxy.audio.containers import container_name

from .track_recorder import TrackRecorder

# Containers that browsers play, and their media types.
PLAYED: Mapping[str, str] = {
    "Ogg/Opus": "audio/ogg",
    "Ogg/Vorbis": "audio/ogg",
    "Ogg/FLAC": "audio/ogg",
    "WebM": "audio/webm",
    "WebM or Matroska": "audio/webm",
    "MP3": "audio/mpeg",
    "FLAC": "audio/flac",
    "AAC (ADTS)": "audio/aac",
    "MP4": "audio/mp4",
}
WAV = "audio/wav"
SPEECH_RATE = 16_000  # Hz; as much as recognition of speech uses
_HEADER = 60  # bytes of a WAV file besides its samples


@dataclass(frozen=True, slots=True)
class EmbeddedAudio:
    """The audio of a track as a file.

    Attributes:
        data: the file.
        media_type: what it is.
        form: what it is, in words.
        start_s, seconds: which part of the track it is.
        rate, channels: of a WAV file; 0 of another one.
    """

    data: bytes
    media_type: str
    form: str
    start_s: float
    seconds: float
    rate: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True)
class _Encoding:
    """How samples are embedded.

    Attributes:
        lowest_rate: a rate is divided by the largest number that keeps it at this or above.
    """

    mulaw: bool
    lowest_rate: int

    def divisor(self, rate: int) -> int:
        return max(1, rate // self.lowest_rate)

    def bytes_per_second(self, rate: int, channels: int) -> float:
        return (1 if self.mulaw else 2) * channels * rate / self.divisor(rate)


# The best first.
_ENCODINGS = (
    _Encoding(False, SPEECH_RATE),
    _Encoding(True, SPEECH_RATE),
    _Encoding(True, 11_000),
    _Encoding(True, 8_000),
)


def embedded_audio(
    recorders: Sequence[TrackRecorder], max_bytes: int
) -> list[EmbeddedAudio | None]:
    """The audio of each track; None where there is nothing to play.

    Args:
        max_bytes: of all of them together.
    """
    originals = [_original(recorder) for recorder in recorders]
    left = max_bytes - sum(len(found.data) for found in originals if found is not None)
    decoded = [r for r, found in zip(recorders, originals, strict=True) if found is None]
    left -= _HEADER * len(decoded)
    encoding = next((e for e in _ENCODINGS if _size(decoded, e) <= left), _ENCODINGS[-1])
    share = min(1.0, left / max(1.0, _size(decoded, encoding)))
    return [
        _wav(recorder, encoding, share) if found is None else found
        for recorder, found in zip(recorders, originals, strict=True)
    ]


def _size(recorders: Sequence[TrackRecorder], encoding: _Encoding) -> float:
    kept = [r.samples for r in recorders if r.samples is not None]
    return sum(each.seconds * encoding.bytes_per_second(each.rate, each.channels) for each in kept)


def _original(recorder: TrackRecorder) -> EmbeddedAudio | None:
    """The container of a track, unchanged; None if it is not played or not small."""
    data, kept = recorder.original, recorder.samples
    name = container_name(data[:4096]) if data else None
    if not data or name is None or name not in PLAYED:
        return None
    seconds = recorder.report().duration_s
    wav_size = _size([recorder], _ENCODINGS[0])
    if kept is not None and len(data) >= wav_size:
        return None
    return EmbeddedAudio(data, PLAYED[name], f"{name}, as sent", 0.0, seconds)


def _wav(recorder: TrackRecorder, encoding: _Encoding, share: float) -> EmbeddedAudio | None:
    """The decoded audio of a track, or the end of it.

    Args:
        share: how much of it is embedded, 0 to 1.
    """
    kept = recorder.samples
    if kept is None or not kept.seconds or share <= 0:
        return None
    from wsproxy.audio.wav_file import wav_file  # noqa: PLC0415  # needs numpy

    skipped = kept.count - int(kept.count * share)
    divisor = encoding.divisor(kept.rate)
    rate = kept.rate // divisor
    kind = "mu-law" if encoding.mulaw else "16-bit PCM"
    channels = "" if kept.channels == 1 else f", {kept.channels} channels"
    return EmbeddedAudio(
        wav_file(kept.blocks(skipped, divisor), kept.channels, rate, mulaw=encoding.mulaw),
        WAV,
        f"WAV, {kind}, {rate} Hz{channels}",
        kept.start_s + skipped / kept.rate,
        (kept.count - skipped) / kept.rate,
        rate,
        kept.channels,
    )
