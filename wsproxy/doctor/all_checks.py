"""The checks in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import (
    catching,
    certificate,
    folders,
    installed,
    listening,
    proxies,
    rejected,
    startup,
    trust,
    versions,
)
from .result import CheckResult
from .setup import Setup

CHECKS: tuple[tuple[str, Callable[[Setup], Iterator[CheckResult]]], ...] = (
    ("versions", versions.check),
    ("catch", catching.check),
    ("CA", certificate.check),
    ("trust", trust.check),
    ("CA variables", trust.check_variables),
    ("proxy", proxies.check),
    ("address", listening.check),
    ("folders", folders.check),
    ("rejections", rejected.check),
    ("start-up", startup.check),
    ("clients", installed.check),
)


def run_all(setup: Setup) -> Iterator[CheckResult]:
    """The results of all checks. A check that fails itself is a warning: the others matter."""
    for name, check in CHECKS:
        try:
            yield from check(setup)
        except Exception as error:
            yield CheckResult(
                name, "warning", f"cannot be checked: {type(error).__name__}: {error}"
            )
