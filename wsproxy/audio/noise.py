"""Noise that replaces audio: of the same size, loudness and encoding, without anyone's voice.

The level is measured over each message, or over several short ones. Digital silence is kept,
and so is the number of samples at full scale, since both are evidence of a failure.
"""

from __future__ import annotations

import math
import random
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import groupby

from . import g711
from .encodings import (
    ALAW,
    COMPANDED,
    FLOAT32,
    MULAW,
    PCM16,
    PCM16_BE,
    SAMPLE_KINDS,
    encoding_named,
)
from .pcm import bytes_from_floats, bytes_from_samples, floats_from_bytes, samples_from_bytes
from .sniff import UNIDENTIFIED

_MEAN = 4096  # mean magnitude of the stored noise
_STORED = 1 << 12  # samples of it
_CHUNK = 1 << 20  # bytes that are processed at a time, a multiple of every sample's size
_LEVEL_SAMPLES = 160  # samples over which a level is measured
_STEPS = 8  # levels in each doubling
_SILENCE = re.compile(rb"[\0\xff\x7f\x80\xd5\x55]{16,}")  # of any encoding
_MIN_PAUSE = 16  # silent samples that are kept as a pause
_ZEROS = re.compile(rb"\0{%d,}" % (2 * _MIN_PAUSE))  # of 16-bit samples
_MAX_NOISE = 32_000  # louder samples would count as clipped
_FULL_SCALE = 32_767


