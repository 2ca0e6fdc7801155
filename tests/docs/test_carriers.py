"""docs/carriers.md: the same speech in every carrier has the same figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import carriers
from wsproxy.catalog import load

pytestmark = pytest.mark.one_python

DOCUMENT = Path(__file__).parents[2] / "docs" / "carriers.md"
ROWS = [row for row in DOCUMENT.read_text("utf-8").splitlines() if row.startswith("| ")][1:]
BINARY, *OTHERS = [row.split(" | ")[0].removeprefix("| ") for row in ROWS]
CATALOG = load()


@pytest.fixture(scope="module")
def carried() -> dict[str, carriers.Carried]:
    return {each.name: each for each in carriers.carried()}


@pytest.fixture(scope="module")
def binary(carried: dict[str, carriers.Carried]) -> carriers.Measured:
    """What is measured of binary PCM."""
    return carriers.measure(carried[BINARY], CATALOG)


def test_binary_pcm_is_measured_as_it_was_sent(binary: carriers.Measured) -> None:
    assert binary.seconds == pytest.approx(carriers.SECONDS)
    assert binary.gap == pytest.approx((carriers.PAUSE + 100 * carriers.MS) / 1e9)
    assert binary.latency == pytest.approx(carriers.RESULT / 1e9)
    assert -40 < binary.level < -10


@pytest.mark.parametrize("name", OTHERS)
def test_speech_in_another_carrier_has_the_figures_of_binary_pcm(
    name: str, carried: dict[str, carriers.Carried], binary: carriers.Measured
) -> None:
    found = carriers.measure(carried[name], CATALOG)
    for figure in ("seconds", "level", "gap", "latency"):
        assert getattr(found, figure) == pytest.approx(getattr(binary, figure), rel=0.02), figure


def test_document_has_a_row_for_each_carrier(carried: dict[str, carriers.Carried]) -> None:
    assert [BINARY, *OTHERS] == list(carried)
