"""The picture in README.md shows what the command prints now."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "explain.svg"
_TEXT = "{http://www.w3.org/2000/svg}text"


def lines(svg: str) -> list[str]:
    """The lines of text in a picture; colors and positions depend on the version of rich."""
    found: dict[float, str] = defaultdict(str)
    for each in ElementTree.fromstring(svg).iter(_TEXT):
        found[float(each.get("y", ""))] += each.text or ""
    return [re.sub(r"\s+", " ", text).strip() for _, text in sorted(found.items())]


def test_picture_shows_what_explain_prints() -> None:
    made = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "picture.py")], capture_output=True, check=True
    )
    shown = lines(made.stdout.decode())
    assert any("deepgram.listen.DATA-0000" in line for line in shown)
    assert lines(PICTURE.read_text("utf-8")) == shown


def test_picture_loads_nothing_from_the_network() -> None:
    assert set(re.findall(r"https?://[^\s\"<]+", PICTURE.read_text("utf-8"))) <= {
        "http://www.w3.org/2000/svg",
        "https://www.textualize.io",  # in a comment
    }


def test_picture_is_in_the_readme() -> None:
    assert "](docs/explain.svg)" in (ROOT / "README.md").read_text("utf-8")
