"""A segment of compressed audio, or of a container with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .chunk import AudioChunk, ChunkBlock
from .container_decoding import ContainerDecoder, Decoded
from .containers import HEADLESS
from .demuxing import Restart
from .report import SECOND_HEADER, Region
from .segment import SegmentTools
from .signal_meter import Scale, step_samples

if TYPE_CHECKING:
    pass

# Compression moves each sample of a peak, and adds noise to zeros. Only the highest peaks of good
# audio are at 0.9.
_LOSSY = Scale(0.9 * 32768, 3.0, 0.03, 1)


class ContainerSegment:
    """Compressed audio, or a container with it.

    Args:
        tools: what is measured is added to them.
        name: the container, as `containers.container_name` returned it.
        start_s: its position in the stream.

    Raises:
        DecoderMissing: it cannot be decoded here.
    """

    def __init__(self, tools: SegmentTools, name: str, start_s: float) -> None:
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
            frame, t_ns = np.array([chunk.frame]), np.array([chunk.t_ns])
            self._tools.locate(np.array([self.position_s]), frame, t_ns)
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
