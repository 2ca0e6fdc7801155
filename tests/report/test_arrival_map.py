"""The curve from positions of audio to times of a session."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import pytest

from wsproxy.report.html import arrival_map as module
from wsproxy.report.html.arrival_map import ArrivalMap, Point

CHUNK = 0.02


def curve(times: Sequence[float], chunk: float = CHUNK) -> list[Point]:
    found = ArrivalMap()
    starts = [n * chunk for n in range(len(times))]
    found.add_chunks(starts, range(1, len(times) + 1), [int(t * 1e9) for t in times])
    return found.points(len(times) * chunk)


def time_at(points: Sequence[Point], a: float) -> float:
    """The time at a position, as a page computes it: after a gap, if it begins there."""
    at = bisect_right([point[0] for point in points], a + 1e-9) - 1
    if at + 1 >= len(points):
        return points[-1][1]
    (a0, t0, _), (a1, t1, _) = points[at], points[at + 1]
    return t0 + (a - a0) / (a1 - a0) * (t1 - t0)


def assert_close(points: Sequence[Point], times: Sequence[float], tolerance: float = 0.09) -> None:
    for number, t in enumerate(times):
        assert time_at(points, number * CHUNK) == pytest.approx(t, abs=tolerance)


def test_arrival_map_of_real_time_is_one_line() -> None:
    times = [1.0 + n * CHUNK for n in range(5000)]
    points = curve(times)
    assert points[0] == (0.0, 1.0, 1)
    assert points[-1][:2] == (100.0, 101.0)
    assert len(points) <= 3


def test_arrival_map_jitter_needs_few_points_and_stays_near() -> None:
    rng = random.Random(1)
    times = [1.0 + n * CHUNK + rng.uniform(0, 0.03) for n in range(5000)]
    points = curve(times)
    assert len(points) < 50
    assert_close(points, times)


def test_arrival_map_gap_is_two_points_at_one_position() -> None:
    times = [n * CHUNK for n in range(100)] + [10 + n * CHUNK for n in range(100)]
    points = curve(times)
    assert_close(points, times)
    first, second = next((a, b) for a, b in pairwise(points) if a[0] == b[0])
    assert first[:2] == (2.0, 2.0)
    assert second == (2.0, 10.0, 101)


def test_arrival_map_of_a_file_sent_at_once_is_steep() -> None:
    times = [1.0 + n * 0.0001 for n in range(5000)]
    points = curve(times)
    assert_close(points, times)
    assert len(points) < 10


def test_arrival_map_is_monotonic_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_POINTS", 50)
    rng = random.Random(2)
    t, times = 0.0, []
    for _ in range(5000):
        t += rng.choice((0.0, 0.02, 0.5))
        times.append(t)
    points = curve(times)
    assert len(points) <= 55
    assert points == sorted(points, key=lambda point: point[:2])
    assert all(a[1] <= b[1] for a, b in pairwise(points))


def test_arrival_map_of_nothing_is_empty() -> None:
    assert ArrivalMap().points(0.0) == []
