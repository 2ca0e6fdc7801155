"""The parts of one trace: a long session is rotated through files that read as one.

`name.wstrace`, `name.part2.wstrace`, `name.part3.wstrace` ... in one folder. On the disk only
the names connect them; the session's id is in the records.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

SUFFIX = ".wstrace"
MAX_PARTS = 100_000

_PART = re.compile(r"(.+)\.part([1-9][0-9]{0,5})" + re.escape(SUFFIX), re.DOTALL)


def part_path(first: Path, number: int) -> Path:
    """Where a part is.

    Args:
        first: the first part.
        number: of the part wanted, from 1.
    """
    if number == 1:
        return first
    return first.with_name(f"{first.name.removesuffix(SUFFIX)}.part{number}{SUFFIX}")


def part_of(path: Path) -> tuple[Path, int]:
    """The first part's path and the number, from 1, of what a path is called."""
    first, number = _part_of(path.name)
    return (path, 1) if number == 1 else (path.with_name(first), number)


def _part_of(name: str) -> tuple[str, int]:
    match = _PART.fullmatch(name)
    number = int(match[2]) if match else 1
    if match is None or number < 2:
        return name, 1
    return match[1] + SUFFIX, number


def later_parts(first: Path, number: int) -> list[int]:
    """Numbers of the parts in the folder that follow a part; lists the folder.

    Args:
        first: the first part, which need not be there.
    """
    found = set()
    for name in _names(first.parent):
        of, other = _part_of(name)
        if of == first.name and number < other <= MAX_PARTS:
            found.add(other)
    return sorted(found)


def last_parts(folder: Path) -> dict[str, int]:
    """The number of the last part of each trace in a folder that has later parts.

    Returns:
        By the names of the first parts, which need not be there.
    """
    found: dict[str, int] = {}
    for name in _names(folder):
        first, number = _part_of(name)
        if 1 < number <= MAX_PARTS:
            found[first] = max(number, found.get(first, 1))
    return found


def _names(folder: Path) -> Iterator[str]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            yield entry.name


def one_a_session(paths: Iterable[Path]) -> list[Path]:
    """Leave out the later parts of traces of which an earlier part is among the paths."""
    paths = list(paths)
    earliest: dict[Path, int] = {}
    for path in paths:
        first, number = part_of(path)
        earliest[first] = min(number, earliest.get(first, number))
    return [path for path in paths if (at := part_of(path))[1] == earliest[at[0]]]
