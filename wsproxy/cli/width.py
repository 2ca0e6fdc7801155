"""How wide the output is, and lines that fit into it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator

from rich.cells import cell_len, chop_cells
from rich.console import Console

_WORDS = re.compile(r"\S*\s+|\S+")  # with the blanks behind them
PIPED = 80  # columns of text that is laid out, if no width is known


def columns() -> int | None:
    """The width of stdout: of the terminal, or COLUMNS; None for a pipe or a file without it."""
    if sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isascii() and given.isdecimal() and int(given) else None


def console() -> Console:
    """A console for text that is laid out in columns: as wide as stdout, or 80 columns."""
    return Console(highlight=False, width=columns() or PIPED)


def line_console() -> Console:
    """A console for lines, which are printed as they are, however long."""
    return Console(highlight=False, soft_wrap=True)


def wrapped(text: str, width: int | None, indent: int) -> str:
    """A line that is wrapped between words; the lines after the first are indented.

    Args:
        width: None: it is not wrapped.
    """
    if width is None:
        return text
    if not text.isascii():
        return "\n".join(_wide_lines(text, max(width, indent + 20), indent))
    if len(text) <= width:
        return text
    return "\n".join(
        textwrap.wrap(
            text,
            max(width, indent + 20),
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
    )


def _wide_lines(text: str, width: int, indent: int) -> Iterator[str]:
    """The lines of a text with characters that may take two columns, or none."""
    line = ""
    for word in _WORDS.findall(text):
        left = word
        while cell_len(line + left.rstrip()) > width:
            if line.strip():
                yield line.rstrip()
            else:
                first = chop_cells(left, width - cell_len(line))[0]
                yield line + first
                left = left[len(first) :]
            line = " " * indent
        line += left
    yield line.rstrip()


def cut(text: str, width: int) -> str:
    """A text that takes at most a number of columns, with an ellipsis where it was cut."""
    if len(text) <= width and text.isascii():
        return text
    if cell_len(text) <= width:
        return text
    return (chop_cells(text, width - 1)[0] if width > 1 else "") + "…"
