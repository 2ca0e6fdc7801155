"""The sample traces: each is like itself to the last byte, and unlike its neighbours."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from wsproxy.compare import Rules, compare

FOLDER = Path(__file__).parent.parent / "recordings" / "samples"
TRACES = sorted(FOLDER.rglob("*.wstrace"))
# The same session with other extensions, which only an exact comparison looks into.
ALIKE = {"compressed", "compressed-fragments", "compressed-no-takeover", "fragments"}


def name(path: Path) -> str:
    return path.name.removesuffix(".wstrace")


def test_they_are_there() -> None:
    assert len(TRACES) > 150


@pytest.mark.parametrize("trace", TRACES, ids=name)
def test_a_sample_is_like_itself(trace: Path) -> None:
    assert compare(trace, trace, rules=Rules(strict=True)).same


@pytest.mark.parametrize(
    ("one", "other"),
    [(a, b) for a, b in pairwise(TRACES) if not {name(a), name(b)} <= ALIKE],
    ids=lambda path: name(path),
)
def test_a_sample_is_unlike_the_next_one(one: Path, other: Path) -> None:
    """By what the server does alone: the app's side is not even looked at."""
    found = compare(one, other, client_sent=False)
    assert not found.same
    assert found.differences
