"""Links between documents lead somewhere, also where Sphinx does not look."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    path
    for folder in (".", "docs", "benchmarks", "recordings")
    for path in sorted((ROOT / folder).glob("*.md"))
]
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^()\s]*)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors that forges and MyST give the headings of a document."""
    headings = _HEADING.findall(_CODE.sub(lambda m: m[0].strip("`"), text))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def broken(path: Path) -> list[str]:
    found = []
    for link in _LINK.findall(_CODE.sub("", path.read_text("utf-8"))):
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            found.append(link)
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_to_a_file_and_a_heading(path: Path) -> None:
    assert broken(path) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    text = "# A b\n\n[1](#a-b) [2](#c) [3](b.md) [4](a.md#a-b)\n\n```\n[5](c.md)\n```\n"
    document.write_text(text)
    assert broken(document) == ["#c", "b.md"]
