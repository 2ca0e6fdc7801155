"""A plugin of pytest that prints which tests take most of the processors, and how much in all.

    PYTHONPATH=.ci python -m pytest -n 4 --dist loadgroup -p cpu_of_tests

The time is of the process that runs the test and of the children that have ended, in seconds;
a fixture counts with the test that sets it up or ends it. Where other threads are running, as
a recorder's, their time counts with the test that happens to run.
"""

import os
from collections import Counter

import pytest

SHOWN = 30
_seconds = Counter()  # by test; where the reports come together


def _cpu():
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    item.cpu_seen = _cpu()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """At the end of each phase."""
    report = yield
    now = _cpu()
    report.cpu_seconds = now - item.cpu_seen  # xdist sends what a report has
    item.cpu_seen = now
    return report


def pytest_runtest_logreport(report):
    _seconds[report.nodeid] += report.cpu_seconds


def pytest_terminal_summary(terminalreporter):
    if not _seconds:
        return
    whole = sum(_seconds.values())
    terminalreporter.write_sep("=", f"{SHOWN} tests of most CPU time; all: {whole:.0f} s")
    for test, seconds in _seconds.most_common(SHOWN):
        terminalreporter.write_line(f"{seconds:6.2f} s  {test}")
