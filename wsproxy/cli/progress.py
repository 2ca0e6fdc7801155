"""Progress of a long command: one line on stderr, if that is a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from wsproxy.report.text import safe

AFTER = 1.0  # seconds before progress is shown
_PER_SECOND = 4  # how often the line is drawn


class Progress:
    """Shows progress for the body of a `with`, if stderr is a terminal.

    Args:
        doing: what is being done, such as "scrubbing".
        console: where it is shown; None: stderr.
    """

    def __init__(self, doing: str, console: Console | None = None) -> None:
        self._doing = self._text = doing
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name="wsproxy-progress", daemon=True)

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def step(self, text: str) -> None:
        """Show the current step."""
        self._text = text

    def each(self, paths: Sequence[Path]) -> Iterator[Path]:
        """Yield each path, and show its number."""
        for number, path in enumerate(paths, 1):
            self.step(f"{self._doing} {number} of {len(paths)}: {path.name}")
            yield path

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

    def _line(self) -> Text:
        passed = time.monotonic() - self._began
        # One line, however long the name of a file is: a second line would not be erased.
        text = f"{safe(self._text)}, {passed:.0f} s"
        return Text(text, no_wrap=True, overflow="ellipsis")
