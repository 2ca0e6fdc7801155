"""A session in a notebook: a part of its report that needs no scripts, no styles and no ids."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from .explanation import explain
from .html.page import template
from .html.reading import SessionContent
from .latency import latency_figures, latency_series
from .safe_text import short
from .transcript import final_results
from .waveform import HeardTrack, TimeAxis, heard_tracks

_COLUMNS = 800  # of the waveform
_HEIGHT = 60  # of a track
_FULL = 127  # of a peak
_COLOURS = {True: "#1f6feb", False: "#b35900"}  # of the app, of the server
_MAX_FINDINGS = 5
_MAX_RESULTS = 30
_TEXT = 300  # characters of a result


def notebook_html(content: SessionContent) -> str:
    """The verdict, findings, numbers, waveform and transcript of a session, as HTML.

    Everything from the trace is escaped. Its size is bounded.
    """
    session, timeline = content.session, content.timeline
    explained = explain(content.name, session, content.findings, content.catalog)
    results = final_results(list(timeline.transcript))
    figures = latency_figures(timeline.latency)
    shown: str = template("notebook.html.j2").render(
        explained=explained,
        outcome=content.outcome.kind,
        findings=explained.findings[:_MAX_FINDINGS],
        more_findings=max(0, len(explained.findings) - _MAX_FINDINGS),
        session=session,
        duration=session.duration_ns / 1e9,
        waveform=_waveform(content),
        latency={name: value for name, value in figures.items() if value is not None},
        series=latency_series(timeline.latency),
        results=[
            (result.t_ns / 1e9, "agent" if result.by_agent else "user", short(result.text, _TEXT))
            for result in results[:_MAX_RESULTS]
        ],
        more_results=max(0, len(results) - _MAX_RESULTS),
    )
    return shown


def _waveform(content: SessionContent) -> str:
    """The waveform as the URL of a picture: nothing in a picture can run. "" without audio."""
    axis, tracks = heard_tracks(content, _COLUMNS)
    if not any(track.peaks(axis) for track in tracks):
        return ""
    height = len(tracks) * _HEIGHT
    paths = "".join(_path(track, axis, number) for number, track in enumerate(tracks))
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_COLUMNS} {height}" '
        f'width="{_COLUMNS}" height="{height}">{paths}</svg>'
    )
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode()}"


def _path(track: HeardTrack, axis: TimeAxis, number: int) -> str:
    colour = _COLOURS[track.track.from_client]
    lines = "".join(_lines(track.peaks(axis), number * _HEIGHT + _HEIGHT / 2))
    return f'<path d="{lines}" stroke="{colour}" fill="none"/>'


def _lines(peaks: dict[int, int], middle: float) -> Iterator[str]:
    for column, peak in sorted(peaks.items()):
        half = max(0.5, peak / _FULL * (_HEIGHT / 2 - 2))
        yield f"M{column + 0.5} {middle - half:.1f}v{2 * half:.1f}"
