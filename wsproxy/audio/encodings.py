"""The format of audio streams, and encodings under the names that providers give them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from . import g711

# What samples are, as `sample_statistics.sample_kind` and findings name them.
PCM16, PCM16_BE, FLOAT32 = "16-bit PCM", "16-bit PCM, big-endian", "32-bit float PCM"
MULAW, ALAW, COMPANDED = "mu-law", "A-law", "mu-law or A-law"
SAMPLE_KINDS = frozenset({PCM16, PCM16_BE, FLOAT32, MULAW, ALAW, COMPANDED})


@dataclass(frozen=True, slots=True)
class Encoding:
    """How raw samples are encoded.

    Attributes:
        sample_bytes: bytes of one sample of one channel.
        kind: one of SAMPLE_KINDS, "" where statistics cannot recognize these samples.
        wav_name: its name in a `ContainerHeader`, "" where a header has none for it.
        law: of an encoding of ITU-T G.711.
        big_endian: the byte order of a sample of several bytes.
        is_float: whether samples are floats from -1 to 1.
    """

    sample_bytes: int
    kind: str = ""
    wav_name: str = ""
    law: g711.Law | None = None
    big_endian: bool = False
    is_float: bool = False

    @property
    def order(self) -> str:
        """The byte order, as `struct` and numpy denote it."""
        return ">" if self.big_endian else "<"

    @property
    def is_pcm16(self) -> bool:
        """Whether it is 16-bit PCM in either byte order."""
        return self.kind in (PCM16, PCM16_BE)


_LINEAR16 = Encoding(2, PCM16, "linear16")
_LINEAR16_BE = Encoding(2, PCM16_BE, big_endian=True)
_LINEAR8 = Encoding(1, wav_name="8-bit PCM")
_LINEAR24 = Encoding(3, wav_name="24-bit PCM")
_LINEAR24_BE = Encoding(3, big_endian=True)
_FLOAT32 = Encoding(4, FLOAT32, wav_name="float32", is_float=True)
_FLOAT32_BE = Encoding(4, is_float=True, big_endian=True)
_FLOAT64 = Encoding(8, wav_name="float64", is_float=True)
_FLOAT64_BE = Encoding(8, is_float=True, big_endian=True)
_LINEAR32 = Encoding(4, FLOAT32, "32-bit PCM")
_LINEAR32_BE = Encoding(4, FLOAT32, big_endian=True)
_MULAW = Encoding(1, MULAW, "mulaw", g711.MULAW)
_ALAW = Encoding(1, ALAW, "alaw", g711.ALAW)

_BY_NAME = {
    **dict.fromkeys(
        ("linear16", "pcm_s16le", "s16le", "pcm16", "l16", "pcm", "pcm_16000"), _LINEAR16
    ),
    **dict.fromkeys(("pcm_s16be", "s16be"), _LINEAR16_BE),
    "pcm_u8": _LINEAR8,
    **dict.fromkeys(("linear24", "pcm_s24le", "s24le"), _LINEAR24),
    **dict.fromkeys(("pcm_s24be", "s24be"), _LINEAR24_BE),
    **dict.fromkeys(("pcm_f32le", "f32le", "float32"), _FLOAT32),
    **dict.fromkeys(("pcm_f32be", "f32be"), _FLOAT32_BE),
    **dict.fromkeys(("pcm_f64le", "f64le", "float64"), _FLOAT64),
    **dict.fromkeys(("pcm_f64be", "f64be"), _FLOAT64_BE),
    **dict.fromkeys(("linear32", "pcm_s32le", "s32le"), _LINEAR32),
    **dict.fromkeys(("pcm_s32be", "s32be"), _LINEAR32_BE),
    **dict.fromkeys(("mulaw", "ulaw", "pcm_mulaw", "ulaw_8000"), _MULAW),
    **dict.fromkeys(("alaw", "pcm_alaw"), _ALAW),
}
_BY_WAV_NAME = {e.wav_name: e for e in dict.fromkeys(_BY_NAME.values()) if e.wav_name}


_OGG = frozenset({"Ogg", "Ogg/Opus", "Ogg/Vorbis", "Ogg/FLAC", "Ogg/Speex"})
_WEBM = frozenset({"WebM", "WebM or Matroska", "Matroska"})
_CONTAINERS = {
    "flac": frozenset({"FLAC", "Ogg/FLAC", "Ogg"}),
    **dict.fromkeys(("ogg-opus", "ogg_opus"), frozenset({"Ogg/Opus", "Ogg"})),
    "opus": _WEBM | {"Ogg/Opus", "Ogg"},
    "speex": frozenset({"Ogg/Speex", "Ogg"}),
    **dict.fromkeys(("amr-nb", "amr"), frozenset({"AMR"})),
    "amr-wb": frozenset({"AMR-WB"}),
    "mp3": frozenset({"MP3"}),
    "aac": frozenset({"AAC (ADTS)", "MP4"}),
    "wav": frozenset({"WAV"}),
    "webm": _WEBM,
    "ogg": _OGG,
}


def containers_for(name: str) -> frozenset[str]:
    """The containers, as `containers.container_name` names them, that a declared encoding allows.

    Returns:
        Nothing where the encoding is not compressed, or unknown.
    """
    return _CONTAINERS.get(bare_name(name), frozenset())


@functools.lru_cache(maxsize=64)  # it is asked for every message
def encoding_named(name: str) -> Encoding | None:
    """The encoding of a declared name or media type.

    Returns:
        None where it is compressed, in a container, or unknown.
    """
    return _BY_NAME.get(bare_name(name))


def encoding_in_wav(name: str) -> Encoding | None:
    """The encoding that a `ContainerHeader` names."""
    return _BY_WAV_NAME.get(name)


_BY_KIND = {PCM16: _LINEAR16, PCM16_BE: _LINEAR16_BE, FLOAT32: _FLOAT32, MULAW: _MULAW}
_BY_KIND |= {ALAW: _ALAW, COMPANDED: _MULAW}


def encoding_of_kind(kind: str) -> Encoding | None:
    """The encoding of samples of one of SAMPLE_KINDS."""
    return _BY_KIND.get(kind)


def bare_name(declared: str) -> str:
    """The lower-case name of an encoding, also where a media type declares it.

    E.g. "s16le" of "audio/x-raw;layout=interleaved;rate=16000;format=s16le;channels=1".
    """
    declared = declared.lower()
    media, _, rest = declared.partition(";")
    if not media.startswith("audio/"):
        return declared
    values = dict(part.strip().split("=", 1) for part in rest.split(";") if "=" in part)
    name = media.removeprefix("audio/").removeprefix("x-")
    return values.get("format", "") if name == "raw" else name


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format of a stream of audio.

    Attributes:
        encoding: as the API names it, "" where nothing declares it (a container is expected).
        rate: samples a second, 0 if unknown.
        channels: their number.
    """

    encoding: str
    rate: int
    channels: int = 1

    @property
    def samples(self) -> Encoding | None:
        """The encoding of its samples; None where it is compressed, in a container, or unknown."""
        return encoding_named(self.encoding)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of all channels; 0 where the encoding has no fixed size."""
        return self.samples.sample_bytes * self.channels if self.samples else 0

    @property
    def bytes_per_second(self) -> int:
        """0 where the number of bytes does not determine the duration."""
        return self.sample_bytes * self.rate

    def duration(self, size: int) -> float:
        """The duration of `size` bytes in seconds; 0.0 where it is unknown."""
        return size / self.bytes_per_second if self.bytes_per_second else 0.0

    def __str__(self) -> str:
        if not self.encoding:
            return "a container (no encoding declared)"
        rate = f" at {self.rate} Hz" if self.rate else ""
        channels = f", {self.channels} channels" if self.channels != 1 else ""
        return f"{self.encoding}{rate}{channels}"
