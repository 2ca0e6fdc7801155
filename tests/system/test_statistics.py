"""Percentiles by nearest rank, and medians."""

from __future__ import annotations

import statistics
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsproxy.statistics import median, nearest_rank, percentile


@pytest.mark.parametrize(
    ("part", "expected"), [(0.0, 15), (0.05, 15), (0.3, 20), (0.4, 20), (0.5, 35), (1.0, 50)]
)
def test_percentile_of_values_is_that_of_nearest_rank(part: float, expected: float) -> None:
    assert percentile([50, 15, 35, 20, 40], part) == expected


def test_percentile_without_values_raises() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@given(st.integers(1, 100_000), st.integers(1, 1000))
def test_nearest_rank_of_fraction_is_smallest_sufficient_rank(count: int, thousandths: int) -> None:
    rank = nearest_rank(count, thousandths / 1000) + 1
    wanted = Fraction(thousandths, 1000)
    assert Fraction(rank, count) >= wanted
    assert rank == 1 or Fraction(rank - 1, count) < wanted


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_median_is_that_of_the_standard_library(values: list[float]) -> None:
    assert median(values) == statistics.median(values)


def test_median_without_values_raises() -> None:
    with pytest.raises(ValueError, match="no values"):
        median([])
