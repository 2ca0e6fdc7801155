"""The data of a page of a session that is being recorded, in the states of `growth`.

What a diagnosis finds is made once for each diagnosis. What each message adds to is made for each
state, long lists without their items.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import partial
from typing import Any

from wsproxy.report.explanation import Explanation, explain
from wsproxy.report.html.embedded_audio import EmbeddedAudio
from wsproxy.report.html.page_data import (
    connection_data,
    described_tracks,
    findings_data,
    gaps_data,
    parts_besides_frames,
    session_data,
)
from wsproxy.report.html.reading import SessionContent
from wsproxy.report.html.seconds import seconds_of
from wsproxy.report.html.speech_data import (
    counts_data,
    event_data,
    latency_data,
    point_data,
    series_data,
)
from wsproxy.report.html.track_data import track_figures
from wsproxy.report.html.track_recorder import TrackRecorder
from wsproxy.report.latency import latency_figures, latency_points, latency_series
from wsproxy.session import Session
from wsproxy.session.audio_track import TrackKey
from wsproxy.session.control_events import ControlEvents
from wsproxy.session.latency import Latency

from .frame_marks import FrameMarks
from .growth import GrowingList, complete

Parts = dict[str, Any]
MAX_POINTS = 400  # of a chart of latencies, while it grows


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """A session as a diagnosis found it.

    Attributes:
        parts: what the diagnosis has found, see `page_data`.
        tracks: their keys.
    """

    explained: Explanation
    parts: Parts
    tracks: list[TrackKey]

    @classmethod
    def of(cls, content: SessionContent) -> Diagnosed:
        """Diagnose a session as far as it was read."""
        content.diagnose()
        explained = explain(content.name, content.session, content.findings, content.catalog)
        latency = content.timeline.latency
        parts = {
            "session": session_data(content, explained),
            "findings": findings_data(explained),
            "lanes": {"gaps": gaps_data(content), "connection": connection_data(content)},
            "tracks": [
                track_figures(track, described)
                for (track, _), described in zip(
                    content.tracks, described_tracks(content), strict=True
                )
            ],
            "latency": {
                "figures": latency_figures(latency),
                "series": {
                    name: series_data(series) for name, series in latency_series(latency).items()
                },
            },
        }
        return cls(explained, parts, [track.key for track, _ in content.tracks])


def live_parts(content: SessionContent, diagnosed: Diagnosed, marks: FrameMarks) -> Parts:
    """The data of a page besides its frames, its turns and its handshake, as of now."""
    timeline, parts = content.timeline, diagnosed.parts
    latency = parts["latency"]
    return {
        "session": {**parts["session"], **_traffic(content.session)},
        "findings": parts["findings"],
        "lanes": {**parts["lanes"], "events": _events(timeline.events)},
        "tracks": [
            _track(figures, content.recorder(key))
            for figures, key in zip(parts["tracks"], diagnosed.tracks, strict=True)
        ],
        "transcript": counts_data(timeline.transcript),
        "latency": {
            "figures": latency["figures"],
            "series": {
                name: {**figures, "points": _points(timeline.latency, name)}
                for name, figures in latency["series"].items()
            },
        },
        "marks": marks.parts(),
    }


def parts_so_far(content: SessionContent, diagnosed: Diagnosed, marks: FrameMarks) -> Parts:
    """The same without growing lists, and with the handshake: what a page begins with."""
    tracks: list[EmbeddedAudio | None] = [None] * len(content.tracks)
    parts = parts_besides_frames(content, diagnosed.explained, tracks)
    shown = complete(live_parts(content, diagnosed, marks))
    return {**parts, **{name: shown[name] for name in ("transcript", "latency", "marks")}}


def final_parts(content: SessionContent, diagnosed: Diagnosed, marks: FrameMarks) -> Parts:
    """The data of the report, without its audio and its handshake, which is in a section."""
    parts = parts_so_far(content, diagnosed, marks)
    del parts["handshake"]
    for track in parts["tracks"]:
        del track["audio"], track["note"]
    return {**parts, "latency": latency_data(content.timeline.latency)}


def _traffic(session: Session) -> Parts:
    return {
        "ended": seconds_of(session.ended_ns),
        "duration": seconds_of(session.duration_ns),
        "sent": {"frames": session.sent.frames, "bytes": session.sent.size},
        "received": {"frames": session.received.frames, "bytes": session.received.size},
    }


def _events(events: ControlEvents) -> GrowingList:
    kept = events.kept

    def items(start: int) -> list[Parts]:
        return [event_data(event) for event in kept.after(kept.number_of(start))]

    return GrowingList(len(kept), len(kept), items, cut_at=kept.keep, cut=kept.count - len(kept))


def _points(latency: Latency, name: str) -> GrowingList:
    count = {
        "lag": len(latency.lags),
        "utterances": len(latency.utterances),
        "turns": len(latency.turns),
    }[name]
    stride = 1
    while count > MAX_POINTS * stride:
        stride *= 2

    def items(start: int) -> list[list[Any]]:
        found = latency_points(latency, name, start * stride)
        return [point_data(point) for point in found[::stride]]

    length = -(-count // stride)
    return GrowingList(length, length, items, source=(latency.lag_stride, stride))


def _track(figures: Parts, recorder: TrackRecorder) -> Parts:
    arrival, waveform = recorder.arrival, recorder.waveform
    duration = round(recorder.duration_s, 4)
    settled = arrival.settled
    tail = len(arrival.points(duration, settled))
    peaks = None
    if waveform is not None:
        rate = waveform.per_second
        peaks = {
            "per_second": rate,
            "low": _peaks(waveform.low, (recorder, rate)),
            "high": _peaks(waveform.high, (recorder, rate)),
        }
    return {
        **figures,
        "duration": duration,
        "map": GrowingList(
            settled + tail,
            settled,
            partial(arrival.points, duration),
            source=(recorder, arrival.halvings),
        ),
        "peaks": peaks,
    }


def _peaks(peaks: array[int], source: object) -> GrowingList:
    def items(start: int) -> list[int]:
        return list(peaks[start:])

    return GrowingList(len(peaks), max(0, len(peaks) - 1), items, source)  # the last may grow
