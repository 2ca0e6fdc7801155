"""The audio of a session as it was heard: app on the left, server on the right, in session time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wsproxy.errors import NoAudio
from wsproxy.session.audio_track import AudioTrack

from .html.placement import placements
from .html.reading import SessionContent
from .html.track_recorder import TrackRecorder
from .safe_text import short

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsproxy.audio.kept_samples import KeptSamples

    Sound = NDArray[np.int16]

SIDES = ("app", "server")
# Bytes for `read_content`: all samples of 90 minutes of speech at 16 kHz are kept.
MAX_AUDIO = 64 << 20
LONGEST = 3600.0  # seconds of a mix
_TEXT = 500  # characters of a reason


@dataclass(frozen=True, slots=True)
class SessionSound:
    """Audio in session time.

    Attributes:
        samples: 16 bits; a row for each time, a column for each side.
        rate: Hz.
        start_s: the time of the first row, seconds of the session.
        is_cut: whether there is more after LONGEST.
        silent: sides that have no audio that can be decoded, and why.
    """

    samples: Sound
    rate: int
    start_s: float
    is_cut: bool
    silent: dict[str, str]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate


def session_sound(
    content: SessionContent, sides: tuple[str, ...] = SIDES, start_s: float = 0.0
) -> SessionSound:
    """The audio of one side or of both, each piece when it arrived or behind what came before it.

    Args:
        content: read with room for audio.
        sides: "app", "server" or both, in the order of the columns.
        start_s: where it begins, seconds of the session.

    Raises:
        NoAudio: there is no audio from there on, or none of it can be decoded.
    """
    silent: dict[str, str] = {}
    tracks: list[_HeardTrack | None] = []
    for side in sides:
        track, reason = _heard_track(content, from_client=side == "app")
        tracks.append(track)
        if track is None:
            silent[side] = reason
    heard = [track for track in tracks if track is not None]
    if not heard:
        raise NoAudio("; ".join(f"{side}: {reason}" for side, reason in silent.items()))
    end = max(track.end_s for track in heard)
    if start_s >= end:
        raise NoAudio(f"no audio after {start_s:.3f} s: the last of it ends at {end:.3f} s")
    rate = max(track.kept.rate for track in heard)
    count = int(min(end - start_s, LONGEST) * rate)
    samples = np.zeros((count, len(sides)), np.int16)
    for column, each in enumerate(tracks):
        if each is not None:
            each.draw(samples[:, column], rate, start_s)
    return SessionSound(samples, rate, start_s, end - start_s > LONGEST, silent)


def _heard_track(content: SessionContent, *, from_client: bool) -> tuple[_HeardTrack | None, str]:
    """The track of a side with the most audio that can be decoded; else None, and why."""
    reason = "no audio"
    for track, recorder in content.tracks:
        if track.from_client is from_client:
            if recorder.samples is not None and recorder.samples.count:
                return _HeardTrack(track, recorder, recorder.samples), ""
            reason = short("; ".join(recorder.report().unmeasured), _TEXT) or "no audio"
    return None, reason


class _HeardTrack:
    """The samples of a track, and when each piece of them is heard."""

    def __init__(self, track: AudioTrack, recorder: TrackRecorder, kept: KeptSamples) -> None:
        self.kept = kept
        points = recorder.arrival.points(recorder.report().duration_s)
        self._placed = list(placements(points, kept.start_s, kept.seconds))

    @property
    def end_s(self) -> float:
        """When its last sample is heard, seconds of the session."""
        return max((place.at_s + place.length_s for place in self._placed), default=0.0)

    def draw(self, out: Sound, rate: int, start_s: float) -> None:
        """Write it into a column that begins at a time of the session."""
        for at_s, piece in self._pieces():
            resampled = _resampled(piece, self.kept.rate, rate)
            first = round((at_s - start_s) * rate)
            resampled, first = resampled[max(0, -first) :], max(0, first)
            room = out[first : first + len(resampled)]
            room[:] = resampled[: len(room)]

    def _pieces(self) -> Iterator[tuple[float, Sound]]:
        blocks = [_mono(block) for block in self.kept.blocks()]
        samples = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
        for place in self._placed:
            first = round((place.start_s - self.kept.start_s) * self.kept.rate)
            yield place.at_s, samples[first : first + round(place.length_s * self.kept.rate)]


def _mono(block: Sound) -> Sound:
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1).astype(np.int16)


def _resampled(samples: Sound, rate: int, wanted: int) -> Sound:
    if rate == wanted or not len(samples):
        return samples
    places = np.arange(round(len(samples) * wanted / rate)) * (rate / wanted)
    resampled: Sound = np.interp(places, np.arange(len(samples)), samples).astype(np.int16)
    return resampled