class NoiseSource:
    """Noise at any level, computed once for all streams, of which a trace may have thousands.

    Args:
        chance: generates the samples and picks where in them each piece starts.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._scaled: dict[int, array[int]] = {}

    @cached_property
    def _stored(self) -> array[int]:
        return array("h", (self._random_sample() for _ in range(_STORED)))

    def _random_sample(self) -> int:
        magnitude = min(_MAX_NOISE, round(self.chance.expovariate(1 / _MEAN)))
        return magnitude if self.chance.random() < 0.5 else -magnitude

    def samples(self, count: int, level: float) -> array[int]:
        """16-bit noise: `count` samples with a mean magnitude of `level`."""
        # Few levels are computed: in steps of a twelfth.
        step = round(_STEPS * math.log2(max(level, 0.5)))
        if step not in self._scaled:
            scale = 2 ** (step / _STEPS) / _MEAN
            scaled = (round(x * scale) for x in self._stored)
            self._scaled[step] = array("h", (max(-_MAX_NOISE, min(_MAX_NOISE, x)) for x in scaled))
        stored, out = self._scaled[step], array("h")
        while len(out) < count:
            at = self.chance.randrange(_STORED)
            out += stored[at : at + count - len(out)]
        return out


class Noise:
    """Replaces the chunks of one stream with noise, in their order.

    Args:
        kind: one of `encodings.SAMPLE_KINDS`; anything else is data in which only silence is
            recognized.
        source: generates the noise.
    """

    def __init__(self, kind: str, source: NoiseSource) -> None:
        self._source = source
        self._chance = source.chance
        self._level = 0.0
        self._replace_chunk: Callable[[bytes], bytes] = {
            PCM16: self._pcm16,
            PCM16_BE: lambda data: self._pcm16(data, big_endian=True),
            FLOAT32: self._float32,
            MULAW: lambda data: self._companded(data, g711.MULAW),
            ALAW: lambda data: self._companded(data, g711.ALAW),
        }.get(kind, self._data)

    def replace(self, data: bytes) -> bytes:
        """Noise of the same size and level as `data`."""
        # In chunks: an unpacked sample takes twenty times its memory.
        chunks = (data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK))
        return b"".join(map(self._replace_chunk, chunks))

    def _pcm16(self, data: bytes, *, big_endian: bool = False) -> bytes:
        noise = self._samples(samples_from_bytes(data, big_endian=big_endian))
        rest = self._chance.randbytes(len(data) % 2)
        return bytes_from_samples(noise, big_endian=big_endian) + rest

    def _float32(self, data: bytes) -> bytes:
        samples = array("h", map(_to_int16, floats_from_bytes(data)))
        noise = array("f", (x / 32768 for x in self._samples(samples)))
        return bytes_from_floats(noise) + self._chance.randbytes(len(data) % 4)

    def _companded(self, data: bytes, law: g711.Law) -> bytes:
        """The noise of codes of G.711; the codes of silence are unchanged."""
        samples, quiet = law.decode(data), law.quietest
        noise = self._samples(samples, quiet=quiet, full=max(law.values))
        return bytes(
            old if abs(x) <= quiet and abs(y) <= quiet else new
            for old, new, x, y in zip(data, law.encode(noise), samples, noise, strict=True)
        )

    def _data(self, data: bytes) -> bytes:
        noise = bytearray(self._chance.randbytes(len(data)))
        for silence in _SILENCE.finditer(data):
            noise[silence.start() : silence.end()] = silence[0]
        return bytes(noise)

    def _samples(
        self, samples: array[int], *, quiet: int = 0, full: int = _FULL_SCALE
    ) -> array[int]:
        """The noise of 16-bit samples.

        Args:
            quiet: magnitude of a silent sample.
            full: magnitude of a sample at full scale.
        """
        count = len(samples)
        if not count:
            return samples
        silent = samples.count(quiet) + (samples.count(-quiet) if quiet else 0)
        audible = count - silent
        if not audible and count >= _MIN_PAUSE:
            return samples
        if audible:
            weight = min(1.0, audible / _LEVEL_SAMPLES)
            mean = (sum(map(abs, samples)) - silent * quiet) / audible
            self._level = weight * mean + (1 - weight) * (self._level or mean)
        noise = self._source.samples(count, self._level)
        if max(samples) >= full or min(samples) <= -full:
            self._clip(noise, samples, full)
        if silent >= _MIN_PAUSE:
            for start, end in _pauses(samples, quiet):
                noise[start:end] = array("h", bytes(2 * (end - start)))
        return noise

    def _clip(self, noise: array[int], samples: Sequence[int], full: int) -> None:
        """Put as many runs at full scale, of the same lengths, in other places."""
        marked = groupby(samples, lambda x: abs(x) >= full)
        runs = [sum(1 for _ in run) for clipped, run in marked if clipped]
        self._chance.shuffle(runs)
        free = len(noise) - sum(runs)
        cuts = sorted(self._chance.randint(0, free) for _ in runs)
        at, before = 0, 0
        for length, cut in zip(runs, cuts, strict=True):
            at += cut - before
            before = cut
            noise[at : at + length] = array("h", [self._chance.choice((full, -full))]) * length
            at += length


def kind_of_noise(sniffed: str, encoding: str) -> str:
    """The kind of noise that replaces a stream: what its bytes are, or else what was declared.

    Args:
        sniffed: what `sniff` returned for the stream.
        encoding: its declared encoding.

    Returns:
        One of `encodings.SAMPLE_KINDS`, or "" for data.
    """
    declared = encoding_named(encoding)
    kind = declared.kind if declared else ""
    if sniffed == COMPANDED:
        return kind if kind in (MULAW, ALAW) else MULAW
    if sniffed in SAMPLE_KINDS:
        return sniffed
    return "" if sniffed == UNIDENTIFIED else kind


def _pauses(samples: array[int], quiet: int) -> Iterator[tuple[int, int]]:
    """Runs of silent samples that are long enough: (begin, end)."""
    silent = array("h", (x if abs(x) > quiet else 0 for x in samples)) if quiet else samples
    for found in _ZEROS.finditer(silent.tobytes()):
        start, end = -(-found.start() // 2), found.end() // 2
        if end - start >= _MIN_PAUSE:
            yield start, end


def _to_int16(value: float) -> int:
    if value != value:  # noqa: PLR0124  # NaN
        return 0
    return round(max(-1.0, min(1.0, value)) * _FULL_SCALE)
