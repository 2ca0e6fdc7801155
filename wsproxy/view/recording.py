"""Whether a trace is still being written."""

from __future__ import annotations

from pathlib import Path

from wsproxy.trace.lock import is_held
from wsproxy.trace.parts import later_parts, part_of, part_path


def is_recorded(path: Path) -> bool:
    """Whether a recorder is writing to a trace, of which the path is the first part.

    An empty file is not asked: its recorder may be about to lock it.
    """
    first, number = part_of(path)
    last = max([number, *later_parts(first, number)])
    try:
        place = part_path(first, last)
        return place.stat().st_size > 0 and is_held(place)
    except OSError:
        return False
