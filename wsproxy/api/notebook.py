"""What a notebook asks of a trace: samples, a table of its frames, its report cut to size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wsproxy.catalog import load
from wsproxy.errors import InvalidValue, LimitExceeded, NoAudio, NotebookMissing
from wsproxy.session import Session
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.track_signal import TrackSignal
from wsproxy.trace import FrameRecord
from wsproxy.wire import Close, Opcode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from wsproxy.audio.kept_samples import KeptSamples
    from wsproxy.audio.signal_meter import Samples

SIDES = ("app", "server")
MAX_FRAMES = 5_000_000  # of a table
MAX_SAMPLES = 1 << 30  # bytes, at two a sample: nine hours at 16 kHz


class TraceAudio(NamedTuple):
    """The audio of one side, decoded.

    Attributes:
        samples: float32, -1 to 1 at full scale; the shape is (samples, channels).
        rate: samples of each channel in a second.
    """

    samples: NDArray[np.float32]
    rate: int


class _Collector:
    """Keeps the samples of a track."""

    def __init__(self) -> None:
        self.kept: KeptSamples | None = None

    def add_chunks(
        self, starts_s: Sequence[float], frames: Sequence[int], times: Sequence[int]
    ) -> None:
        """Where the chunks are does not matter here."""

    def add_samples(self, samples: Samples, channels: int, rate: int) -> None:
        """Add the samples that follow."""
        from wsproxy.audio.kept_samples import KeptSamples  # noqa: PLC0415  # needs numpy

        self.kept = self.kept or KeptSamples(MAX_SAMPLES, is_exact=True)
        self.kept.add(samples, channels, rate)
        if self.kept.start_s > 0:
            raise LimitExceeded(f"the decoded audio has over {MAX_SAMPLES >> 20} MiB")


def audio(path: Path, side: str) -> TraceAudio:
    """The audio of a side, all of its track with the most audio, without the gaps in time.

    Raises:
        InvalidValue: the side is not "app" or "server".
        NoAudio: it has no audio, or none that can be decoded.
        LimitExceeded: there is more than fits into memory.
        TraceError: the trace cannot be read.
    """
    if side not in SIDES:
        raise InvalidValue("side", side, 'expected "app" or "server"', SIDES)
    from_client, catalog = side == "app", load()
    session = Session.analyzing(catalog)
    timeline = session.timeline
    assert timeline is not None, "it analyzes"
    decoded: list[tuple[AudioTrack, TrackSignal, _Collector]] = []

    def signal_of(track: AudioTrack) -> TrackSignal:
        collector = _Collector()
        listener = collector if track.from_client is from_client else None
        signal = TrackSignal(session, catalog, timeline.follow_speech, track, listener)
        decoded.append((track, signal, collector))
        return signal

    session.audio.analyzer_of = signal_of
    for _ in session.reading(path):
        pass
    reasons: list[str] = []
    for wanted in session.audio.tracks(from_client=from_client):
        for signal, collector in ((s, c) for track, s, c in decoded if track is wanted):
            reasons += signal.report().unmeasured  # which decodes what is left
            if collector.kept is not None and collector.kept.count:
                return _audio(collector.kept)
    why = "; ".join(reasons)
    raise NoAudio(f"{path}: no audio of the {side}" + (f" can be decoded: {why}" if why else ""))


def _audio(kept: KeptSamples) -> TraceAudio:
    import numpy as np  # noqa: PLC0415  # loaded already where there are samples

    samples = np.empty((kept.count, kept.channels), np.float32)
    at = 0
    for block in kept.blocks():  # not all at once: it may be long
        samples[at : at + len(block)] = block
        at += len(block)
    samples /= 32768
    return TraceAudio(samples, kept.rate)


def frames_table(frames: Iterator[FrameRecord]) -> DataFrame:
    """Frames as a table, see `Trace.to_pandas`.

    Raises:
        NotebookMissing: pandas is not installed.
        LimitExceeded: there are over MAX_FRAMES.
    """
    try:
        import pandas as pd  # noqa: PLC0415  # of the extra `notebook`
    except ImportError:
        raise NotebookMissing(
            "pandas is not installed; install it, or the extra wsproxy[notebook]"
        ) from None
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for number, frame in enumerate(frames, 1):
        if number > MAX_FRAMES:
            raise LimitExceeded(f"the trace has over {MAX_FRAMES:,} frames; iterate over them")
        for name, value_of in _COLUMNS.items():
            columns[name].append(value_of(frame))
    index = pd.RangeIndex(1, len(columns["t_s"]) + 1, name="frame")
    table = pd.DataFrame(columns, index=index)
    return table.astype(
        {
            "t_s": "float64",
            "from_client": "bool",
            "fin": "bool",
            "length": "int64",
            "wire_length": "int64",
        }
    )


def _text(frame: FrameRecord) -> str | None:
    if frame.opcode == Opcode.TEXT:
        return frame.payload.decode("utf-8", "replace")
    return str(Close.parse(frame.payload)) if frame.opcode == Opcode.CLOSE else None


_COLUMNS: Mapping[str, Callable[[FrameRecord], object]] = {
    "t_s": lambda frame: frame.t_ns / 1e9,
    "from_client": lambda frame: frame.from_client,
    "opcode": lambda frame: str(Opcode(frame.opcode)),
    "fin": lambda frame: frame.fin,
    "length": lambda frame: len(frame.payload) + frame.cut,
    "wire_length": lambda frame: frame.wire_length,
    "text": _text,
}


def report_html(path: str | os.PathLike[str]) -> str:
    """The report of a trace, cut to size.

    Raises:
        TraceError: the trace cannot be read.
    """
    from wsproxy.report.html.reading import read_content  # noqa: PLC0415  # likewise
    from wsproxy.report.notebook import notebook_html  # noqa: PLC0415  # not for scripts

    return notebook_html(read_content(Path(path), load(), max_audio=0))
