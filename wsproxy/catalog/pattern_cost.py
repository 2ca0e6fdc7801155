"""How many ways of backtracking a regular expression may have, at most.

Python's `re` backtracks through all ways in which the parts of an expression can share a text.
Nested repetitions have so many that a text of forty characters can take hours. A user's catalog
file may come from a stranger, so a pattern with too many ways is refused when the file is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

LENGTH = 2048  # characters of a text that patterns are matched against, see `match`
MAX_WAYS = 50_000  # in which an expression may match a text from a given character on

_parse: Any = re._parser.parse  # type: ignore[attr-defined]  # the parser that `re` itself uses
_Item = tuple[Any, Any]


def too_costly(pattern: re.Pattern[str]) -> str:
    """Why a pattern may take too long, empty if it does not.

    The cost is an upper bound: a refused pattern may be fast on every text.
    """
    *items, last = [*_parse(pattern.pattern, pattern.flags)] or [None]
    # Nothing can fail after the last part, so it is not backtracked into.
    if last is None or _ways(items) * (_costly_or(1, [last])) <= MAX_WAYS:
        return ""
    return (
        "may take too long on some texts: avoid nested repetitions, and bound repetitions, "
        "as in .{0,80}"
    )


def _ways(items: Iterable[_Item]) -> int:
    """In how many ways a sequence may match a text, at most MAX_WAYS + 1."""
    ways = 1
    items = list(items)
    for item, after in zip_longest(items, items[1:]):
        if after is None or not _ends_before(item, after):
            ways = min(ways * _ways_of(item), MAX_WAYS + 1)
    return ways


def _ends_before(item: _Item, after: _Item) -> bool:
    """Whether a repetition can end in one place only: the next character is a different one."""
    while str(item[0]) == "SUBPATTERN" and len(item[1][3]) == 1:
        item = item[1][3][0]
    if str(item[0]) not in ("MAX_REPEAT", "MIN_REPEAT") or len(item[1][2]) != 1:
        return False
    char = item[1][2][0]
    if str(char[0]) not in ("LITERAL", "NOT_LITERAL", "IN"):
        return False
    match str(after[0]), after[1]:
        case "LITERAL", int(code):
            same = {chr(code).lower(), chr(code).upper(), _folded(code)}
            return not any(_fits(char, each) for each in same)
        case "AT", where:
            return "END" in str(where) and not _fits(char, "\n")
    return False


def _fits(item: _Item, char: str) -> bool:
    """Whether a character or class may match this character; True where that is unknown."""
    match str(item[0]), item[1]:
        case "LITERAL", int(code):
            return _folded(ord(char)) == _folded(code)
        case "NOT_LITERAL", int(code):
            return ord(char) != code
        case "RANGE", (low, high):
            return bool(low <= ord(char) <= high)
        case "CATEGORY", category:
            tests = {"DIGIT": str.isdigit, "SPACE": str.isspace, "WORD": _is_word}
            *_, negated, name = ("", *str(category).split("_"))
            return name not in tests or tests[name](char) is not (negated == "NOT")
        case "IN", [(first, _), *members] if str(first) == "NEGATE":
            return not any(_fits(member, char) for member in members)
        case "IN", members:
            return any(_fits(member, char) for member in members)
    return True


def _folded(code: int) -> str:
    """The case-folded character, as `re` compares it."""
    return chr(code).upper().lower()


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _ways_of(item: _Item) -> int:
    match str(item[0]), item[1]:
        case "MAX_REPEAT" | "MIN_REPEAT", (low, high, part):
            return _repeated(part, int(low), min(int(high), LENGTH))
        case "POSSESSIVE_REPEAT" | "ATOMIC_GROUP" | "ASSERT" | "ASSERT_NOT", value:
            # Not backtracked into, but what is inside it may be.
            return _costly_or(1, value[-1] if isinstance(value, tuple) else value)
        case "SUBPATTERN", (_, _, _, part):
            return _ways(part)
        case "BRANCH", (_, parts):
            each = [_ways(part) for part in parts]
            return max(each) if _begin_differently(parts) else sum(each)
        case "GROUPREF_EXISTS", (_, yes, no):
            return _ways(yes) + (_ways(no) if no else 1)
    return 1


def _repeated(part: Sequence[_Item], low: int, high: int) -> int:
    ways = _ways(part)
    if high <= 1:
        return ways + (not low)
    if ways == 1:
        return high - low + 1
    return MAX_WAYS + 1 if high > 16 else int(min(ways**high, MAX_WAYS + 1))


def _costly_or(otherwise: int, part: Sequence[_Item]) -> int:
    ways = _ways(part)
    return ways if ways > MAX_WAYS else otherwise


def _begin_differently(parts: Sequence[Sequence[_Item]]) -> bool:
    """Whether no two alternatives match a text that starts with the same character."""
    first = [part[0] if len(part) else None for part in parts]
    chars = [_folded(item[1]) for item in first if item is not None and str(item[0]) == "LITERAL"]
    return len(chars) == len(parts) == len(set(chars))
