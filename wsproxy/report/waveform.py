"""The audio of a session as block characters: both directions on one time axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wsproxy.audio.report import AudioReport
from wsproxy.session.audio_track import AudioTrack

from .html.placement import placements
from .html.reading import SessionContent
from .html.track_recorder import TrackRecorder
from .safe_text import short

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-:=+*#"
_FULL = 127  # of a peak
_QUIETEST_DBFS = -48.0  # has the lowest character, and everything below it
_LABEL = 9  # columns before the axis
_NARROW = 40  # columns, below which the labels are short
_LEAST = 10  # columns of the axis
_MAX_FINDINGS = 9  # that have a mark
_TICK = 12  # columns between two times on the axis, at least
_STEPS = (1, 2, 5)  # of the times on the axis


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Columns of time: `columns` of them for `seconds` of the session."""

    columns: int
    seconds: float

    def column(self, t: float) -> int:
        """The column of a time."""
        return min(self.columns - 1, max(0, int(t / self.seconds * self.columns)))

    def marked(self, stretches: Sequence[tuple[float, float]], mark: str) -> dict[int, str]:
        """The columns of stretches of time, each with the mark."""
        return {column: mark for start, end in stretches for column in self.columns_of(start, end)}

    def columns_of(self, start: float, end: float) -> range:
        """The columns of a stretch of time, at least one."""
        first = self.column(start + 1e-9)
        last = min(self.columns, math.ceil(end / self.seconds * self.columns - 1e-6))
        return range(first, max(first + 1, last))

    def row(self, marks: dict[int, str]) -> str:
        """A line of the axis with these characters."""
        return "".join(marks.get(column, " ") for column in range(self.columns)).rstrip()


def waveform_lines(content: SessionContent, width: int, *, ascii_only: bool) -> Iterator[str]:
    """The waveform with its marks, and what the marks mean; each line fits into the width.

    Args:
        width: columns.
        ascii_only: use no other characters.
    """
    label = _LABEL if width >= _NARROW else 2
    axis, tracks = heard_tracks(content, max(_LEAST, width - label))
    yield from _times(axis, label)
    meanings: dict[str, str] = {}
    for track in tracks:
        yield _labelled(track.name, axis.row(track.levels(axis, ascii_only)), label)
        marks = axis.marked(quiet_times(content, track.track.from_client), "-")
        marks |= axis.marked(track.clipping(), "x")
        if marks:
            yield _labelled("", axis.row(marks), label)
        meanings |= {mark: _MEANINGS[mark] for mark in sorted(set(marks.values()))}
    findings = _finding_marks(content, axis)
    if findings:
        yield _labelled("findings", axis.row(findings), label)
    yield ""
    scale = ASCII if ascii_only else BLOCKS
    if tracks:
        yield _fitting(f"{scale[0]} {_QUIETEST_DBFS:.0f} dBFS or less, {scale[-1]} 0 dBFS", width)
    else:
        yield _fitting("no audio", width)
    for track in tracks:
        for reason in track.unmeasured:
            yield _fitting(f"{track.name}: {reason}", width)
    for mark, meaning in meanings.items():
        yield _fitting(f"{mark} {meaning}", width)
    for number, finding in enumerate(content.findings[:_MAX_FINDINGS], 1):
        yield _fitting(f"{number} {finding.id}: {finding.title}", width)


def heard_tracks(content: SessionContent, columns: int) -> tuple[TimeAxis, list[HeardTrack]]:
    """The tracks of a session, and an axis for all of it."""
    tracks = [HeardTrack(track, recorder) for track, recorder in content.tracks]
    end = max([content.session.duration_ns / 1e9, *(track.end_s for track in tracks), 0.001])
    return TimeAxis(columns, end), tracks


_MEANINGS = {"-": "no messages for a second or more", "x": "clipping"}


