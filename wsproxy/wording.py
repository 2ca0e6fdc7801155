"""Counts with their nouns, as messages for people write them."""

from __future__ import annotations


def plural(count: int, one: str, many: str | None = None, *, separator: str = "") -> str:
    """A count with its noun: "1 session", "2 sessions".

    Args:
        one: the noun, or the end of a phrase, for a count of 1.
        many: the same for other counts; None: `one` with an "s".
        separator: of thousands, "," or empty.
    """
    return f"{count:{separator}} {one if count == 1 else many or one + 's'}"
