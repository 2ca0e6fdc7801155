"""The charts of the page of many sessions, as shapes for SVG: they need no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Of the chart of outcomes over time, in pixels.
WIDTH, HEIGHT = 960, 120
_GAP = 4  # between two bars
_LEAST = 2  # of what is not nothing
# Of the distribution of a latency.
STRIP_WIDTH, STRIP_HEIGHT = 320, 24
_MAX_DOTS = 500
OUTCOMES = ("failed", "unproven", "succeeded", "unknown")  # from the bottom


@dataclass(frozen=True, slots=True)
class Bar:
    """The sessions with an outcome that began in a step of time.

    Attributes:
        outcome, count, start_s: how many of them there are, and when the step began (Unix time).
        x, y, width, height: pixels.
    """

    outcome: str
    count: int
    start_s: float
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Strip:
    """The distribution of a latency: the places of values between 0 and the largest one, pixels."""

    dots: Sequence[float]
    p50: float
    p95: float


def outcome_bars(times: Mapping[str, Any]) -> Iterator[Bar]:
    """The bars of each step, one on the other.

    Args:
        times: as in the data of the page, see `page_data`.
    """
    steps = len(times[OUTCOMES[0]])
    largest = largest_step(times)
    width = WIDTH / steps
    for step in range(steps):
        top = float(HEIGHT)
        for outcome in OUTCOMES:
            count = times[outcome][step]
            if not count:
                continue
            height = max(_LEAST, count / largest * HEIGHT)
            top -= height
            start = times["start"] + step * times["step"]
            x = step * width + _GAP / 2
            yield Bar(outcome, count, start, _px(x), _px(top), _px(width - _GAP), _px(height))


def largest_step(times: Mapping[str, Any]) -> int:
    """The number of sessions in the step of time that has the most."""
    return max(map(sum, zip(*(times[outcome] for outcome in OUTCOMES), strict=True)))


def latency_strip(latency: Mapping[str, Any], values: Sequence[float]) -> Strip:
    """The distribution of a latency.

    Args:
        latency: its percentiles, as in the data of the page.
        values: of the sessions; of very many, some are drawn.
    """
    largest = latency["max"] or 1.0

    def place(value: float) -> float:
        return _px(4 + max(0.0, value / largest) * (STRIP_WIDTH - 8))

    drawn = sorted(values)[:: max(1, -(-len(values) // _MAX_DOTS))]
    return Strip([place(value) for value in drawn], place(latency["p50"]), place(latency["p95"]))


def _px(value: float) -> float:
    return round(value, 1)
