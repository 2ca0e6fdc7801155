"""A segment of raw samples, with the headers of containers that may be among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .chunk import AudioChunk, ChunkBlock
from .container_noise import wav_header
from .containers import CONTAINERS, container_name
from .encodings import Encoding
from .format_guess import FormatGuess
from .pcm_decoding import decode_pcm, scale_of
from .report import SECOND_HEADER, Region
from .segment import SegmentTools
from .signal_meter import step_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEPS = 10  # of a window in which the format is examined: 0.25 s
_MAX_ODD = 200
_RI, _IF = (int.from_bytes(pair, "little") for pair in (b"RI", b"IF"))
_MAGIC_STARTS = (b"\x1aE\xdf\xa3", b"OggS\0\x02", b"fLaC", b"#!AMR")
_BEGINS_MAGIC = np.zeros(256, np.bool_)  # of each byte, whether one of them begins with it
_BEGINS_MAGIC[[magic[0] for magic in _MAGIC_STARTS]] = True


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
        tools: SegmentTools,
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
        sizes = _sizes(chunks)
        if self._skip or _may_have_header(data, sizes):
            chunks = self._without_headers(chunks)
            data, sizes = b"".join((self._held, *chunks.data)), _sizes(chunks)
        seconds = sizes / (self._frame_bytes * self.rate)
        ends = self._position(self._arrived) + np.cumsum(seconds)
        starts = ends - seconds
        times = np.array(chunks.times, np.int64)
        self._tools.locate(starts, np.array(chunks.frames, np.int64), times)
        self._tools.arrival.feed(times, starts, seconds, self.rate)
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


def _sizes(chunks: ChunkBlock) -> NDArray[np.int64]:
    """Bytes of each chunk."""
    return np.fromiter(map(len, chunks.data), np.int64, len(chunks))


def _may_have_header(joined: bytes, sizes: NDArray[np.int64]) -> bool:
    """Whether a header of a container may be in chunks, which are joined behind earlier bytes.

    Args:
        sizes: bytes of each chunk; none is empty.
    """
    ends = np.cumsum(sizes)
    starts = ends - sizes + (len(joined) - ends[-1])
    of_magic = _BEGINS_MAGIC[np.frombuffer(joined, np.uint8)[starts]]
    if any(joined.startswith(_MAGIC_STARTS, at) for at in starts[of_magic].tolist()):
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
