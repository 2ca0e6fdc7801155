"""One test of many cases that are quick: pytest needs ten times longer for a test of its own."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest

T = TypeVar("T")


def each_case(
    cases: Iterable[T], name: Callable[[T], str] = str
) -> Callable[[Callable[[T], None]], Callable[[], None]]:
    """Make a test that checks all cases, and fails with each that fails.

    Args:
        cases: at least one.
        name: of a case, in the message of the failure.
    """
    every = list(cases)

    def decorate(check: Callable[[T], None]) -> Callable[[], None]:
        @functools.wraps(check)
        def test() -> None:
            assert every
            failed = [f"{name(case)}:\n{why}" for case in every if (why := _failure(check, case))]
            if failed:
                pytest.fail(f"{len(failed)} of {len(every)}: " + "\n".join(failed), pytrace=False)

        del test.__wrapped__  # pytest would ask for its argument
        return test

    return decorate


def _failure(check: Callable[[T], None], case: T) -> str:
    """Why a case fails, with the line; empty if it does not."""
    try:
        check(case)
    except Exception:
        return traceback.format_exc()
    return ""
