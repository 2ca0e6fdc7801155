"""Keeps a folder of traces under a size: the oldest finished ones are removed.

The sizes are kept in a running account. The folder is listed once at the beginning, and
again only when the account says that there is too much.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from wsproxy.errors import TraceError
from wsproxy.trace import End, Start, TraceReader
from wsproxy.trace.lock import is_held
from wsproxy.trace.parts import part_of, part_path

from . import SessionWriter, session_in
from .thread_log import ThreadLog

logger = ThreadLog(__name__)

EVERY = 1.0  # seconds between looks at the account
SELDOM = 30.0  # the same while there is too much and nothing can be removed: each lists the folder
# A batch goes so far below the limit, so that the folder is not listed for every session.
DOWN_TO = 0.9


@dataclass(slots=True)
class _Trace:
    """A trace in the folder: the numbers of its parts, the bytes of all, the latest change."""

    parts: list[int] = field(default_factory=list)
    size: int = 0
    changed_ns: int = 0


class FolderRetention:
    """Keeps the account. Called on the recorder's thread.

    Args:
        folder: it and not what is below it; only names that a recorder gives count.
        most: bytes that the traces in it may take, together; None: any.
    """

    def __init__(self, folder: Path, most: int | None) -> None:
        self._folder = folder
        self._most = most
        self._closed: int | None = None  # bytes of traces that nobody here writes
        self._look_at = 0.0  # monotonic, seconds
        self._helpless = False  # it is over the limit, and nothing can be removed: said once
        # Traces, as they were, that are not to be removed: to find that out takes reading them.
        self._stays: dict[str, _Trace] = {}

    def ended(self, recording: SessionWriter, open_ones: Iterable[SessionWriter]) -> None:
        """A trace is complete."""
        if self._closed is not None:
            self._closed += recording.size
        self._look_at = 0.0
        self.check(open_ones)

    def check(self, open_ones: Iterable[SessionWriter]) -> None:
        """Remove what is too much, if it is time to look.

        Args:
            open_ones: what is being written.
        """
        now = time.monotonic()
        if self._most is None or now < self._look_at:
            return
        self._look_at = now + (SELDOM if self._helpless else EVERY)
        writing = list(open_ones)
        written = sum(recording.size for recording in writing)
        if self._closed is not None and self._closed + written <= self._most:
            return
        try:
            self._bring_down({part_of(recording.path)[0].name for recording in writing}, written)
        except OSError as error:
            logger.warning("wsproxy: cannot list %s: %s", self._folder, error.strerror or error)

    def _bring_down(self, writing: set[str], written: int) -> None:
        assert self._most is not None
        traces = {name: each for name, each in self._listed().items() if name not in writing}
        self._closed = sum(each.size for each in traces.values())
        if self._closed + written <= self._most:
            self._helpless = False
            return
        self._stays = {name: it for name, it in self._stays.items() if traces.get(name) == it}
        wanted = int(self._most * DOWN_TO)
        removed, freed = 0, 0
        for name in sorted(traces):  # they begin with the time
            if self._closed + written <= wanted:
                break
            if name in self._stays:
                continue
            size = self._remove(self._folder / name, traces[name])
            removed += size > 0
            freed += size
            self._closed -= size
        if removed:
            logger.info(
                "wsproxy: removed the %d oldest finished traces in %s, %.1f MB, to stay under "
                "%.1f MB",
                removed,
                self._folder,
                freed / 1e6,
                self._most / 1e6,
            )
        if self._closed + written <= self._most:
            self._helpless = False
        elif not self._helpless:
            self._helpless = True
            self._look_at = time.monotonic() + SELDOM
            logger.warning(
                "wsproxy: the traces in %s take %.1f MB, over the limit of %.1f MB, and none "
                "that is left is finished",
                self._folder,
                (self._closed + written) / 1e6,
                self._most / 1e6,
            )

    def _listed(self) -> dict[str, _Trace]:
        """The traces in the folder, by the name of the first part.

        Raises:
            OSError: it cannot be listed.
        """
        traces: dict[str, _Trace] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if session_in(entry.name) is None or not entry.is_file(follow_symlinks=False):
                    continue
                first, number = part_of(Path(entry.name))
                trace = traces.setdefault(first.name, _Trace())
                status = entry.stat(follow_symlinks=False)
                trace.parts.append(number)
                trace.size += status.st_size
                trace.changed_ns = max(trace.changed_ns, status.st_mtime_ns)
        return traces

    def _remove(self, first: Path, trace: _Trace) -> int:
        """Remove all parts of a trace if it is finished and was recorded; returns its bytes."""
        paths = [part_path(first, number) for number in sorted(trace.parts)]
        if not (removable := _is_finished_recording(paths)):
            if removable is not None:
                self._stays[first.name] = trace
            return 0
        try:
            for path in paths:
                path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("wsproxy: cannot remove %s: %s", path, error.strerror or error)
            return 0
        return trace.size


def _is_finished_recording(paths: list[Path]) -> bool | None:
    """Whether these parts are of a session that a recorder has recorded to its end.

    None if that cannot be said now: somebody writes it, or it cannot be read.
    """
    first, last = paths[0], paths[-1]
    try:
        if is_held(last):
            return None
        with TraceReader(last) as reader:
            if not isinstance(reader.last(), End):
                return False
        with TraceReader(first) as reader:
            start = next(iter(reader), None)
    except OSError:
        return None
    except TraceError:
        return False
    if not isinstance(start, Start) or start.mitmproxy is None:
        return False  # replays and what was made from traces are somebody's work
    return start.session.startswith(session_in(first.name) or "?")
