"""The sample traces: each is like itself to the last byte, and unlike its neighbours."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from each_case import each_case
from wsproxy.compare import Tolerances, compare

FOLDER = Path(__file__).parents[2] / "recordings" / "samples"
TRACES = sorted(FOLDER.rglob("*.wstrace"))
# The same session with other extensions, which only an exact comparison looks into.
ALIKE = {"compressed", "compressed-fragments", "compressed-no-takeover", "fragments"}


def name(path: Path) -> str:
    return path.name.removesuffix(".wstrace")


def test_samples_exist() -> None:
    assert len(TRACES) > 150


@pytest.mark.one_python
@each_case(TRACES, name)
def test_compare_sample_with_itself_is_reproduced(trace: Path) -> None:
    assert compare(trace, trace, rules=Tolerances(strict=True)).same


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("one", "other"),
    [(a, b) for a, b in pairwise(TRACES) if not {name(a), name(b)} <= ALIKE],
    ids=lambda path: name(path),
)
def test_compare_sample_with_next_is_different(one: Path, other: Path) -> None:
    """By what the server does alone: the app's side is not even looked at."""
    found = compare(one, other, client_sent=False)
    assert not found.same
    assert found.differences
