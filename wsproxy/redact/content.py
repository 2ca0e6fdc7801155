"""Strings of content that a fragment leaves open.

In the middle of a transcript there is no name that says what it is, so it is remembered from
the fragment in which the string begins.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .fields import value_end

_OPENER = re.compile(r'"([^"\\]{1,64}+)"\s{0,16}+:\s{0,16}+\Z')
_MAX_OPENER = 100  # characters
_MAX_MARKS = 10_000  # quotation marks of a text that are looked at


def is_open(data: bytes, is_content: Callable[[str], bool]) -> bool:
    """Whether a text ends in a string that its name says is content, and no JSON.

    Args:
        is_content: whether a name says so.
    """
    mark = data.rfind(b'"')
    for _ in range(_MAX_MARKS):
        if mark <= 0 or not _is_escaped(data, mark):
            break
        mark = data.rfind(b'"', 0, mark)
    if mark <= 0:
        return False
    match = _OPENER.search(data[max(0, mark - _MAX_OPENER) : mark].decode("latin-1"))
    is_json = data[mark + 1 : mark + 65].lstrip()[:1] in (b"{", b"[")
    return match is not None and not is_json and is_content(match[1])


def end(before: bytes, data: bytes) -> int:
    """Where such a string ends in the next fragment; its length if it goes on.

    Args:
        before: the end of what came before.
    """
    tail = before[len(before.rstrip(b"\\")) :]
    found = value_end((tail + data).decode("latin-1"), 0, '"')
    return len(data) if found < 0 else max(0, found - len(tail))


def _is_escaped(data: bytes, mark: int) -> bool:
    before = mark
    while before and data[before - 1] == 92:  # a backslash
        before -= 1
    return (mark - before) % 2 == 1
