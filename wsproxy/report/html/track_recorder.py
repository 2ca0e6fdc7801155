"""The audio of a track for a page: peaks, arrival, and samples to embed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from wsproxy.audio.report import AudioReport, SpeechSoFar
from wsproxy.catalog import Catalog
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.track_signal import ApiSession, TrackSignal

from .arrival_map import ArrivalMap

if TYPE_CHECKING:
    from wsproxy.audio.kept_samples import KeptSamples
    from wsproxy.audio.signal_meter import Samples
    from wsproxy.audio.waveform import Waveform


_DENSER = 4  # times as many bytes of samples are kept: they may be embedded in less


class TrackRecorder:
    """Analyzes the audio of a track, and keeps what a page shows of it.

    Args:
        session, catalog, on_block, track: as for a `TrackSignal`.
        max_bytes: that all audio may have in the page; 0: none is embedded.

    Attributes:
        arrival: when each position was carried.
        waveform, samples: None before the first decoded samples.
    """

    def __init__(
        self,
        session: ApiSession,
        catalog: Catalog,
        on_block: Callable[[bool], None],
        track: AudioTrack,
        *,
        max_bytes: int,
    ) -> None:
        self.arrival = ArrivalMap()
        self.waveform: Waveform | None = None
        self.samples: KeptSamples | None = None
        self._signal = TrackSignal(session, catalog, on_block, track, self)
        self._max_bytes = max_bytes
        self._original: bytearray | None = bytearray()

    # -- what a track asks of its analyzer

    def add(self, data: bytes, frame: int, t_ns: int) -> None:
        """Add the audio of the next message."""
        self._keep_original(data)
        self._signal.add(data, frame, t_ns)

    def add_all(self, data: Sequence[bytes], frames: Sequence[int], times: Sequence[int]) -> None:
        """Add the audio of the next messages, between which nothing was declared."""
        self._keep_original(b"".join(data))
        self._signal.add_all(data, frames, times)

    def settle(self) -> None:
        """Analyze what waits, see `TrackSignal`."""
        self._signal.settle()

    @property
    def last_frame(self) -> int:
        """Of the messages that were analyzed, 0 if there are none."""
        return self._signal.last_frame

    def speech_before(self, frame: int | None) -> SpeechSoFar | None:
        """The speech before a frame, see `TrackSignal`."""
        return self._signal.speech_before(frame)

    @property
    def duration_s(self) -> float:
        """Seconds of audio, as far as it is analyzed."""
        return self._signal.duration_s

    def report(self) -> AudioReport:
        """The result for all messages so far."""
        return self._signal.report()

    def _keep_original(self, data: bytes) -> None:
        if self._original is None:
            return
        self._original += data
        if len(self._original) > self._max_bytes:
            self._original = None

    @property
    def embeds(self) -> bool:
        """Whether samples are kept."""
        return self._max_bytes > 0

    @property
    def original(self) -> bytes | None:
        """All bytes of the audio as they were sent; None if they are too many."""
        return bytes(self._original) if self._original is not None else None

    # -- what the analysis has decoded

    def add_chunks(
        self, starts_s: Sequence[float], frames: Sequence[int], times: Sequence[int]
    ) -> None:
        """Add the position of each chunk."""
        self.arrival.add_chunks(starts_s, frames, times)

    def add_samples(self, samples: Samples, channels: int, rate: int) -> None:
        """Add the samples that follow."""
        if self.waveform is None:
            from wsproxy.audio.waveform import Waveform  # noqa: PLC0415  # needs numpy

            self.waveform = Waveform()
        self.waveform.add(samples, channels, rate)
        if not self._max_bytes:
            return
        if self.samples is None:
            from wsproxy.audio.kept_samples import KeptSamples  # noqa: PLC0415  # likewise

            self.samples = KeptSamples(self._max_bytes * _DENSER)
        self.samples.add(samples, channels, rate)
