"""Finds the traces of a folder as they are created."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from .parts import SUFFIX, one_a_session, part_of

# Nanoseconds after a change of a folder, in which another one may leave the time of its last
# change as it is.
_SETTLED_NS = 2_000_000_000


class FolderWatch:
    """Finds new traces in a folder and the folders in it.

    Asking often costs little: only a folder that has changed is listed again.

    Args:
        folder: it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: set[Path] = set()  # their first parts
        self._listed: dict[Path, tuple[int, list[Path]]] = {}  # time of change, folders in it

    def new(self) -> list[Path]:
        """The traces that no call has returned so far, oldest names first; of each, one part."""
        return sorted(self._scan(self._folder))

    def _scan(self, folder: Path) -> Iterator[Path]:
        """The new traces in a folder; a folder that cannot be read has none."""
        try:
            changed_ns = folder.stat().st_mtime_ns
            before = self._listed.get(folder)
            if before is None or before[0] != changed_ns:
                settled = time.time_ns() - changed_ns > _SETTLED_NS
                traces, folders = _content(folder)
                self._listed[folder] = before = (changed_ns if settled else -1, folders)
                for trace in one_a_session(traces):
                    first, _ = part_of(trace)
                    if first not in self._found:
                        self._found.add(first)
                        yield trace
        except OSError:
            return
        for each in before[1]:
            yield from self._scan(each)


def _content(folder: Path) -> tuple[list[Path], list[Path]]:
    """The traces in a folder, and the folders; links to folders are not followed."""
    traces, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(folder / entry.name)
            elif entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                traces.append(folder / entry.name)
    return traces, folders
