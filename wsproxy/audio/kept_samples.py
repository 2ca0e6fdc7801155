"""The samples of a stream, kept for listening at a rate that suffices for speech."""

from __future__ import annotations

import tempfile
import weakref
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from wsproxy.errors import LimitExceeded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .signal_meter import Samples

SPEECH_RATE = 16_000  # Hz; a higher rate is divided as long as it stays at this or above
MAX_CHANNELS = 2
MAX_STORED = 1 << 30  # bytes in a file
_TAPS = 8  # of the low pass, for each sample that is dropped


class Decimator:
    """Divides the rate of one channel by a whole number, behind a low pass.

    Args:
        factor: of each so many samples one is kept.
    """

    def __init__(self, factor: int) -> None:
        self._factor = factor
        half = _TAPS * factor // 2
        steps = np.arange(-half, half + 1) / factor
        taps = np.sinc(steps) * np.hanning(len(steps))
        self._taps = (taps / taps.sum()).astype(np.float32)
        self._rest = np.zeros(half, np.float32)

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The samples that the next ones complete."""
        if self._factor == 1:
            return samples
        data = np.concatenate([self._rest, samples])
        size = len(self._taps)
        count = max(0, (len(data) - size) // self._factor + 1)
        self._rest = data[count * self._factor :]
        if not count:
            return data[:0]
        windows = np.lib.stride_tricks.sliding_window_view(data, size)
        out: NDArray[np.float32] = windows[:: self._factor][:count] @ self._taps
        return out


class KeptSamples:
    """Keeps the last samples of a stream, as 16-bit integers.

    The first samples decide the rate and the number of channels: what comes later in another
    format is converted to it.

    Args:
        max_bytes: of the samples that are kept.
        is_exact: the rate is not divided, and all channels are kept.

    Attributes:
        rate, channels: of the kept samples; 0 before the first.
        start_s: position of the first sample that is kept.
    """

    def __init__(self, max_bytes: int, *, is_exact: bool = False) -> None:
        self._is_exact = is_exact
        self.rate = self.channels = 0
        self.start_s = 0.0
        self._max_bytes = max_bytes
        self._size = 0
        self._blocks: deque[NDArray[np.int16]] = deque()
        self._source = (0, 0)
        self._decimators: list[Decimator] = []
        self._source_rate = 0.0  # of the samples behind the decimators

    def add(self, samples: Samples, channels: int, rate: int) -> None:
        """Add samples; arguments as for `SampleListener.add_samples`."""
        by_time = samples[: len(samples) // channels * channels].reshape(-1, channels)
        if (rate, channels) != self._source:
            self._change_source(rate, channels)
        floats = by_time[:, : len(self._decimators)].astype(np.float32)
        decimated = [d.feed(floats[:, n].copy()) for n, d in enumerate(self._decimators)]
        self._keep(_rounded(self._converted(np.stack(decimated, axis=1))))

    def _change_source(self, rate: int, channels: int) -> None:
        factor = 1 if self._is_exact else max(1, rate // SPEECH_RATE)
        kept = channels if self._is_exact else min(channels, MAX_CHANNELS)
        self._source = (rate, channels)
        self._source_rate = rate / factor
        self._decimators = [Decimator(factor) for _ in range(kept)]
        if not self.rate:
            self.rate, self.channels = round(rate / factor), len(self._decimators)

    def _converted(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """A block at the rate, and with the channels, of the first one."""
        if block.shape[1] != self.channels:
            block = np.repeat(block.mean(axis=1, keepdims=True), self.channels, axis=1)
        if not len(block) or round(self._source_rate) == self.rate:
            return block
        count = round(len(block) * self.rate / self._source_rate)
        places = np.linspace(0, len(block) - 1, count)
        columns = [np.interp(places, np.arange(len(block)), column) for column in block.T]
        return np.stack(columns, axis=1).astype(np.float32)

    def _keep(self, block: NDArray[np.int16]) -> None:
        self._blocks.append(block)
        self._size += block.nbytes
        while self._size - self._blocks[0].nbytes >= self._max_bytes:
            dropped = self._blocks.popleft()
            self._size -= dropped.nbytes
            self.start_s += len(dropped) / self.rate

    @property
    def count(self) -> int:
        """How many samples of each channel are kept."""
        return self._size // 2 // self.channels if self.channels else 0

    @property
    def seconds(self) -> float:
        """How much is kept."""
        return self.count / self.rate if self.rate else 0.0

    def blocks(self, start: int = 0, divisor: int = 1) -> Iterator[NDArray[np.int16]]:
        """What is kept, in parts: a row for each time, a column for each channel.

        Args:
            start: times left out at the beginning.
            divisor: the rate is divided by this.
        """
        decimators = [Decimator(divisor) for _ in range(self.channels)]
        for block in self._blocks:
            skipped = min(start, len(block))
            start -= skipped
            part = block[skipped:]
            if divisor > 1:
                floats = part.astype(np.float32)
                columns = [d.feed(floats[:, n].copy()) for n, d in enumerate(decimators)]
                part = _rounded(np.stack(columns, axis=1))
            yield part


class StoredSamples(KeptSamples):
    """Keeps all samples of a stream in a temporary file, of any length in little memory.

    Raises:
        LimitExceeded: while adding: there are over MAX_STORED bytes.
    """

    def __init__(self) -> None:
        super().__init__(MAX_STORED)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the object
        weakref.finalize(self, self._file.close)

    def _keep(self, block: NDArray[np.int16]) -> None:
        self._size += block.nbytes
        if self._size > MAX_STORED:
            raise LimitExceeded(f"the decoded audio has over {MAX_STORED >> 20} MiB")
        self._file.write(block.tobytes())

    def read(self, start: int, stop: int) -> NDArray[np.int16]:
        """The samples from one time to another: a row for each time, a column for each channel."""
        width = 2 * self.channels  # bytes
        self._file.seek(start * width)
        data = self._file.read((stop - start) * width)
        return np.frombuffer(data, np.int16).reshape(-1, self.channels)


def _rounded(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
