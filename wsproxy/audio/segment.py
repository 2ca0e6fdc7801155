"""A segment of a stream of audio, what all of them report to, and one that is not decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .arrival import ArrivalRate
from .chunk import ChunkBlock
from .format_guess import FormatGuess
from .regions import Locator
from .report import AudioFault, Region
from .signal_meter import Scale, SignalMeter
from .voice_pitch import VoicePitch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .sample_listener import SampleListener
    from .signal_meter import Samples, StepLevels

_MAX_HEADER_FAULTS = 200


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


class SegmentTools:
    """What all segments of a stream report to."""

    def __init__(self, listener: SampleListener | None) -> None:
        self._listener = listener
        self.locator = Locator()
        self.meter = SignalMeter(self.locator)
        self.pitch = VoicePitch()
        self.arrival = ArrivalRate(self.locator, self.pitch)
        self.notes = Notes()

    def locate(
        self, starts_s: NDArray[np.float64], frames: NDArray[np.int64], times: NDArray[np.int64]
    ) -> None:
        """Add chunks; arguments as for `Locator.extend`."""
        self.locator.extend(starts_s, frames, times)
        if self._listener is not None:
            self._listener.add_chunks(starts_s.tolist(), frames.tolist(), times.tolist())

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
