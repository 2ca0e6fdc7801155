"""The sample rate that the arrival of audio implies."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from wsproxy.audio.arrival import ArrivalRate
from wsproxy.audio.regions import Locator
from wsproxy.audio.report import RateEstimate
from wsproxy.audio.voice_pitch import VoicePitch

DECLARED = 24_000
CHUNK = 1600  # samples


def estimate(chunks: Iterable[tuple[float, int]]) -> RateEstimate | None:
    """Of chunks: the second in which each arrives, and its samples."""
    times, samples = (np.array(column) for column in zip(*chunks, strict=True))
    seconds = samples / DECLARED
    arrival = ArrivalRate(Locator(), VoicePitch())
    starts = np.cumsum(seconds) - seconds
    arrival.feed((times * 1e9).round().astype(np.int64), starts, seconds, DECLARED)
    return arrival.estimate()


def steady(start: float, end: float, samples: int = CHUNK) -> list[tuple[float, int]]:
    """A chunk each 100 ms."""
    return [(n / 10, samples) for n in range(round(start * 10), round(end * 10))]


def test_arrival_rate_same_pace_before_and_after_a_pause_is_one() -> None:
    # The second with the pause happens to have a pace of 11,025 samples a second.
    found = estimate([*steady(0, 2.7), *steady(3, 5.2)])
    assert found is not None
    assert (found.rate, found.chunk_samples) == (16_000, CHUNK)


def test_arrival_rate_three_paces_of_two_seconds_are_none() -> None:
    chunks = [*steady(0, 2), *steady(2, 4, 2400), *steady(4, 6.2, 4800)]
    assert estimate(chunks) is None
