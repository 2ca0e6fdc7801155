"""Noise in the place of audio: as long, as loud, in the same encoding, and nobody's voice.

Loudness is taken over a message, or over several short ones. Digital silence stays, and as many
samples at full scale as there were, since both are evidence.
"""

from __future__ import annotations

import math
import random
import re
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from itertools import groupby

from wsproxy.diagnose.samples import ALAW, COMPANDED, FLOAT32, MULAW, PCM16, PCM16_BE

_MEAN = 4096  # of the samples' absolute values, in the store of noise
_STORED = 1 << 12  # samples of it
_PART = 1 << 20  # bytes, whole samples, that are made at a time
_LEAST = 160  # samples over which loudness is taken
_STEPS = 8  # of loudness, from one to its double
_SILENCE = re.compile(rb"[\0\xff\x7f\x80\xd5\x55]{16,}")  # of any encoding
_RUN = 16  # silent samples that are a pause
_ZEROS = re.compile(rb"\0{%d,}" % (2 * _RUN))  # of 16 bits
_LOUDEST = 32_000  # of noise; what is above counts as clipped

_BY_NAME = {
    **dict.fromkeys(("linear16", "pcm_s16le", "s16le", "pcm16", "l16", "pcm", "pcm_16000"), PCM16),
    **dict.fromkeys(("pcm_s16be", "s16be"), PCM16_BE),
    **dict.fromkeys(("pcm_f32le", "f32le", "linear32", "float32"), FLOAT32),
    **dict.fromkeys(("mulaw", "ulaw", "pcm_mulaw", "ulaw_8000"), MULAW),
    **dict.fromkeys(("alaw", "pcm_alaw"), ALAW),
}


