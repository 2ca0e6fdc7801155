"""The audio of a session as it was heard: app on the left, server on the right, in session time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from wsproxy.audio.kept_samples import StoredSamples
from wsproxy.audio.wav_file import wav_header
from wsproxy.catalog import Catalog
from wsproxy.errors import NoAudio
from wsproxy.session import Session
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.track_signal import ApiSession

from .html.placement import placements
from .html.track_recorder import TrackRecorder
from .safe_text import short

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsproxy.audio.signal_meter import Samples

    Sound = NDArray[np.int16]

SIDES = ("app", "server")
LONGEST = 3600.0  # seconds of a mix
_BLOCK = 10.0  # seconds that are mixed at a time
_TRACKS = 2  # of a side that are tried
_STEP = 2000  # records after which progress is reported
_TEXT = 500  # characters of a reason


class SoundTrack(TrackRecorder):
    """The samples of a track, and when each piece of them is heard.

    Args:
        session, catalog, on_block, track: as for a `TrackRecorder`.
    """

    def __init__(
        self,
        session: ApiSession,
        catalog: Catalog,
        on_block: Callable[[bool], None],
        track: AudioTrack,
    ) -> None:
        super().__init__(session, catalog, on_block, track, max_bytes=0)
        self.stored = StoredSamples()
        self._pieces: list[_Piece] = []

    def add_samples(self, samples: Samples, channels: int, rate: int) -> None:
        """Add the samples that follow."""
        self.stored.add(samples, channels, rate)

    def place(self) -> None:
        """Find out when each piece is heard, once all of the session is read."""
        points = self.arrival.points(self.report().duration_s)
        rate = self.stored.rate
        for each in placements(points, 0.0, self.stored.seconds):
            first = round(each.start_s * rate)
            last = min(first + round(each.length_s * rate), self.stored.count)
            self._pieces.append(_Piece(each.at_s, first, last - first))

    @property
    def end_s(self) -> float:
        """When its last sample is heard, seconds of the session."""
        rate = self.stored.rate
        return max((piece.at_s + piece.count / rate for piece in self._pieces), default=0.0)

    def draw(self, out: Sound, rate: int, start: int, start_s: float) -> None:
        """Write what is heard in a stretch into a column.

        Args:
            start: of the stretch, in samples after `start_s`.
            start_s: seconds of the session.
        """
        for piece in self._pieces:
            begin = round((piece.at_s - start_s) * rate) - start
            count = piece.count
            if rate != self.stored.rate:
                count = round(count * rate / self.stored.rate)
            first, last = max(0, -begin), min(count, len(out) - begin)
            if first < last:
                drawn = self._resampled(piece, rate, first, last)
                out[begin + first : begin + first + len(drawn)] = drawn

    def _resampled(self, piece: _Piece, rate: int, first: int, last: int) -> Sound:
        """Samples of a piece at another rate, counted in that rate."""
        if rate == self.stored.rate:
            return _mono(self.stored.read(piece.first + first, piece.first + last))
        places = np.arange(first, last) * (self.stored.rate / rate)
        begin, end = int(places[0]), min(math.ceil(places[-1]) + 1, piece.count)
        known = _mono(self.stored.read(piece.first + begin, piece.first + end))
        drawn: Sound = np.interp(places - begin, np.arange(len(known)), known).astype(np.int16)
        return drawn


@dataclass(frozen=True, slots=True)
class _Piece:
    """Samples that are heard without a break: when, seconds of the session; the first; how many."""

    at_s: float
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class SessionSound:
    """Audio in session time.

    Attributes:
        tracks: of the columns; None: a side has no audio that can be decoded.
        rate: Hz.
        start_s: the time of the first sample, seconds of the session.
        count: samples of each column.
        is_cut: whether there is more after LONGEST.
        silent: sides that have no audio that can be decoded, and why.
    """

    tracks: Sequence[SoundTrack | None]
    rate: int
    start_s: float
    count: int
    is_cut: bool
    silent: dict[str, str]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.count / self.rate

    @property
    def size(self) -> int:
        """Bytes of its WAV file."""
        return len(self._header()) + self._data_size

    @property
    def _data_size(self) -> int:
        return self.count * len(self.tracks) * 2

    def _header(self) -> bytes:
        return wav_header(self._data_size, len(self.tracks), self.rate)

    def blocks(self) -> Iterator[Sound]:
        """Its samples, in parts: a row for each time, a column for each side."""
        step = round(_BLOCK * self.rate)
        for start in range(0, self.count, step):
            block = np.zeros((min(step, self.count - start), len(self.tracks)), np.int16)
            for column, each in enumerate(self.tracks):
                if each is not None:
                    each.draw(block[:, column], self.rate, start, self.start_s)
            yield block

    def write(self, out: BinaryIO) -> None:
        """Write its WAV file."""
        out.write(self._header())
        out.writelines(block.astype("<i2").tobytes() for block in self.blocks())


def read_session(
    path: Path, catalog: Catalog, step: Callable[[str], None] = lambda _: None
) -> Session:
    """Read a session for its sound.

    Args:
        step: is called with what is being done.

    Raises:
        TraceError: it cannot be read.
        LimitExceeded: there is more audio than can be stored.
    """
    session = Session.analyzing(catalog, analyzer=SoundTrack)
    for number, _ in enumerate(session.reading(path)):
        if number % _STEP == 0:
            step(f"decoding {path.name}: {number} records")
    session.settle()
    return session


def session_sound(
    session: Session, sides: tuple[str, ...] = SIDES, start_s: float = 0.0
) -> SessionSound:
    """The audio of one side or of both, each piece when it arrived or behind what came before it.

    Args:
        session: from `read_session`.
        sides: "app", "server" or both, in the order of the columns.
        start_s: where it begins, seconds of the session.

    Raises:
        NoAudio: there is no audio from there on, or none of it can be decoded.
    """
    silent: dict[str, str] = {}
    tracks: list[SoundTrack | None] = []
    for side in sides:
        track, reason = _heard_track(session, from_client=side == "app")
        tracks.append(track)
        if track is None:
            silent[side] = reason
    heard = [track for track in tracks if track is not None]
    if not heard:
        raise NoAudio("; ".join(f"{side}: {reason}" for side, reason in silent.items()))
    end = max(track.end_s for track in heard)
    if start_s >= end:
        raise NoAudio(f"no audio after {start_s:.3f} s: the last of it ends at {end:.3f} s")
    rate = max(track.stored.rate for track in heard)
    count = int(min(end - start_s, LONGEST) * rate)
    return SessionSound(tracks, rate, start_s, count, end - start_s > LONGEST, silent)


def _heard_track(session: Session, *, from_client: bool) -> tuple[SoundTrack | None, str]:
    """The track of a side with the most audio that can be decoded; else None, and why."""
    reason = "no audio"
    for track in session.audio.tracks(from_client=from_client)[:_TRACKS]:
        found = track.analyzer
        assert isinstance(found, SoundTrack)
        report = found.report()  # which decodes what is left
        if found.stored.count:
            found.place()
            return found, ""
        reason = short("; ".join(report.unmeasured), _TEXT) or "no audio"
    return None, reason


def _mono(block: Sound) -> Sound:
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1).astype(np.int16)