class HeardTrack:
    """The audio of a track in session time."""

    def __init__(self, track: AudioTrack, recorder: TrackRecorder) -> None:
        self.track = track
        self.name = "app →" if track.from_client else "server ←"
        self._recorder = recorder
        self._report: AudioReport = recorder.report()
        seconds = self._report.duration_s
        points = recorder.arrival.points(seconds)
        self._placed = list(placements(points, 0.0, seconds))

    @property
    def end_s(self) -> float:
        """When its last sample is heard."""
        return max((place.at_s + place.length_s for place in self._placed), default=0.0)

    @property
    def unmeasured(self) -> Sequence[str]:
        """Why it is not shown."""
        return () if self._recorder.waveform is not None else self._report.unmeasured

    def levels(self, axis: TimeAxis, ascii_only: bool) -> dict[int, str]:
        """The character of each column in which audio is heard."""
        scale = ASCII if ascii_only else BLOCKS
        return {column: scale[_level(peak)] for column, peak in self.peaks(axis).items()}

    def peaks(self, axis: TimeAxis) -> dict[int, int]:
        """The highest peak, 0 to 127, in each column in which audio is heard."""
        waveform = self._recorder.waveform
        if waveform is None:
            return {}
        loudest: dict[int, int] = {}
        peaks = [max(-low, high) for low, high in zip(waveform.low, waveform.high, strict=True)]
        step = 1 / waveform.per_second
        for place in self._placed:
            end_s = place.start_s + place.length_s
            shift = place.at_s - place.start_s
            first = int(place.start_s / step + 1e-6)
            for number in range(first, min(math.ceil(end_s / step - 1e-6), len(peaks))):
                begin = shift + max(number * step, place.start_s)
                for column in axis.columns_of(begin, shift + min((number + 1) * step, end_s)):
                    loudest[column] = max(loudest.get(column, 0), peaks[number])
        return loudest

    def clipping(self) -> list[tuple[float, float]]:
        """Times of clipping."""
        found = []
        for region in self._report.clipping.kept:
            for place in self._placed:
                first = max(region.start_s, place.start_s)
                last = min(region.end_s, place.start_s + place.length_s)
                if first < last:
                    at_s = place.at_s - place.start_s
                    found.append((at_s + first, at_s + last))
        return found


def _level(peak: int) -> int:
    """The number of the character for a peak."""
    if peak <= 0:
        return 0
    share = 1 - 20 * math.log10(peak / _FULL) / _QUIETEST_DBFS
    return min(len(BLOCKS) - 1, max(0, round(share * (len(BLOCKS) - 1))))


def quiet_times(content: SessionContent, from_client: bool) -> list[tuple[float, float]]:
    """Times without data frames of a direction."""
    return [
        (gap.start_ns / 1e9, (gap.start_ns + gap.length_ns) / 1e9)
        for gap in content.frames.gaps(content.session.ended_ns, from_client=from_client)
    ]


def _finding_marks(content: SessionContent, axis: TimeAxis) -> dict[int, str]:
    """The columns of the findings' evidence, each with the number of the finding."""
    marks: dict[int, str] = {}
    for number, finding in enumerate(content.findings[:_MAX_FINDINGS], 1):
        for evidence in finding.evidence:
            if evidence.t_ns is not None:
                marks.setdefault(axis.column(evidence.t_ns / 1e9), str(number))
    return marks


def _times(axis: TimeAxis, label: int) -> Iterator[str]:
    """The line of times, and of the marks below them."""
    step = axis.seconds * _TICK / axis.columns
    power = 10.0 ** math.floor(math.log10(step))
    step = next((n * power for n in _STEPS if n * power >= step), 10 * power)
    digits = max(0, -math.floor(math.log10(step)))
    texts, ticks = "", {}
    for number in range(int(axis.seconds / step) + 1):
        column = axis.column(number * step)
        text = f"{number * step:.{digits}f}" + (" s" if not number else "")
        if len(texts) <= column and column + len(text) <= axis.columns:
            texts = f"{texts:<{column}}{text}"
            ticks[column] = "|"
    yield _labelled("", texts, label)
    yield _labelled("", axis.row(ticks), label)


def _labelled(name: str, row: str, label: int) -> str:
    if label < _LABEL:
        name = next((char for char in name if char in "→←"), "")
    return f"{name:<{label}}{row}".rstrip()


def _fitting(text: str, width: int) -> str:
    return short(text, max(width, _LEAST))
