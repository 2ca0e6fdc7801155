"""Shorten two long values to the place where they differ."""

from __future__ import annotations

_BEFORE, _AFTER = 40, 80  # characters that are shown around a difference


def around_difference(left: str, right: str) -> tuple[str, str]:
    """Both texts, cut to the surroundings of the first character that differs."""
    at = next(
        (i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b),
        min(len(left), len(right)),
    )
    return _around(left, at), _around(right, at)


def _around(text: str, at: int) -> str:
    first = max(0, at - _BEFORE)
    # Not worth an ellipsis.
    first = 0 if first < 3 else first
    last = at + _AFTER
    return f"{'…' if first else ''}{text[first:last]}{'…' if last < len(text) else ''}"
