"""The picture in README.md shows what the command prints now."""

from __future__ import annotations

import re
import runpy
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "explain.svg"
_TEXT = "{http://www.w3.org/2000/svg}text"


def lines(svg: str) -> list[str]:
    """The lines of text in a picture, without the title."""
    found: dict[float, str] = defaultdict(str)
    for each in ElementTree.fromstring(svg).iter(_TEXT):
        if "title" not in each.get("class", ""):
            found[float(each.get("y", ""))] += each.text or ""
    # Where a piece begins is in its x: blanks between pieces are no text.
    return [re.sub(r"\s+", " ", text).strip() for _, text in sorted(found.items())]


def words(shown: str) -> str:
    return re.sub(r"\s+|\x1b\[[0-9;]*m", "", shown)


def test_picture_in_the_readme_shows_what_explain_prints() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "picture.py"))
    shown = tool["screen"]()
    assert lines(PICTURE.read_text("utf-8")) == lines(tool["picture"](shown))
    assert words(shown) in words("".join(lines(tool["picture"](shown))))


def test_picture_needs_no_network() -> None:
    svg = PICTURE.read_text("utf-8")
    assert set(re.findall(r"https?://[^\s\"<]+", svg)) <= {
        "http://www.w3.org/2000/svg",
        "https://www.textualize.io",  # a comment
    }


def test_picture_is_in_the_readme() -> None:
    assert "](docs/explain.svg)" in (ROOT / "README.md").read_text("utf-8")
