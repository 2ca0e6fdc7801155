"""docs/catalog.md lists every finding that is measured."""

from __future__ import annotations

from pathlib import Path

from wsproxy.catalog import TRAFFIC, load

DOCUMENT = Path(__file__).parents[2] / "docs" / "catalog.md"


def test_catalog_document_measured_findings_are_complete() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    rows = {line.split("`")[1]: line for line in lines if line.startswith("| `")}
    for condition in load().conditions_of(TRAFFIC):
        name = condition.id.removeprefix(f"{TRAFFIC}.")
        assert condition.title in rows.get(name, ""), condition.id
