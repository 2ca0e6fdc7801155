"""A test of many cases names each that fails."""

from __future__ import annotations

import pytest

from each_case import each_case

pytestmark = pytest.mark.one_python


def test_each_case_all_failing_cases_are_named_with_reason() -> None:
    @each_case([1, 2, 3, 4], name="case {}".format)
    def small_and_even(number: int) -> None:
        if number > 3:
            raise ValueError("large")
        assert number % 2 == 0

    with pytest.raises(pytest.fail.Exception) as failed:
        small_and_even()
    text = str(failed.value)
    assert text.startswith("3 of 4: case 1:\n")
    assert "case 2:" not in text
    assert "case 3:" in text and "assert (3 % 2) == 0" in text
    assert "case 4:" in text and "ValueError: large" in text


def test_each_case_without_a_case_fails() -> None:
    @each_case([])
    def nothing(case: object) -> None: ...

    with pytest.raises(AssertionError):
        nothing()
