"""Writes to unbuffered files, which may write less than they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def write_completely(write: Callable[[memoryview], int | None], data: ReadableBuffer) -> int:
    """Write all of data; returns how many bytes that are.

    Args:
        write: of an unbuffered file.

    Raises:
        OSError: from `write`, or it wrote nothing.
    """
    rest = memoryview(data).cast("B")
    size = len(rest)
    while rest:
        # Only a second try shows what is wrong: ENOSPC, EFBIG, EDQUOT ...
        written = write(rest)
        if not written:
            raise OSError("short write")
        rest = rest[written:]
    return size
