"""Progress of a long command: one line on stderr, with a bar, if that is a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wsproxy.report.safe_text import safe

AFTER = 1.0  # seconds before progress is shown
_PER_SECOND = 4  # how often the line is drawn
_BAR = 20  # columns of the bar
_ROOM = 60  # columns of a terminal that has room for one


class ProgressLine:
    """Shows progress for the body of a `with`, if stderr is a terminal.

    Args:
        doing: what is being done, such as "scrubbing".
        console: where it is shown; None: stderr.
    """

    def __init__(self, doing: str, console: Console | None = None) -> None:
        self._doing = self._text = doing
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._done, self._total = 0, 0
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name="wsproxy-progress", daemon=True)

    def __enter__(self) -> ProgressLine:
        if self._console.is_terminal:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def step(self, text: str, done: int = 0, total: int = 0) -> None:
        """Show the current step.

        Args:
            done, total: how many of the steps are done; 0 of 0: it is not known, so that there is
                no bar.
        """
        self._text, self._done, self._total = text, done, total

    def each(self, paths: Sequence[Path]) -> Iterator[Path]:
        """Yield each path, and show its number."""
        for number, path in enumerate(paths, 1):
            self.number(number, len(paths), path.name)
            yield path

    def number(self, number: int, total: int, name: str = "") -> None:
        """Show which one of several things is being done.

        Args:
            number: of it, from 1.
            name: of it; "": it has none.
        """
        suffix = f": {name}" if name else ""
        self.step(f"{self._doing} {number} of {total}{suffix}", number - 1, total)

    def _show(self) -> None:
        if self._ended.wait(AFTER):
            return
        live = Live(
            console=self._console,
            get_renderable=self._line,
            refresh_per_second=_PER_SECOND,
            transient=True,
            # Other output on the same terminal is printed above the line.
            redirect_stdout=sys.stdout.isatty(),
        )
        with live:
            self._ended.wait()

    def _line(self) -> RenderableType:
        passed = time.monotonic() - self._began
        # One line, however long the name of a file is: a second line would not be erased.
        text = Text(f"{safe(self._text)}, {passed:.0f} s", no_wrap=True, overflow="ellipsis")
        if self._total < 2 or self._console.width < _ROOM:
            return text
        line = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=self._total, completed=self._done, width=_BAR)
        line.add_row(bar, text)
        return line
