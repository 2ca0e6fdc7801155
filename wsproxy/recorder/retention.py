"""Keeps a folder of traces below a size limit by removing the oldest finished ones.

Sizes are kept in a running total. The folder is listed once at the beginning, and again only
when the total exceeds the limit.
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

from .session_writer import SessionWriter
from .thread_log import ThreadLog
from .trace_path import session_in

logger = ThreadLog(__name__)

CHECK_INTERVAL = 1.0  # seconds between checks of the total
# The interval while the folder is over its limit and nothing can be removed: each check lists it.
STUCK_INTERVAL = 30.0
# Traces are removed down to this fraction of the limit, so that the folder is not listed for
# every session.
TARGET_FRACTION = 0.9


@dataclass(slots=True)
class _TraceFiles:
    """The files of a trace: numbers of its parts, total bytes, latest modification."""

    parts: list[int] = field(default_factory=list)
    size: int = 0
    changed_ns: int = 0


class FolderRetention:
    """Keeps the total, and removes traces. Called on the recorder's thread.

    Args:
        folder: its subfolders do not count, nor do file names that no recorder creates.
        max_size: bytes that the traces in it may take, together; None: no limit.
    """

    def __init__(self, folder: Path, max_size: int | None) -> None:
        self._folder = folder
        self._max_size = max_size
        self._finished_size: int | None = None  # bytes of traces that this recorder does not write
        self._next_check = 0.0  # monotonic, seconds
        self._stuck = False  # over the limit, and nothing can be removed: logged once
        # Traces that are not to be removed: finding this out takes reading them.
        self._unremovable: dict[str, _TraceFiles] = {}

    def session_ended(
        self, recording: SessionWriter, open_recordings: Iterable[SessionWriter]
    ) -> None:
        """A trace is complete."""
        if self._finished_size is not None:
            self._finished_size += recording.size
        self._next_check = 0.0
        self.check(open_recordings)

    def check(self, open_recordings: Iterable[SessionWriter]) -> None:
        """Remove traces above the limit, if a check is due.

        Args:
            open_recordings: the recordings of sessions that have not ended.
        """
        now = time.monotonic()
        if self._max_size is None or now < self._next_check:
            return
        self._next_check = now + (STUCK_INTERVAL if self._stuck else CHECK_INTERVAL)
        recordings = list(open_recordings)
        open_size = sum(recording.size for recording in recordings)
        if self._finished_size is not None and self._finished_size + open_size <= self._max_size:
            return
        try:
            self._remove_oldest({part_of(r.path)[0].name for r in recordings}, open_size)
        except OSError as error:
            logger.warning("wsproxy: cannot list %s: %s", self._folder, error.strerror or error)

    def _remove_oldest(self, open_names: set[str], open_size: int) -> None:
        assert self._max_size is not None
        traces = {
            name: files for name, files in self._list_traces().items() if name not in open_names
        }
        self._finished_size = sum(files.size for files in traces.values())
        if self._finished_size + open_size <= self._max_size:
            self._stuck = False
            return
        self._unremovable = {
            name: files for name, files in self._unremovable.items() if traces.get(name) == files
        }
        target = int(self._max_size * TARGET_FRACTION)
        removed, freed = 0, 0
        for name in sorted(traces):  # names begin with the time
            if self._finished_size + open_size <= target:
                break
            if name in self._unremovable:
                continue
            size = self._remove(self._folder / name, traces[name])
            removed += size > 0
            freed += size
            self._finished_size -= size
        if removed:
            logger.info(
                "wsproxy: removed the %d oldest finished traces in %s, %.1f MB, to stay below "
                "%.1f MB",
                removed,
                self._folder,
                freed / 1e6,
                self._max_size / 1e6,
            )
        if self._finished_size + open_size <= self._max_size:
            self._stuck = False
        elif not self._stuck:
            self._stuck = True
            self._next_check = time.monotonic() + STUCK_INTERVAL
            logger.warning(
                "wsproxy: the traces in %s take %.1f MB, over the limit of %.1f MB, and no "
                "finished one is left to remove",
                self._folder,
                (self._finished_size + open_size) / 1e6,
                self._max_size / 1e6,
            )

    def _list_traces(self) -> dict[str, _TraceFiles]:
        """The traces in the folder, by the name of the first part.

        Raises:
            OSError: it cannot be listed.
        """
        traces: dict[str, _TraceFiles] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if session_in(entry.name) is None or not entry.is_file(follow_symlinks=False):
                    continue
                first, number = part_of(Path(entry.name))
                files = traces.setdefault(first.name, _TraceFiles())
                status = entry.stat(follow_symlinks=False)
                files.parts.append(number)
                files.size += status.st_size
                files.changed_ns = max(files.changed_ns, status.st_mtime_ns)
        return traces

    def _remove(self, first: Path, files: _TraceFiles) -> int:
        """Remove all parts of a trace if it is a finished recording; returns its bytes."""
        paths = [part_path(first, number) for number in sorted(files.parts)]
        if not (removable := _is_finished_recording(paths)):
            if removable is not None:
                self._unremovable[first.name] = files
            return 0
        try:
            for path in paths:
                path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("wsproxy: cannot remove %s: %s", path, error.strerror or error)
            return 0
        return files.size


def _is_finished_recording(paths: list[Path]) -> bool | None:
    """Whether these parts are a session that a recorder has recorded to its end.

    Returns:
        None if this is unknown at present: the trace is being written, or cannot be read.
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
        return False  # a replay or a derived trace, which the user created on purpose
    return start.session.startswith(session_in(first.name) or "?")
