"""With `--sample` some cases of each kind of a sweep run, else all."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from sweeps import spread

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.one_python

MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text("utf-8")
MODULE = """
import pytest
from sweeps import values_that_run

@pytest.mark.sweep(kind=lambda kind: kind, keep=2)
@pytest.mark.parametrize("case", range(9))
@pytest.mark.parametrize("kind", ["a", "b"])
def test_kinds(kind, case): ...

@pytest.mark.sweep(kind=lambda client: client)
@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize("client", "xyz")
def test_ways(client, way): ...

@pytest.mark.sweep
@pytest.mark.parametrize("case", range(9))
def test_alike(case): ...

@pytest.mark.parametrize("case", [1, pytest.param(2, marks=pytest.mark.sweep(keep=0))])
def test_large_one(case): ...

@pytest.fixture(scope="module")
def prepared(request):
    return values_that_run(request, "case")

@pytest.mark.sweep(kind=lambda kind: kind)
@pytest.mark.parametrize("kind", ["a", "b"])
@pytest.mark.parametrize("case", range(9))
def test_prepared(kind, case, prepared):
    assert case in prepared and len(prepared) in (2, 9)

@pytest.mark.parametrize("case", range(100, 109))
def test_no_sweep(case): ...
"""


def ran(pytester: pytest.Pytester, *args: str) -> list[str]:
    """The cases that ran and passed, as `test[case]`."""
    pytester.makeini("[pytest]\nmarkers = sweep: cases of few kinds")
    pytester.makeconftest("pytest_plugins = ['sweeps']")
    pytester.makepyfile(test_it=MODULE)
    result = pytester.runpytest_inprocess("-p", "no:asyncio", "--strict-markers", "-v", *args)
    assert result.ret == 0, result.outlines
    return re.findall(r"::test_(\S+) PASSED", "\n".join(result.outlines))


def test_sample_has_each_kind_and_spreads_its_cases(pytester: pytest.Pytester) -> None:
    cases = ran(pytester, "--sample")
    of = {test: [each for each in cases if each.startswith(test)] for test in ("kinds", "ways")}
    assert of["kinds"] == ["kinds[a-2]", "kinds[a-6]", "kinds[b-3]", "kinds[b-7]"]
    # Each client has one of the ways, each way one of the clients.
    assert of["ways"] == ["ways[x-1]", "ways[y-2]", "ways[z-0]"]
    assert [each for each in cases if each.startswith("alike")] == ["alike[4]"]
    assert [each for each in cases if each.startswith("large_one")] == ["large_one[1]"]
    assert [each for each in cases if each.startswith("prepared")] == [
        "prepared[4-a]", "prepared[5-b]",
    ]  # fmt: skip
    assert sum(each.startswith("no_sweep") for each in cases) == 9


def test_without_sample_all_cases_run(pytester: pytest.Pytester) -> None:
    assert len(ran(pytester)) == 18 + 9 + 9 + 2 + 18 + 9


def test_sample_is_of_the_cases_that_are_asked_for(pytester: pytest.Pytester) -> None:
    """On a Python on which the middle one of three does not run, another one does."""
    assert ran(pytester, "--sample", "-k", "alike and not 4") == ["alike[5]"]


def test_spread_has_as_many_different_cases_as_asked_for() -> None:
    for size, keep, number in product(range(30), range(5), range(7)):
        found = spread(range(size), keep, number)
        assert len(found) == len(set(found)) == min(size, keep), (size, keep, number)


@pytest.mark.parametrize(("target", "samples"), [("test", True), ("sweep", False)])
def test_make_target_runs_a_sample_or_all(target: str, samples: bool) -> None:
    assert "\nCASES ?= --sample\n" in MAKEFILE
    recipe = MAKEFILE.split(f"\n{target}:")[1].split("\n\n")[0]
    assert ("CASES=" not in recipe) is samples
    assert "--sample" not in MAKEFILE.split("\ncoverage:")[1].split("\n\n")[0]
