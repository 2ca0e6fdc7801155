"""The transcript, the control events and the latencies of a session, as data of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wsproxy.report.latency import (
    LatencyPoint,
    LatencySeries,
    latency_figures,
    latency_series,
)
from wsproxy.report.safe_text import short
from wsproxy.report.timeline import transcript_counts
from wsproxy.session.control_events import ControlEvent
from wsproxy.session.latency import Latency
from wsproxy.session.transcript import KEPT_TEXT, Result, SessionTranscript, Word

from .frame_table import fitting_limit
from .seconds import seconds_of, side_of

MAX_WORDS = 20_000  # words with times
_KIND = 500  # characters
_RESULTS = 500_000  # characters of all results of a transcript
_SHORTEST = 80  # characters of one of them are shown in any case


def event_data(event: ControlEvent) -> dict[str, Any]:
    """A control event."""
    return {
        "t": seconds_of(event.t_ns),
        "frame": event.frame,
        "side": side_of(event.from_client),
        "category": event.category,
        "message": short(event.kind, _KIND),
    }


def transcript_data(transcript: SessionTranscript) -> dict[str, Any]:
    """The transcript, its texts and words within the budget of a page."""
    results = list(transcript)
    limit = fitting_limit([len(each.text) for each in results], _RESULTS, KEPT_TEXT, _SHORTEST)
    words_left = MAX_WORDS
    shown = []
    for each in results:
        words = each.words[:words_left] if each.final else ()
        words_left -= len(words)
        shown.append(result_data(each, words, limit))
    return {**counts_data(transcript), "results": shown}


def counts_data(transcript: SessionTranscript) -> dict[str, int]:
    """The transcript in numbers, and how many results the page lacks."""
    not_kept = transcript.results - len(transcript.kept)
    return {**transcript_counts(transcript), "results_not_kept": not_kept}


def result_data(result: Result, words: Sequence[Word], limit: int = KEPT_TEXT) -> dict[str, Any]:
    """A result.

    Args:
        words: of it that are shown with their times.
        limit: characters of its text.
    """
    return {
        "frame": result.frame,
        "t": seconds_of(result.t_ns),
        "text": result.text[:limit],
        "final": result.final,
        "start": result.start_s,
        "end": result.end_s,
        "words": [[word.text, word.start_s, word.end_s] for word in words],
        "channel": result.channel,
        "turn": result.turn,
        "agent": result.by_agent,
    }


def latency_data(latency: Latency) -> dict[str, Any]:
    """The figures, and each series with its points."""
    return {
        "figures": latency_figures(latency),
        "series": {
            name: {"points": [point_data(point) for point in series.points], **series_data(series)}
            for name, series in latency_series(latency).items()
        },
    }


def point_data(point: LatencyPoint) -> list[Any]:
    """A point of a series."""
    return [seconds_of(point.t_ns), point.seconds, point.frame]


def series_data(series: LatencySeries) -> dict[str, Any]:
    """A series without its points."""
    return {
        "p50": series.percentile(0.5),
        "p95": series.percentile(0.95),
        "max": series.max,
    }
