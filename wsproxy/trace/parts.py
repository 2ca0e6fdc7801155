"""The parts of one trace: a long session is rotated through files that read as one.

`name.wstrace`, `name.part2.wstrace`, `name.part3.wstrace` ... in one folder. On the disk only
the names connect them; the session's id is in the records.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
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
    match = _PART.fullmatch(path.name)
    number = int(match[2]) if match else 1
    if match is None or number < 2:
        return path, 1
    return path.with_name(match[1] + SUFFIX), number


def later_parts(first: Path, number: int) -> list[int]:
    """Numbers of the parts in the folder that follow a part; lists the folder.

    Args:
        first: the first part, which need not be there.
    """
    found = set()
    with suppress(OSError), os.scandir(first.parent) as entries:
        for entry in entries:
            of, other = part_of(first.with_name(entry.name))
            if of == first and number < other <= MAX_PARTS:
                found.add(other)
    return sorted(found)


def one_a_session(paths: Iterable[Path]) -> list[Path]:
    """Leave out the later parts of traces of which an earlier part is among the paths."""
    paths = list(paths)
    earliest: dict[Path, int] = {}
    for path in paths:
        first, number = part_of(path)
        earliest[first] = min(number, earliest.get(first, number))
    return [path for path in paths if (at := part_of(path))[1] == earliest[at[0]]]
