"""What is another at every session without being another thing: ids, times, measured figures.

Texts of a server lose all of them. Texts of an app keep their figures, since those are its
own; a field loses its value where its name says that it is an id or a time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

_IDS_AND_TIMES = [
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b[0-9a-f]{16,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?"), "<time>"),
]
_FIGURES = [
    (
        re.compile(
            r"\b\d+(?:\.\d+)?(\s*)(ms|milliseconds?|s|secs?|seconds?|min|minutes?|bytes|samples)\b",
            re.IGNORECASE,
        ),
        r"<n>\1\2",
    ),
]
_NAMES = re.compile(
    r"(?:^|_)(?:id|ids|uuid|guid|sha256|nonce|seq|seq_no|sequence|time|timestamp|created|expires"
    r"|expires_at|date|at)$"
)
# Ids that choose something, and are the same as long as the app means the same.
_CHOSEN = re.compile(r"(?:^|_)(?:model|voice|agent|language|config|prompt|assistant|speaker)_id$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DEPTH = 50  # of JSON that is compared


def stable(text: str, *, figures: bool = True) -> str:
    """The text without its volatile parts.

    Args:
        figures: whether figures with a unit are volatile too.
    """
    for pattern, name in [*_IDS_AND_TIMES, *(_FIGURES if figures else [])]:
        text = pattern.sub(name, text)
    return text.strip()


def is_volatile(name: str) -> bool:
    """Whether a field or parameter of this name is an id or a time."""
    snake = _HUMP.sub("_", name).replace("-", "_").lower()
    return _NAMES.search(snake) is not None and _CHOSEN.search(snake) is None


def stable_value(
    value: Any, *, figures: bool = True, without: Collection[str] = (), depth: int = 0
) -> Any:
    """A JSON value for comparing: volatile fields and parts of text taken out.

    Args:
        figures: see `stable`.
        without: names of fields (lower case) that are left out as well.
        depth: how deep the value lies; what lies too deep is left out.
    """
    if isinstance(value, str):
        return stable(value, figures=figures)
    if depth > _DEPTH:
        return None
    if isinstance(value, Mapping):
        return {
            key: stable_value(item, figures=figures, without=without, depth=depth + 1)
            for key, item in value.items()
            if not is_volatile(key) and key.lower() not in without
        }
    if isinstance(value, list):
        return [
            stable_value(item, figures=figures, without=without, depth=depth + 1) for item in value
        ]
    return value
