"""The latencies of a session: figures, and the series that are measured again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wsproxy.session.latency import Latency
from wsproxy.statistics import percentile
from wsproxy.wording import plural

# The figures in their order: the attribute, and what it is.
_FIGURES: Mapping[str, str] = {
    "upgrade": "from the request to the response",
    "first_message": "from the upgrade to the server's first message",
    "first_interim": "from the first audio to the first interim result with words",
    "first_final": "from the first audio to the first final result with words",
    "lag_min": "least audio that was sent beyond the end of a result",
    "lag_max": "most audio that was sent beyond the end of a result",
    "finalization": "from the last speech to the last final result",
}
_SERIES: Mapping[str, str] = {
    "lag": "audio that was sent beyond the end of a result when it arrived",
    "utterances": "from a text to speak to its first audio",
    "turns": "from the end of the user's speech to the agent's first audio",
}


@dataclass(frozen=True, slots=True)
class LatencyPoint:
    """One measurement of a series.

    Attributes:
        t_ns: when it was, see `docs/json.md`.
        seconds: the latency.
        frame: of the message that ends it; None where it is not kept.
    """

    t_ns: int
    seconds: float
    frame: int | None


@dataclass(frozen=True, slots=True)
class LatencySeries:
    """A latency that was measured at least once."""

    points: list[LatencyPoint]

    def percentile(self, part: float) -> float:
        """A percentile, seconds; `part` from 0 to 1."""
        return percentile((point.seconds for point in self.points), part)

    @property
    def max(self) -> float:
        """The longest, seconds."""
        return max(point.seconds for point in self.points)


def latency_figures(latency: Latency) -> dict[str, float | None]:
    """The figures with the names that JSON has, seconds; None where there is nothing to measure."""
    values = {name: getattr(latency, name) for name in _FIGURES}
    return {
        f"{name}_s": None if value is None else round(value, 3) for name, value in values.items()
    }


def latency_series(latency: Latency) -> dict[str, LatencySeries]:
    """The series that have at least one point."""
    found = {name: latency_points(latency, name) for name in _SERIES}
    return {name: LatencySeries(points) for name, points in found.items() if points}


def latency_points(latency: Latency, name: str, start: int = 0) -> list[LatencyPoint]:
    """The points of a series.

    Args:
        name: "lag", "utterances" or "turns".
        start: index of the first one that is wanted.
    """
    if name == "lag":
        return [
            LatencyPoint(lag.t_ns, round(lag.seconds, 3), lag.frame) for lag in latency.lags[start:]
        ]
    turns = latency.utterances if name == "utterances" else latency.turns
    return [LatencyPoint(turn.t_ns, round(turn.seconds, 3), None) for turn in turns[start:]]


def latency_json(latency: Latency) -> dict[str, Any]:
    """The latencies as `wsproxy show --latency --json` prints them."""
    return {
        "figures": latency_figures(latency),
        "series": {
            name: {
                "count": len(series.points),
                "p50_s": series.percentile(0.5),
                "p95_s": series.percentile(0.95),
                "max_s": series.max,
                "points": [
                    {"t_ns": point.t_ns, "seconds": point.seconds, "frame": point.frame}
                    for point in series.points
                ],
            }
            for name, series in latency_series(latency).items()
        },
    }


def latency_lines(latency: Latency) -> Iterator[str]:
    """The latencies as lines for people."""
    figures = latency_figures(latency)
    for name, meaning in _FIGURES.items():
        if (value := figures[f"{name}_s"]) is not None:
            yield f"{name.replace('_', ' '):<14} {value + 0.0:>8.3f} s  {meaning}"
    series = latency_series(latency)
    for name, meaning in _SERIES.items():
        if name in series:
            each = series[name]
            p50, p95 = each.percentile(0.5) + 0.0, each.percentile(0.95)  # + 0.0: not "-0.000"
            yield (
                f"{name:<14} p50 {p50:.3f} s, p95 {p95:.3f} s, "
                f"max {each.max:.3f} s, {plural(len(each.points), 'measurement')}: {meaning}"
            )
    if not series and not any(value is not None for value in figures.values()):
        yield "nothing to measure: the trace has no accepted upgrade, audio or results"
