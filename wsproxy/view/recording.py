"""Whether a trace is still being written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wsproxy.trace.lock import is_held
from wsproxy.trace.parts import last_parts, part_of, part_path


def is_recorded(path: Path) -> bool:
    """Whether a recorder is writing to a trace, of which the path is the first part.

    An empty file is not asked: its recorder may be about to lock it.
    """
    return bool(recorded_among([path]))


def recorded_among(paths: Iterable[Path]) -> set[Path]:
    """Those of some traces for which `is_recorded`; each folder is listed once."""
    found: set[Path] = set()
    last: dict[Path, dict[str, int]] = {}
    for path in paths:
        first, number = part_of(path)
        if path.parent not in last:
            last[path.parent] = last_parts(path.parent)
        if _is_written(part_path(first, max(number, last[path.parent].get(first.name, 1)))):
            found.add(path)
    return found


def _is_written(part: Path) -> bool:
    try:
        return part.stat().st_size > 0 and is_held(part)
    except OSError:
        return False
