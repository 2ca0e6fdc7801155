"""docs/carriers.md: the same speech in every carrier has the same figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import carriers
from wsproxy.catalog import load

pytestmark = pytest.mark.one_python

DOCUMENT = Path(__file__).parents[2] / "docs" / "carriers.md"
CARRIED = carriers.carried()
CATALOG = load()


@pytest.fixture(scope="module")
def binary() -> carriers.Measured:
    """What is measured of binary PCM."""
    return carriers.measure(CARRIED[0], CATALOG)


def test_binary_pcm_is_measured_as_it_was_sent(binary: carriers.Measured) -> None:
    assert binary.seconds == pytest.approx(carriers.SECONDS)
    assert binary.gap == pytest.approx((carriers.PAUSE + 100 * carriers.MS) / 1e9)
    assert binary.latency == pytest.approx(carriers.RESULT / 1e9)
    assert -40 < binary.level < -10


@pytest.mark.parametrize("each", CARRIED[1:], ids=lambda each: each.name)
def test_speech_in_another_carrier_has_the_figures_of_binary_pcm(
    each: carriers.Carried, binary: carriers.Measured
) -> None:
    found = carriers.measure(each, CATALOG)
    for name in ("seconds", "level", "gap", "latency"):
        assert getattr(found, name) == pytest.approx(getattr(binary, name), rel=0.02), name


def test_document_has_a_row_for_each_carrier() -> None:
    rows = [row for row in DOCUMENT.read_text("utf-8").splitlines() if row.startswith("| ")][1:]
    assert [row.split(" | ")[0] for row in rows] == [f"| {each.name}" for each in CARRIED]
