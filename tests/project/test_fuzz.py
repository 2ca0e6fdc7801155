"""The fuzz targets with hypothesis' inputs, and with every input that broke one before."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import TARGETS
from fuzz.__main__ import CORPUS

pytestmark = pytest.mark.one_python

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
SAVED = sorted(path for path in CORPUS.rglob("*") if path.is_file())


def attack(target: str, data: bytes) -> None:
    importlib.import_module(f"fuzz.{target}").one(data)


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("target", TARGETS)
def test_fuzz_seeds_are_accepted(target: str) -> None:
    seeds = importlib.import_module(f"fuzz.{target}").seeds()
    for data in itertools.islice(seeds, 0, 200, 8):
        attack(target, data)


@pytest.mark.parametrize("target", TARGETS)
@QUICK
@given(data=st.data())
def test_fuzz_random_inputs_are_accepted(target: str, data: st.DataObject) -> None:
    attack(target, data.draw(st.binary(max_size=300)))


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("target", TARGETS)
@QUICK
@given(data=st.data())
def test_fuzz_mutated_seeds_are_accepted(target: str, data: st.DataObject) -> None:
    """Bytes of a seed replaced, left out or repeated."""
    seeds = importlib.import_module(f"fuzz.{target}").seeds()
    out = bytearray(next(itertools.islice(seeds, data.draw(st.integers(0, 140)), None)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(out)))
        size = data.draw(st.integers(0, 20))
        piece = data.draw(st.binary(max_size=12) | st.just(bytes(out[at : at + size]) * 2))
        out[at : at + size] = piece
    attack(target, bytes(out))


@pytest.mark.parametrize("path", SAVED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_fuzz_corpus_inputs_are_accepted(path: Path) -> None:
    attack(path.parent.name, path.read_bytes())


def test_fuzz_corpus_is_small_and_has_known_targets() -> None:
    assert {path.parent.name for path in SAVED} <= set(TARGETS)
    assert sum(path.stat().st_size for path in SAVED) < 200_000
