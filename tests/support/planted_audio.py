"""Three minutes of speech in each encoding and container, with a fault at a random place."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from wsproxy.audio import g711, report
from wsproxy.audio.analyzer import AudioAnalyzer
from wsproxy.audio.encodings import AudioFormat
from wsproxy.audio.report import AudioReport
from wsproxy.audio.synthetic_speech import speech

SECONDS = 180
BASE_RATE = 16_000  # the highest at which speech is made, Hz
TOLERANCE_S = 0.5
Samples = np.ndarray[Any, np.dtype[Any]]


@lru_cache(maxsize=8)
def base_speech(rate: int) -> Samples:
    """Three minutes of speech."""
    if rate > BASE_RATE:
        return resampled(base_speech(BASE_RATE), BASE_RATE, rate)
    pieces = [speech(SECONDS / 3, rate, seed) for seed in range(3)]
    return np.frombuffer(b"".join(pieces), "<i2")


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    size = round(len(samples) * wanted / rate)
    spectrum = np.fft.rfft(samples.astype(float))
    kept = min(len(spectrum), size // 2 + 1)
    changed = np.zeros(size // 2 + 1, complex)
    changed[:kept] = spectrum[:kept]
    return limited(np.fft.irfft(changed, size) * size / len(samples))


def limited(samples: Samples) -> Samples:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def encoded(samples: Samples, encoding: str) -> bytes:
    match encoding:
        case "pcm_s16be":
            return samples.astype(">i2").tobytes()
        case "float32":
            return (samples / 32768).astype("<f4").tobytes()
        case "linear24":
            return np.stack([samples * 0, samples & 255, samples >> 8], 1).astype("u1").tobytes()
        case "linear32":
            return (samples.astype("<i4") << 16).tobytes()
        case "mulaw":
            return g711.MULAW.encode(samples.tolist())
        case "alaw":
            return g711.ALAW.encode(samples.tolist())
    return samples.astype("<i2").tobytes()


def per_second(declared: AudioFormat | None) -> int:
    """Bytes a second."""
    assert declared is not None
    return declared.bytes_per_second


@dataclass
class Planted:
    """A stream with a fault.

    Attributes:
        kind: of the fault.
        declared: the format that is declared.
        chunks: (bytes, seconds until the next chunk arrives).
        earliest, latest: where the fault may be found to begin, s.
        end: where it ends, from and until; None where it has no length.
    """

    kind: str
    declared: AudioFormat | None
    chunks: list[tuple[bytes, float]] = field(default_factory=list)
    earliest: float = 0.0
    latest: float = 0.0
    end: tuple[float, float] | None = None

    def send(self, data: bytes, size: int, interval: float) -> None:
        """Add data in chunks."""
        self.chunks += [(data[at : at + size], interval) for at in range(0, len(data), size)]

    def analyzed(self) -> AudioReport:
        """The analysis of the stream, which arrives with the jitter of a real one."""
        dice, now = random.Random(1), 0.0
        analyzer = AudioAnalyzer(self.declared)
        for number, (data, interval) in enumerate(self.chunks, 1):
            analyzer.add(data, number, int((now + dice.uniform(0, 0.008)) * 1e9))
            now += interval
        return analyzer.report()

    def check(self) -> AudioReport:
        """Assert that the fault, and nothing else, is found where it is; returns the analysis."""
        found = self.analyzed()
        assert [fault.kind for fault in found.faults] == [self.kind], found.faults
        where = found.faults[0].where
        first, last = self.earliest - TOLERANCE_S, self.latest + TOLERANCE_S
        assert first <= where.start_s <= last, (where, first, last)
        if self.end is not None:
            first, last = self.end[0] - TOLERANCE_S, self.end[1] + TOLERANCE_S
            assert first <= where.end_s <= last, (where, first, last)
        self._check_frame(where)
        return found

    def _check_frame(self, where: report.Region) -> None:
        if self.declared is None or not self.declared.bytes_per_second:
            return
        before = sum(len(data) for data, _ in self.chunks[: where.frame - 1])
        start = self.declared.duration(before)
        length = self.declared.duration(len(self.chunks[where.frame - 1][0]))
        assert start - 0.01 <= where.start_s <= start + length + 0.01


def places(
    seed: int, shortest: float = 4.0, longest: float = 9.0, seconds: float = SECONDS
) -> tuple[float, float]:
    """Start and duration of a fault."""
    dice = random.Random(seed)
    return dice.uniform(8, seconds - longest - 8), dice.uniform(shortest, longest)


def split(samples: Samples, rate: int, start: float, length: float) -> tuple[Samples, ...]:
    a, b = int(start * rate), int((start + length) * rate)
    return samples[:a], samples[a:b], samples[b:]


# -- faults of the signal, in any encoding

Change = Callable[[Samples], Samples]
CHANGES: dict[str, Change] = {
    report.DIGITAL_SILENCE: np.zeros_like,
    report.NEAR_SILENCE: lambda x: limited(x / 1500.0),
    report.CLIPPING: lambda x: limited(x * 20.0),
    report.DC_OFFSET: lambda x: limited(x + 3500.0),
}


def changed(
    samples: Samples, rate: int, kind: str, seed: int, seconds: float = SECONDS
) -> tuple[Samples, float, float]:
    """Samples with a fault of the signal, and where it begins and ends."""
    lengths = (10.0, 14.0) if kind == report.NEAR_SILENCE else (4.0, 9.0)
    before, fault, after = split(samples, rate, *places(seed, *lengths, seconds))
    wrong = CHANGES[kind](fault)
    marks = np.flatnonzero(np.abs(wrong.astype(int)) >= 32_767) if kind == report.CLIPPING else None
    first, last = (0, len(wrong)) if marks is None else (int(marks[0]), int(marks[-1]))
    start, end = (len(before) + first) / rate, (len(before) + last) / rate
    return np.concatenate([before, wrong, after]), start, end


def raw_signal_fault(encoding: str, rate: int, kind: str, seed: int) -> Planted:
    samples, start, end = changed(base_speech(rate), rate, kind, seed)
    planted = Planted(kind, AudioFormat(encoding, rate))
    data = encoded(samples, encoding)
    planted.send(data, per_second(planted.declared) // 50, 0.02)
    planted.earliest = planted.latest = start
    planted.end = (end, end)
    return planted


# -- faults of the format

Convert = Callable[[Samples], bytes]


def raw_format_fault(kind: str, encoding: str, rate: int, convert: Convert, seed: int) -> Planted:
    """A part of the stream is in another format."""
    before, fault, after = split(base_speech(rate), rate, *places(seed))
    declared = AudioFormat(encoding, rate)
    planted = Planted(kind, declared)
    size = declared.bytes_per_second // 50
    wrong = convert(fault)
    wrong = wrong[: len(wrong) // 8 * 8]  # samples of the declared format are aligned after it
    # The source captures in real time, whatever its bytes are.
    real = int(len(wrong) / (len(fault) / rate) / 50) // 16 * 16
    planted.send(encoded(before, encoding), size, 0.02)
    planted.send(wrong, real, 0.02)
    planted.send(encoded(after, encoding), size, 0.02)
    sound = np.flatnonzero(np.abs(fault) > 1000)
    start = declared.duration(len(encoded(before, encoding)))
    ratio = len(wrong) / len(encoded(fault, encoding))
    planted.earliest = start
    planted.latest = start + sound[0] / rate * ratio
    planted.end = (start + sound[-1] / rate * ratio, start + len(fault) / rate * ratio)
    return planted


def misaligned(rate: int, seed: int) -> Planted:
    """A byte is lost, and another one later."""
    before, fault, after = split(base_speech(rate), rate, *places(seed))
    planted = Planted(report.MISALIGNED, AudioFormat("linear16", rate))
    planted.send(encoded(before, "linear16"), rate // 25, 0.02)
    planted.chunks[-1] = (planted.chunks[-1][0][:-1], 0.02)
    planted.send(encoded(fault, "linear16"), rate // 25, 0.02)
    planted.chunks[-1] = (planted.chunks[-1][0][:-1], 0.02)
    planted.send(encoded(after, "linear16"), rate // 25, 0.02)
    sound = np.flatnonzero(np.abs(fault) > 1000)
    start = len(before) / rate
    planted.earliest, planted.latest = start, start + sound[0] / rate
    planted.end = (start + sound[-1] / rate, start + len(fault) / rate)
    return planted


def stereo(left: Samples, right: Samples) -> bytes:
    return np.stack([left, right], 1).astype("<i2").tobytes()


def wrong_rate(
    declared: int, real: int, chunk: int, seed: int, *, complete: bool = False
) -> Planted:
    """A part of the stream, or all of it, was captured at another rate."""
    start, length = (0.0, float(SECONDS)) if complete else places(seed, 12.0, 20.0)
    before, _, after = split(base_speech(declared), declared, start, length)
    _, fault, _ = split(base_speech(real), real, start, length)
    planted = Planted(report.WRONG_RATE, AudioFormat("linear16", declared))
    for samples, rate in ((before, declared), (fault, real), (after, declared)):
        planted.send(encoded(samples, "linear16"), 2 * chunk, chunk / rate)
    planted.earliest = planted.latest = len(before) / declared
    end = (len(before) + len(fault)) / declared
    planted.end = (end - TOLERANCE_S * real / declared, end)
    return planted


# -- containers

CONTAINERS = {  # format of the muxer, codec
    "Ogg/Opus": ("ogg", "libopus"),
    "WebM": ("webm", "libopus"),
    "MP3": ("mp3", "libmp3lame"),
    "FLAC": ("flac", "flac"),
    "AAC (ADTS)": ("adts", "aac"),
    "MP4": ("mp4", "aac"),
    "WAV": ("wav", "pcm_s16le"),
}


def contained(samples: Samples, container: str, rate: int = 16_000) -> bytes:
    """The samples in a container."""
    import av

    muxer, codec = CONTAINERS[container]
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if muxer == "mp4" else {}
    out = io.BytesIO()
    with av.open(out, "w", format=muxer, options=options) as file:
        stream: Any = file.add_stream(codec, rate=rate, layout="mono")
        step = 8000
        for at in range(0, len(samples), step):
            piece = np.ascontiguousarray(samples[None, at : at + step])
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, at
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


def chunked(data: bytes, seconds: float) -> Iterator[tuple[bytes, float]]:
    """Data as messages of about 100 ms."""
    size = max(1, int(len(data) / seconds / 10))
    for at in range(0, len(data), size):
        yield data[at : at + size], 0.1


def contained_stream(kind: str, data: bytes, seconds: float = SECONDS) -> Planted:
    planted = Planted(kind, None)
    planted.chunks += chunked(data, seconds)
    return planted
