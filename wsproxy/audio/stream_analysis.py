"""The analysis of a stream of audio in large blocks, with numpy: what `AudioAnalyzer` does.

A stream is a sequence of segments: one for each declared format, and for each container.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .chunk import AudioChunk, ChunkBlock
from .container_decoding import DecoderMissing
from .container_noise import wav_header
from .container_segment import ContainerSegment
from .containers import CONTAINERS, HEADLESS, container_name, read_header, wav_sizes
from .encodings import AudioFormat, encoding_in_wav, encoding_of_kind
from .fault_list import reconciled
from .raw_segment import RawSegment
from .report import MISSING_HEADER, WRONG_WAV_HEADER, AudioReport, Region, SpeechSoFar
from .segment import Notes, Segment, SegmentTools, UnknownSegment
from .sniff import SNIFFED_BYTES, TEXT_KINDS, sniff

if TYPE_CHECKING:
    from .sample_listener import SampleListener

_ASSUMED_RATE = 16_000
_COMPRESSED = frozenset({"MP3", "AAC (ADTS)"})  # two frames of these may be samples by chance
# Once freed, it tells glibc to keep blocks of this size: otherwise it gives the memory of each one
# back to the system, and a seventh of the time of reading a long trace goes into page faults.
np.empty(4 << 20, np.uint8)


class StreamAnalysis:
    """Analyzes the blocks of a stream.

    Args:
        listener: receives the decoded samples as well.
    """

    def __init__(self, listener: SampleListener | None = None) -> None:
        self._tools = SegmentTools(listener)
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
            quieter_channel_dbfs=levels.quieter_channel_dbfs,
            bandwidth_hz=tools.pitch.bandwidth_hz,
            rate_estimate=tools.arrival.estimate(),
            faults=reconciled(found, tools.notes.odd_ends),
            unmeasured=tuple(tools.notes.unmeasured),
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
