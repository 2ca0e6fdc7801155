"""A plugin of pytest that prints which tests and files take most of the processors and most time.

    PYTHONPATH=.ci python -m pytest -n 4 --dist loadgroup -p cpu_of_tests

The time is of the process that runs the test and of the children that have ended, in seconds;
a fixture counts with the test that sets it up or ends it. Where other threads are running, as
a recorder's, their time counts with the test that happens to run.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator

import pytest

SHOWN = int(os.environ.get("SHOWN", "30"))
# Where the reports come together.
_seconds: defaultdict[str, float] = defaultdict(float)  # of CPU time, by test
_by_file = {"CPU": defaultdict[str, float](float), "wall": defaultdict[str, float](float)}


class _Item(pytest.Item):
    cpu_seen: float


class _Report(pytest.TestReport):
    cpu_seconds: float


def _cpu() -> float:
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: _Item) -> Generator[None, object, object]:
    item.cpu_seen = _cpu()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: _Item) -> Generator[None, _Report, _Report]:
    """At the end of each phase."""
    report = yield
    now = _cpu()
    report.cpu_seconds = now - item.cpu_seen  # xdist sends what a report has
    item.cpu_seen = now
    return report


def pytest_runtest_logreport(report: _Report) -> None:
    _seconds[report.nodeid] += report.cpu_seconds
    file = report.nodeid.partition("::")[0]
    _by_file["CPU"][file] += report.cpu_seconds
    _by_file["wall"][file] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _seconds:
        return
    _write(terminalreporter, "tests of most CPU time", _seconds)
    for kind, seconds in _by_file.items():
        _write(terminalreporter, f"files of most {kind} time", seconds)


def _write(
    terminalreporter: pytest.TerminalReporter, title: str, seconds: dict[str, float]
) -> None:
    terminalreporter.write_sep("=", f"{SHOWN} {title}; all: {sum(seconds.values()):.0f} s")
    for name, part in sorted(seconds.items(), key=lambda each: -each[1])[:SHOWN]:
        terminalreporter.write_line(f"{part:6.2f} s  {name}")
