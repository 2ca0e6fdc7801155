"""The audio of one direction of a session, analyzed while it is read.

The chunks are collected, and analyzed in large blocks by numpy, which is loaded for the first of
them: commands that read no audio start without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .chunk import Chunk
from .encodings import AudioFormat
from .report import AudioReport

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
    """

    def __init__(self, declared: AudioFormat | None = None) -> None:
        self._declared = declared
        self._size = 0
        self._chunks = 0
        self._duration_s = 0.0  # by the declared format
        self._waiting: list[Chunk] = []
        self._waiting_bytes = 0
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
        if len(data) <= _BLOCK_BYTES:
            self._collect(Chunk(data, frame, t_ns))
            return
        for at in range(0, len(data), _BLOCK_BYTES):
            self._collect(Chunk(data[at : at + _BLOCK_BYTES], frame, t_ns))

    def _collect(self, chunk: Chunk) -> None:
        if chunk.data:
            self._waiting.append(chunk)
            self._waiting_bytes += len(chunk.data)
            if self._waiting_bytes >= _BLOCK_BYTES or len(self._waiting) >= _BLOCK_CHUNKS:
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
        self._analyze()
        if self._analysis is None:
            unmeasured = (_NO_NUMPY,) if self._unavailable else ()
            return AudioReport(
                format=self._declared,
                size=self._size,
                chunks=self._chunks,
                duration_s=self._duration_s,
                unmeasured=unmeasured,
            )
        self._analysis.flush()
        return self._analysis.report(self._declared, self._size, self._chunks)

    def _analyze(self) -> None:
        """Analyze the chunks that wait."""
        waiting, size = self._waiting, self._waiting_bytes
        if not waiting:
            return
        self._waiting, self._waiting_bytes = [], 0
        if self._declared is not None:
            self._duration_s += self._declared.duration(size)
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

        self._analysis = StreamAnalysis()
        self._analysis.change_format(self._declared)
