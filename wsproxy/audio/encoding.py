"""Audio as a simulated API gets it: how long it is, how loud, and whether it is audio at all."""

from __future__ import annotations

import functools
import sys
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

FRAME = 0.010  # seconds that are looked at together

# How a file or stream of each container begins.
_CONTAINERS = (
    b"RIFF",
    b"RF64",
    b"OggS",
    b"fLaC",
    b"ID3",
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"#!AMR",
    b"FORM",
    b".snd",
    b"caff",
)
_PCM = {"linear16": 2, "pcm_s16le": 2, "linear32": 4, "mulaw": 1, "pcm_mulaw": 1, "alaw": 1}
_COMPRESSED_RATE = 4000  # bytes a second: what compressed audio is taken to have


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """How audio is coded.

    Attributes:
        encoding: as the API names it; empty: in a container.
        rate: samples a second.
        channels: their number.
    """

    encoding: str = ""
    rate: int = 16_000
    channels: int = 1

    @property
    def raw(self) -> bool:
        """Whether each sample is coded by itself, so that bytes tell the duration."""
        return self.encoding in _PCM

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame of `FRAME` seconds."""
        if not self.raw:
            return int(_COMPRESSED_RATE * FRAME)
        return max(1, int(self.rate * FRAME)) * self.channels * _PCM[self.encoding]

    @property
    def bytes_per_second(self) -> float:
        if not self.raw:
            return float(_COMPRESSED_RATE)
        return float(self.rate * self.channels * _PCM[self.encoding])

    def loud(self, frame: bytes) -> bool | None:
        """Whether a frame is more than background noise; None where that cannot be seen."""
        match self.encoding:
            case "linear16" | "pcm_s16le":
                samples = array("h", frame[: len(frame) & ~1])
                if sys.byteorder == "big":
                    samples.byteswap()
                return max(samples) > 500 or min(samples) < -500
            case "mulaw" | "pcm_mulaw":
                return max(frame.translate(_MULAW_LOUDNESS)) > 0x24
            case "alaw":
                return max(frame.translate(_ALAW_LOUDNESS)) > 0x20
            case _:
                return None


_MULAW_LOUDNESS = bytes(~code & 0x7F for code in range(256))
_ALAW_LOUDNESS = bytes((code ^ 0x55) & 0x7F for code in range(256))


def is_container(data: bytes) -> bool:
    """Whether audio says by itself how it is coded."""
    if data[4:8] == b"ftyp" or data.startswith(_CONTAINERS):
        return True
    return len(data) >= 2 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0  # MPEG audio, ADTS


def wav_format(data: bytes) -> PcmFormat | None:
    """What the header of a WAV file says, or None."""
    at = data.find(b"fmt ", 0, 64)
    if not data.startswith(b"RIFF") or at < 0 or len(data) < at + 24:
        return None
    kind, channels = (int.from_bytes(data[at + o : at + o + 2], "little") for o in (8, 10))
    rate = int.from_bytes(data[at + 12 : at + 16], "little")
    bits = int.from_bytes(data[at + 22 : at + 24], "little")
    encoding = {(1, 16): "linear16", (7, 8): "mulaw", (6, 8): "alaw"}.get((kind, bits))
    if encoding is None or not rate or not channels:
        return None
    return PcmFormat(encoding, rate, channels)


def is_text(data: bytes) -> bool:
    """Whether the bytes are text: JSON, HTML, base64; real audio of some length never is."""
    if len(data) < 4:
        return False
    head = data[:512]
    return all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)


def mulaw(samples: bytes) -> bytes:
    """16-bit samples as μ-law (ITU-T G.711)."""
    return bytes(map(_mulaw_table().__getitem__, _samples(samples)))


def alaw(samples: bytes) -> bytes:
    """16-bit samples as A-law (ITU-T G.711)."""
    return bytes(map(_alaw_table().__getitem__, _samples(samples)))


def _samples(data: bytes) -> Iterator[int]:
    samples = array("h", data)
    if sys.byteorder == "big":
        samples.byteswap()
    # The tables have an entry for each 16 steps, negative ones at the end.
    return (sample >> 4 for sample in samples)


def _table(code: Mapping[int, int]) -> list[int]:
    return [code[step] for step in range(2048)] + [code[step] for step in range(-2048, 0)]


@functools.cache
def _mulaw_table() -> list[int]:
    def code(sample: int) -> int:
        sign = 0x80 if sample < 0 else 0
        magnitude = min(abs(sample), 32635) + 132
        exponent = magnitude.bit_length() - 8
        return ~(sign | exponent << 4 | magnitude >> (exponent + 3) & 0x0F) & 0xFF

    return _table({step: code(step * 16) for step in range(-2048, 2048)})


@functools.cache
def _alaw_table() -> list[int]:
    def code(sample: int) -> int:
        sign = 0 if sample < 0 else 0x80
        magnitude = min(abs(sample), 32767)
        exponent = max(0, magnitude.bit_length() - 8)
        mantissa = magnitude >> (exponent + 3 if exponent else 4) & 0x0F
        return (sign | exponent << 4 | mantissa) ^ 0x55

    return _table({step: code(step * 16) for step in range(-2048, 2048)})