class NoiseSource:
    """Samples of noise at any loudness, made once for all streams: a trace may have thousands.

    Args:
        chance: decides what they are, and where in them each piece begins.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._scaled: dict[int, array[int]] = {}

    @cached_property
    def _stored(self) -> array[int]:
        return array("h", (self._one() for _ in range(_STORED)))

    def _one(self) -> int:
        loud = min(_LOUDEST, round(self.chance.expovariate(1 / _MEAN)))
        return loud if self.chance.random() < 0.5 else -loud

    def samples(self, count: int, level: float) -> array[int]:
        """Noise of `count` samples whose mean is `level`, of 16 bits."""
        # In steps of a twelfth of the loudness, so that few are made.
        step = round(_STEPS * math.log2(max(level, 0.5)))
        if step not in self._scaled:
            scale = 2 ** (step / _STEPS) / _MEAN
            made = (round(x * scale) for x in self._stored)
            self._scaled[step] = array("h", (max(-_LOUDEST, min(_LOUDEST, x)) for x in made))
        stored, out = self._scaled[step], array("h")
        while len(out) < count:
            at = self.chance.randrange(_STORED)
            out += stored[at : at + count - len(out)]
        return out


class Noise:
    """Makes noise like the pieces of one stream, in their order.

    Args:
        kind: what the samples are, one of `diagnose.samples.KINDS`; anything else is taken
            for data in which only silence is seen.
        source: of the noise.
    """

    def __init__(self, kind: str, source: NoiseSource) -> None:
        self._source = source
        self._chance = source.chance
        self._level = 0.0
        self._make: Callable[[bytes], bytes] = {
            PCM16: self._pcm16,
            PCM16_BE: lambda data: _swapped(self._pcm16(_swapped(data))),
            FLOAT32: self._float32,
            MULAW: lambda data: self._companded(data, *_mulaw()),
            ALAW: lambda data: self._companded(data, *_alaw()),
        }.get(kind, self._data)

    def like(self, data: bytes) -> bytes:
        """Noise like one piece, as long as it."""
        # In parts, because a sample takes twenty times as much while it is made.
        return b"".join(self._make(data[at : at + _PART]) for at in range(0, len(data), _PART))

    def _pcm16(self, data: bytes) -> bytes:
        samples = array("h", data[: len(data) // 2 * 2])
        if sys.byteorder == "big":
            samples.byteswap()
        made = self._samples(samples, quiet=0, full=32767)
        if sys.byteorder == "big":
            made.byteswap()
        return made.tobytes() + self._chance.randbytes(len(data) % 2)

    def _float32(self, data: bytes) -> bytes:
        values = array("f", data[: len(data) // 4 * 4])
        samples = array("h", (_scaled(value) for value in values))
        made = array("f", (x / 32768 for x in self._samples(samples, quiet=0, full=32767)))
        return made.tobytes() + self._chance.randbytes(len(data) % 4)

    def _companded(self, data: bytes, values: Sequence[int], codes: bytes) -> bytes:
        """μ-law and A-law (ITU-T G.711); codes of silence stay as they are."""
        samples = array("h", (values[code] for code in data))
        quiet, full = min(map(abs, values)), max(values)
        made = self._samples(samples, quiet=quiet, full=full)
        return bytes(
            code if abs(x) <= quiet and abs(y) <= quiet else codes[(y + 32768) >> 2]
            for code, x, y in zip(data, samples, made, strict=True)
        )

    def _data(self, data: bytes) -> bytes:
        made = bytearray(self._chance.randbytes(len(data)))
        for silence in _SILENCE.finditer(data):
            made[silence.start() : silence.end()] = silence[0]
        return bytes(made)

    def _samples(self, samples: array[int], *, quiet: int, full: int) -> array[int]:
        count = len(samples)
        if not count:
            return samples
        silent = samples.count(quiet) + (samples.count(-quiet) if quiet else 0)
        loud = count - silent
        if not loud and count >= _RUN:
            return samples
        if loud:
            weight = min(1.0, loud / _LEAST)
            mean = (sum(map(abs, samples)) - silent * quiet) / loud
            self._level = weight * mean + (1 - weight) * (self._level or mean)
        made = self._source.samples(count, self._level)
        if max(samples) >= full or min(samples) <= -full:
            self._clip(made, samples, full)
        if silent >= _RUN:
            for start, end in _pauses(samples, quiet):
                made[start:end] = array("h", bytes(2 * (end - start)))
        return made

    def _clip(self, made: array[int], samples: Sequence[int], full: int) -> None:
        """As many runs at full scale, as long ones, in other places."""
        marked = groupby(samples, lambda x: abs(x) >= full)
        runs = [sum(1 for _ in run) for loud, run in marked if loud]
        self._chance.shuffle(runs)
        free = len(made) - sum(runs)
        cuts = sorted(self._chance.randint(0, free) for _ in runs)
        at, before = 0, 0
        for length, cut in zip(runs, cuts, strict=True):
            at += cut - before
            before = cut
            made[at : at + length] = array("h", [self._chance.choice((full, -full))]) * length
            at += length


def kind_named(encoding: str) -> str:
    """The kind of samples of a declared encoding, "" where it is something else."""
    return _BY_NAME.get(encoding.lower(), "")


def kind_of_noise(sniffed: str, encoding: str) -> str:
    """What noise is to be made: what the bytes are, or else what they are declared to be."""
    if sniffed == COMPANDED:
        declared = kind_named(encoding)
        return declared if declared in (MULAW, ALAW) else MULAW
    if sniffed in (PCM16, PCM16_BE, FLOAT32, MULAW, ALAW):
        return sniffed
    return "" if sniffed == "data of no known kind" else kind_named(encoding)


def _pauses(samples: array[int], quiet: int) -> Iterator[tuple[int, int]]:
    """Runs of silent samples that are long enough: (begin, end)."""
    silent = array("h", (x if abs(x) > quiet else 0 for x in samples)) if quiet else samples
    for found in _ZEROS.finditer(silent.tobytes()):
        start, end = -(-found.start() // 2), found.end() // 2
        if end - start >= _RUN:
            yield start, end


def _swapped(data: bytes) -> bytes:
    units = array("H", data[: len(data) // 2 * 2])
    units.byteswap()
    return units.tobytes() + data[len(units) * 2 :]


def _scaled(value: float) -> int:
    return round(max(-1.0, min(1.0, value)) * 32767) if value == value else 0  # noqa: PLR0124  # NaN


@cache
def _mulaw() -> tuple[tuple[int, ...], bytes]:
    values = []
    for code in range(256):
        kept = ~code & 0xFF
        loud = (((kept & 15) << 3) + 0x84 << (kept >> 4 & 7)) - 0x84
        values.append(-loud if kept & 0x80 else loud)
    return tuple(values), _codes(values)


@cache
def _alaw() -> tuple[tuple[int, ...], bytes]:
    values = []
    for code in range(256):
        kept = code ^ 0x55
        segment, step = kept >> 4 & 7, (kept & 15) << 4
        loud = step + 8 if not segment else step + 0x108 << segment - 1
        values.append(loud if kept & 0x80 else -loud)
    return tuple(values), _codes(values)


def _codes(values: Sequence[int]) -> bytes:
    """The code of the next value, for each 4 of 65,536."""
    order = sorted(range(256), key=lambda code: values[code])
    sizes = [values[code] for code in order]
    return bytes(order[min(255, bisect_left(sizes, 4 * x - 32768))] for x in range(1 << 14))
