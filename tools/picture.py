"""Makes docs/explain.svg, the picture in README.md: what `wsproxy explain` shows of a sample.

python tools/picture.py > docs/explain.svg
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parent.parent
COMMAND = ["explain", "recordings/samples/deepgram/deepgram.listen.DATA-0000.wstrace"]
WIDTH = 80  # columns
SHOWN_WIDTH = 720  # pixels; without it a forge makes the picture as wide as the page

# The picture must look the same where nothing is downloaded.
_FONTS = re.compile(r"\n\s*@font-face \{.*?\}", re.DOTALL)


def main() -> None:
    print(picture(screen()))


def screen() -> str:
    """What the command writes to a terminal with colors."""
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    env |= {"COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    done = subprocess.run(
        [sys.executable, "-m", "wsproxy", *COMMAND],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        check=True,
    )
    return done.stdout.decode("utf-8")


def picture(shown: str) -> str:
    """The same as SVG, below the command."""
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="256"
    )
    console.print(Text(f"$ wsproxy {' '.join(COMMAND)}"))
    for line in shown.splitlines():
        console.print(Text.from_ansi(line.rstrip()), soft_wrap=True)
    svg = console.export_svg(title="wsproxy explain", theme=MONOKAI, unique_id="explain")
    svg = svg.replace("<svg ", f'<svg width="{SHOWN_WIDTH}" ', 1)
    return _FONTS.sub("", svg).replace("Fira Code, monospace", "Menlo, Consolas, monospace")


if __name__ == "__main__":
    main()
