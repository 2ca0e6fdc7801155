"""What receives the decoded samples of a stream while it is analyzed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .signal_meter import Samples


class SampleListener(Protocol):
    """Receives the samples of a stream, as `AudioAnalyzer` decodes them."""

    def add_chunks(
        self, starts_s: Sequence[float], frames: Sequence[int], times: Sequence[int]
    ) -> None:
        """Add the position of each chunk, the number of its frame, and the time of that, ns."""
        ...

    def add_samples(self, samples: Samples, channels: int, rate: int) -> None:
        """Add the samples that follow: interleaved, -32768 to 32767 at full scale."""
        ...
