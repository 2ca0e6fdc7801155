"""The analysis of a stream of audio in large blocks, with numpy: what `AudioAnalyzer` does.

A stream is a sequence of segments: one for each declared format, and for each container.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .arrival import ArrivalRate
from .chunk import AudioChunk, ChunkBlock
from .container_decoding import ContainerDecoder, Decoded, DecoderMissing
from .container_noise import wav_header
from .containers import CONTAINERS, HEADLESS, container_name, read_header, wav_sizes
from .demuxing import Restart
from .encodings import AudioFormat, Encoding, encoding_in_wav, encoding_of_kind
from .fault_list import reconciled
from .format_guess import FormatGuess
from .pcm_decoding import decode_pcm, scale_of
from .regions import Locator
from .report import (
    MISSING_HEADER,
    SECOND_HEADER,
    WRONG_WAV_HEADER,
    AudioFault,
    AudioReport,
    Region,
    SpeechSoFar,
)
from .signal_meter import Scale, SignalMeter, step_samples
from .sniff import SNIFFED_BYTES, TEXT_KINDS, sniff
from .voice_pitch import VoicePitch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .sample_listener import SampleListener
    from .signal_meter import Samples, StepLevels

_STEPS = 10  # of a window in which the format is examined: 0.25 s
_ASSUMED_RATE = 16_000
# Compression moves each sample of a peak, and adds noise to zeros. Only the highest peaks of good
# audio are at 0.9.
_LOSSY = Scale(0.9 * 32768, 3.0, 0.03, 1)
_COMPRESSED = frozenset({"MP3", "AAC (ADTS)"})  # two frames of these may be samples by chance
_MAX_HEADER_FAULTS = 200
_MAX_ODD = 200
# Once freed, it tells glibc to keep blocks of this size: otherwise it gives the memory of each one
# back to the system, and a seventh of the time of reading a long trace goes into page faults.
np.empty(4 << 20, np.uint8)
_RI, _IF = (int.from_bytes(pair, "little") for pair in (b"RI", b"IF"))
_MAGIC_STARTS = (b"\x1aE\xdf\xa3", b"OggS\0\x02", b"fLaC", b"#!AMR")


@dataclass(slots=True)
class Notes:
    """What the segments of a stream report besides levels."""

    faults: list[AudioFault] = field(default_factory=list)
    guesses: list[FormatGuess] = field(default_factory=list)
    odd_ends: list[Region] = field(default_factory=list)  # of the audio after half a sample
    unmeasured: dict[str, None] = field(default_factory=dict)

    def header_fault(self, kind: str, where: Region, **figures: float | str) -> None:
        """Add a fault of a header."""
        if len(self.faults) < _MAX_HEADER_FAULTS:
            self.faults.append(AudioFault(kind, where, figures))


class Segment(Protocol):
    """A part of a stream with one format."""

    container: str
    rate: int
    channels: int

    @property
    def position_s(self) -> float:
        """The position of its end."""
        ...

    def feed(self, chunks: ChunkBlock) -> None:
        """Analyze chunks."""
        ...

    def flush(self) -> None:
        """Analyze what is held back until more arrives."""
        ...


class StreamAnalysis:
    """Analyzes the blocks of a stream.

    Args:
        listener: receives the decoded samples as well.
    """

    def __init__(self, listener: SampleListener | None = None) -> None:
        self._tools = _Tools(listener)
        self._segment: Segment | None = None
        self._declared: AudioFormat | None = None
        self._position_s = 0.0

    def change_format(self, declared: AudioFormat | None) -> None:
        """Declare the format of the chunks that follow."""
        self._end_segment()
        self._declared = declared

    def feed(self, chunks: ChunkBlock) -> None:
        """Analyze the next chunks."""
        if self._segment is None:
            head = b"".join(chunks.data[:SNIFFED_BYTES])[:SNIFFED_BYTES]
            self._segment = self._begin(head, chunks.first)
        self._segment.feed(chunks)

    def flush(self) -> None:
        """Analyze what is held back until more arrives."""
        if self._segment is not None:
            self._segment.flush()

    def speech_before(self, frame: int | None) -> SpeechSoFar | None:
        """The speech before a frame, one of the latest ones; None where audio is not decoded.

        Args:
            frame: its number; None: all that was analyzed.
        """
        if isinstance(self._segment, UnknownSegment):
            return None
        at_s = None if frame is None else self._tools.locator.start_of(frame)
        return self._tools.meter.speech_until(math.inf if at_s is None else at_s)

    def _end_segment(self) -> None:
        if self._segment is not None:
            self._segment.flush()
            self._position_s = self._segment.position_s
            self._segment = None

    def _begin(self, head: bytes, first: AudioChunk) -> Segment:
        declared, tools, at = self._declared, self._tools, self._position_s
        samples = declared.samples if declared else None
        name = container_name(head) or ""
        if samples is not None and (name.endswith(HEADLESS) or name in _COMPRESSED):
            name = ""
        if name.endswith(HEADLESS):
            where = Region(at, at, first.frame, first.t_ns, first.t_ns)
            tools.notes.header_fault(MISSING_HEADER, where, container=name.removesuffix(HEADLESS))
        if name == "WAV":
            return self._begin_wav(head, first)
        if name.removesuffix(HEADLESS) in CONTAINERS:
            try:
                return ContainerSegment(tools, name, at)
            except DecoderMissing as error:
                tools.notes.unmeasured[f"{name}: {error}"] = None
                return UnknownSegment(name, at)
        if head[:32].isascii() and (kind := sniff(head)) in TEXT_KINDS:
            tools.notes.unmeasured[f"The audio is {kind}"] = None
            return UnknownSegment("", at)
        if samples is None:
            kind = sniff(head)
            samples = encoding_of_kind(kind)
            if samples is None:
                tools.notes.unmeasured[f"Not decoded: {kind}"] = None
                return UnknownSegment("", at)
        rate = declared.rate if declared else 0
        if not rate:
            assumed = f"No sample rate is declared; {_ASSUMED_RATE} Hz is assumed"
            tools.notes.unmeasured[assumed] = None
        channels = declared.channels if declared else 1
        name = declared.encoding if declared and declared.samples else samples.kind
        return RawSegment(tools, samples, name, rate or _ASSUMED_RATE, channels, at)

    def _begin_wav(self, head: bytes, first: AudioChunk) -> Segment:
        header = read_header(head)
        samples = encoding_in_wav(header.encoding) if header else None
        if header is None or samples is None or not header.rate or not header.channels:
            self._tools.notes.unmeasured["Not decoded: WAV without PCM"] = None
            return UnknownSegment("WAV", self._position_s)
        at = self._position_s
        _check_wav(head, Region(at, at, first.frame, first.t_ns, first.t_ns), self._tools.notes)
        skipped = len(wav_header(head) or b"")
        return RawSegment(
            self._tools,
            samples,
            header.encoding,
            header.rate,
            header.channels,
            at,
            container="WAV",
            skipped=skipped,
        )

    @property
    def position_s(self) -> float:
        """The position of the end of the stream."""
        return self._segment.position_s if self._segment is not None else self._position_s

    def report(self, declared: AudioFormat | None, size: int, chunks: int) -> AudioReport:
        """The result so far."""
        segment, tools = self._segment, self._tools
        levels = tools.meter.result()
        found = [*levels.faults, *tools.arrival.faults(), *tools.notes.faults]
        for guess in tools.notes.guesses:
            found += guess.faults()
        return AudioReport(
            format=declared,
            container=segment.container if segment else "",
            rate=segment.rate if segment else 0,
            channels=segment.channels if segment else 0,
            size=size,
            chunks=chunks,
            duration_s=self.position_s,
            rms_dbfs=levels.rms_dbfs,
            peak_dbfs=levels.peak_dbfs,
            speech_dbfs=levels.speech_dbfs,
            dc_offset=levels.dc_offset,
            clipped_share=levels.clipped_share,
            silence=levels.silence,
            near_silence=levels.near_silence,
            clipping=levels.clipping,
            speech=levels.speech,
            channel_correlation=levels.channel_correlation,
            bandwidth_hz=tools.pitch.bandwidth_hz,
            rate_estimate=tools.arrival.estimate(),
            faults=reconciled(found, tools.notes.odd_ends),
            unmeasured=tuple(tools.notes.unmeasured),
        )


class _Tools:
    """What all segments of a stream report to."""

    def __init__(self, listener: SampleListener | None) -> None:
        self._listener = listener
        self.locator = Locator()
        self.meter = SignalMeter(self.locator)
        self.pitch = VoicePitch()
        self.arrival = ArrivalRate(self.locator, self.pitch)
        self.notes = Notes()

    def locate(self, starts_s: list[float], frames: list[int], times: list[int]) -> None:
        """Add chunks; arguments as for `Locator.extend`."""
        self.locator.extend(starts_s, frames, times)
        if self._listener is not None:
            self._listener.add_chunks(starts_s, frames, times)

    def measure(
        self, samples: Samples, channels: int, rate: int, start_s: float, scale: Scale
    ) -> tuple[NDArray[np.float32], StepLevels | None]:
        """Measure samples; returns them as floats, and the levels of their steps."""
        if self._listener is not None:
            self._listener.add_samples(samples, channels, rate)
        floats = samples.astype(np.float32, copy=False)
        levels = self.meter.feed(samples, floats, channels, rate, start_s, scale)
        self.pitch.feed(floats[::channels], rate, start_s, with_pitch=self.arrival.is_doubtful)
        return floats, levels


class UnknownSegment:
    """Audio that is not decoded."""

    rate = channels = 0

    def __init__(self, container: str, start_s: float) -> None:
        self.container = container
        self.position_s = start_s

    def feed(self, chunks: ChunkBlock) -> None:
        """Nothing can be measured."""

    def flush(self) -> None:
        """Nothing is held back."""


class RawSegment:
    """Raw samples, or those in a WAV stream.

    Args:
        tools: what is measured is added to them.
        encoding: how samples are declared to be encoded.
        name: of that encoding.
        rate: samples of one channel a second.
        channels: their number.
        start_s: its position in the stream.
        container: the container whose samples they are.
        skipped: bytes of its header, at the start.
    """

    def __init__(
        self,
        tools: _Tools,
        encoding: Encoding,
        name: str,
        rate: int,
        channels: int,
        start_s: float,
        *,
        container: str = "",
        skipped: int = 0,
    ) -> None:
        self.container = container
        self.rate = rate
        self.channels = channels
        self._tools = tools
        self._encoding = encoding
        self._scale = scale_of(encoding)
        self._frame_bytes = encoding.sample_bytes * channels
        self._window_bytes = step_samples(rate) * _STEPS * self._frame_bytes
        self._guess = FormatGuess(encoding, name, channels, tools.locator)
        tools.notes.guesses.append(self._guess)
        self._start_s = start_s
        self._skip = skipped
        self._arrived = 0  # bytes
        self._measured = 0
        self._held = b""

    @property
    def position_s(self) -> float:
        """The position of its end."""
        return self._position(self._arrived)

    def _position(self, size: int) -> float:
        return self._start_s + size / (self._frame_bytes * self.rate)

    def feed(self, chunks: ChunkBlock) -> None:
        """Analyze chunks."""
        data = b"".join((self._held, *chunks.data))
        if self._skip or _may_have_header(data, chunks.data):
            chunks = self._without_headers(chunks)
            data = b"".join((self._held, *chunks.data))
        sizes = np.fromiter(map(len, chunks.data), np.int64, len(chunks))
        seconds = sizes / (self._frame_bytes * self.rate)
        ends = self._position(self._arrived) + np.cumsum(seconds)
        starts = ends - seconds
        self._tools.locate(starts.tolist(), chunks.frames, chunks.times)
        self._tools.arrival.feed(np.array(chunks.times, np.int64), starts, seconds, self.rate)
        self._note_odd(sizes, ends)
        self._arrived += int(sizes.sum())
        whole = len(data) // self._window_bytes
        self._held = data[whole * self._window_bytes :]
        if whole:
            self._measure(memoryview(data)[: whole * self._window_bytes], whole)

    def flush(self) -> None:
        """Analyze what is held back until more arrives."""
        whole = len(self._held) // self._frame_bytes * self._frame_bytes
        data, self._held = self._held[:whole], self._held[whole:]
        if data:
            self._measure(data, 0)

    def _measure(self, data: bytes | memoryview, windows: int) -> None:
        start_s = self._position(self._measured)
        self._measured += len(data)
        samples = decode_pcm(data, self._encoding)
        floats, levels = self._tools.measure(
            samples, self.channels, self.rate, start_s, self._scale
        )
        if windows and levels is not None:
            window_s = step_samples(self.rate) * _STEPS / self.rate
            self._guess.feed(data, floats, windows, start_s, window_s, levels)

    def _note_odd(self, sizes: NDArray[np.int64], ends: NDArray[np.float64]) -> None:
        known, size = self._tools.notes.odd_ends, self._encoding.sample_bytes
        if size > 1 and len(known) < _MAX_ODD:
            odd = ends[sizes % size != 0].tolist()[:_MAX_ODD]
            known += [self._tools.locator.region(end, end) for end in odd]

    def _without_headers(self, chunks: ChunkBlock) -> ChunkBlock:
        """The chunks without the headers of containers, which are noted."""
        out = ChunkBlock()
        offset = 0
        for chunk in chunks:
            data = chunk.data
            if self._skip:
                skipped = min(self._skip, len(data))
                self._skip -= skipped
                data = data[skipped:]
            if b"RIFF" in data:
                data = self._cut_headers(data, chunk, offset)
            elif data.startswith(_MAGIC_STARTS):
                self._note_header(container_name(data[:64]) or "", chunk, offset)
            offset += len(data)
            out.add(data, chunk.frame, chunk.t_ns)
        return out

    def _cut_headers(self, data: bytes, chunk: AudioChunk, offset: int) -> bytes:
        at = data.find(b"RIFF")
        while at >= 0:
            if data[at + 8 : at + 12] == b"WAVE":
                self._note_header("WAV", chunk, offset + at)
                data = data[:at] + data[at + len(wav_header(data[at:]) or b"") :]
            at = data.find(b"RIFF", at + 1)
        return data

    def _note_header(self, name: str, chunk: AudioChunk, offset: int) -> None:
        if name not in CONTAINERS:
            return
        at = self._position(self._arrived + offset)
        where = Region(at, at, chunk.frame, chunk.t_ns, chunk.t_ns)
        self._tools.notes.header_fault(SECOND_HEADER, where, container=name)


class ContainerSegment:
    """Compressed audio, or a container with it.

    Args:
        tools: what is measured is added to them.
        name: the container, as `containers.container_name` returned it.
        start_s: its position in the stream.

    Raises:
        DecoderMissing: it cannot be decoded here.
    """

    def __init__(self, tools: _Tools, name: str, start_s: float) -> None:
        self._decoder = ContainerDecoder(name)
        self._tools = tools
        self.container = name
        self.rate = 0
        self.channels = 0
        self.position_s = start_s
        self._measured_s = start_s
        self._held: list[Decoded] = []
        self._begun = name.endswith(HEADLESS)

    def feed(self, chunks: ChunkBlock) -> None:
        """Analyze chunks."""
        for chunk in chunks:
            begun = self.position_s
            self._tools.locate([begun], [chunk.frame], [chunk.t_ns])
            for item in self._decoder.feed(chunk.data):
                self._take(item, chunk)
        self._measure()

    def flush(self) -> None:
        """Analyze what is held back until more arrives."""
        for item in self._decoder.flush():
            self._take(item, None)
        self._measure()

    def _take(self, item: Decoded | Restart, chunk: AudioChunk | None) -> None:
        if isinstance(item, Decoded):
            if (item.rate, item.channels) != (self.rate, self.channels):
                self._measure()
                self.rate, self.channels = item.rate, item.channels
            self._held.append(item)
            self.position_s += len(item.samples) / item.channels / item.rate
        elif not self._begun:
            self._begun = True
        elif chunk is not None:
            at = self.position_s
            where = Region(at, at, chunk.frame, chunk.t_ns, chunk.t_ns)
            self._tools.notes.header_fault(SECOND_HEADER, where, container=self.container)

    def _measure(self) -> None:
        """Measure complete steps of what is decoded."""
        if not self._held:
            return
        samples = np.concatenate([item.samples for item in self._held])
        step = step_samples(self.rate) * self.channels
        whole = len(samples) // step * step
        self._held = [Decoded(samples[whole:], self.rate, self.channels)]
        if whole:
            block = samples[:whole]
            self._tools.measure(block, self.channels, self.rate, self._measured_s, _LOSSY)
            self._measured_s += whole / self.channels / self.rate


def _may_have_header(joined: bytes, chunks: Sequence[bytes]) -> bool:
    """Whether a header of a container may be in chunks, which are joined behind earlier bytes."""
    if any(map(bytes.startswith, chunks, repeat(_MAGIC_STARTS))):
        return True
    # Pairs of bytes, the first or the second of which is one of "RIFF": six times as fast as
    # looking for all four.
    pairs = np.frombuffer(joined, np.dtype("<u2"), len(joined) // 2)
    found = pairs == _RI
    found |= pairs == _IF
    # There are few: first those of each eight together that have one.
    eights = found[: len(found) // 8 * 8].view(np.uint64)
    places = [*np.flatnonzero(eights).tolist()]
    return any(b"RIFF" in joined[max(0, 16 * at - 1) : 16 * at + 18] for at in places) or (
        b"RIFF" in joined[len(eights) * 16 :]
    )


def _check_wav(head: bytes, where: Region, notes: Notes) -> None:
    sizes = wav_sizes(head)
    if sizes is not None and (
        sizes.block_align != sizes.expected_block_align
        or sizes.byte_rate != sizes.expected_byte_rate
    ):
        notes.header_fault(
            WRONG_WAV_HEADER,
            where,
            block_align=float(sizes.block_align),
            expected_block_align=float(sizes.expected_block_align),
            byte_rate=float(sizes.byte_rate),
            expected_byte_rate=float(sizes.expected_byte_rate),
        )
