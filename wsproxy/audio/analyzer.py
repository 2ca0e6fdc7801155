"""The audio of one direction of a session, analyzed while it is read.

The chunks are collected, and analyzed in large blocks by numpy, which is loaded for the first of
them: commands that read no audio start without it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from .chunk import ChunkBlock
from .encodings import AudioFormat
from .report import AudioReport, SpeechSoFar
from .sample_listener import SampleListener

if TYPE_CHECKING:
    from .stream_analysis import StreamAnalysis

_BLOCK_BYTES = 512 << 10
_BLOCK_CHUNKS = 4096
_NO_NUMPY = "numpy is not installed: level, silence, speech and the real format are unknown"


class AudioAnalyzer:
    """Analyzes a stream of audio chunk by chunk, in bounded memory.

    Args:
        declared: the format that the session declares; None where nothing is declared. What the
            bytes contain counts for more: a container is decoded by its own header.
        listener: receives the decoded samples as well.

    Attributes:
        blocks: how many blocks of chunks were analyzed.
        last_frame: of the chunks that were analyzed, 0 if there are none.
    """

    def __init__(
        self, declared: AudioFormat | None = None, listener: SampleListener | None = None
    ) -> None:
        self.blocks = 0
        self.last_frame = 0
        self._declared = declared
        self._listener = listener
        self._size = 0
        self._chunks = 0
        self._duration_s = 0.0  # by the declared format
        self._waiting = ChunkBlock()
        self._analysis: StreamAnalysis | None = None
        self._unavailable = False

    def add(self, data: bytes, frame: int, t_ns: int) -> None:
        """Add the next chunk of the stream.

        Args:
            data: the audio of one message, without what carries it (base64, JSON, headers).
            frame: number of the frame that it begins in.
            t_ns: time of that frame.
        """
        self._size += len(data)
        self._chunks += 1
        for at in range(0, len(data), _BLOCK_BYTES):
            self._waiting.add(data[at : at + _BLOCK_BYTES], frame, t_ns)
            self._analyze_full()

    def add_all(self, data: Sequence[bytes], frames: Sequence[int], times: Sequence[int]) -> None:
        """Add the next chunks, short and not empty, as `add` does each."""
        ends = list(accumulate(map(len, data)))
        self._size += ends[-1]
        self._chunks += len(data)
        start = 0
        while start < len(data):
            # A block ends with the same chunk however many are added at once.
            before = ends[start - 1] if start else 0
            full = bisect_left(ends, before + _BLOCK_BYTES - self._waiting.size, start)
            end = min(full + 1, start + _BLOCK_CHUNKS - len(self._waiting), len(data))
            size = ends[end - 1] - before
            self._waiting.extend(data[start:end], frames[start:end], times[start:end], size)
            self._analyze_full()
            start = end

    def _analyze_full(self) -> None:
        if self._waiting.size >= _BLOCK_BYTES or len(self._waiting) >= _BLOCK_CHUNKS:
            self._analyze()

    def change_format(self, declared: AudioFormat | None, frame: int, t_ns: int) -> None:
        """Declare another format for the chunks that follow.

        Args:
            declared: the format; None where nothing is declared any more.
            frame: number of the frame that declares it.
            t_ns: time of that frame.
        """
        if declared == self._declared:
            return
        self._analyze()
        self._declared = declared
        if self._analysis is not None:
            self._analysis.change_format(declared)

    def report(self) -> AudioReport:
        """The result for all chunks so far; more may be added afterwards."""
        self.settle()
        if self._analysis is None:
            unmeasured = (_NO_NUMPY,) if self._unavailable else ()
            return AudioReport(
                format=self._declared,
                size=self._size,
                chunks=self._chunks,
                duration_s=self.duration_s,
                unmeasured=unmeasured,
            )
        return self._analysis.report(self._declared, self._size, self._chunks)

    @property
    def duration_s(self) -> float:
        """Seconds of audio in the analyzed chunks, as decoded."""
        return self._duration_s if self._analysis is None else self._analysis.position_s

    def settle(self) -> None:
        """Analyze all chunks so far."""
        self._analyze()
        if self._analysis is not None:
            self._analysis.flush()

    def speech_before(self, frame: int | None) -> SpeechSoFar | None:
        """The speech in the analyzed chunks before a frame, one of the latest ones.

        Args:
            frame: its number; None: in all of them.

        Returns:
            None where the audio is not decoded.
        """
        if self._analysis is None:
            return None if self._chunks else SpeechSoFar()
        return self._analysis.speech_before(frame)

    def _analyze(self) -> None:
        """Analyze the chunks that wait."""
        waiting = self._waiting
        if not waiting:
            return
        self._waiting = ChunkBlock()
        self.blocks += 1
        self.last_frame = waiting.frames[-1]
        if self._declared is not None:
            self._duration_s += self._declared.duration(waiting.size)
        if self._analysis is None and not self._unavailable:
            self._begin()
        if self._analysis is not None:
            self._analysis.feed(waiting)

    def _begin(self) -> None:
        try:
            import numpy as np  # noqa: F401, PLC0415  # imported in 0.1 s
        except ImportError:
            self._unavailable = True
            return
        from .stream_analysis import StreamAnalysis  # noqa: PLC0415  # needs numpy

        self._analysis = StreamAnalysis(self._listener)
        self._analysis.change_format(self._declared)
