"""Makes docs/coverage.md: which condition of the catalog covers which documented one.

python docs/coverage.py > docs/coverage.md
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from wsproxy.catalog import Catalog, load

DATA = Path(__file__).parent.parent / "tests" / "data" / "coverage.json"


def main() -> None:
    print(table(json.loads(DATA.read_text()), load()), end="")


def table(coverage: Mapping[str, Mapping[str, object]], catalog: Catalog) -> str:
    """The document, as Markdown."""
    lines = [
        "# Coverage",
        "",
        "This page lists which condition of the catalog covers which documented fact. For example,",
        "`wsproxy catalog show deepgram.upgrade.refused` shows the first one.",
        "",
        "`python docs/coverage.py` generates this page from `tests/data/coverage.json`. The tests",
        "compare both with the catalog.",
        "",
        "## The five source documents",
        "",
        f"{len(coverage['conditions']) + len(coverage['request_ids'])} distinct conditions. "
        "A condition that is documented twice is listed once.",
        "",
        *_rows(coverage["conditions"].items(), catalog),
        *(
            f"| {name} | header `{header}`: the request id, which `explain` shows | |"
            for name, header in coverage["request_ids"].items()
        ),
        "",
        "Documented twice, and covered by the same condition:",
        "",
        *(f"- {name}: see {other}" for name, other in coverage["same_as"].items()),
        "",
        "## Other sources",
        "",
        f"{len(coverage['beyond'])} facts about these and other providers, from their API "
        "descriptions, SDKs and issue threads.",
        "",
        *_rows(coverage["beyond"].items(), catalog),
        "",
        "Not in the catalog, because traffic cannot show them:",
        "",
        *(f"- {name}: {reason}" for name, reason in coverage["not_in_traffic"].items()),
        "",
    ]
    return "\n".join(lines)


def _rows(entries: Iterable[tuple[str, object]], catalog: Catalog) -> list[str]:
    rows = ["| documented | in the catalog | |", "|---|---|---|"]
    for name, ids in entries:
        assert isinstance(ids, Sequence)
        found = [catalog.condition(str(i)) for i in ids]
        named = ", ".join(f"`{c.id}`" for c in found)
        notes = sorted({c.confidence for c in found} - {"high"})
        rows.append(f"| {name} | {named} | {', '.join(notes)} |")
    return rows


if __name__ == "__main__":
    main()
