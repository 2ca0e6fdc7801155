"""The fields of a message, those of the objects in it included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MAX_FIELDS = 60  # of a message: a hostile one has more than there is time for
MAX_DEPTH = 4
_MAX_ITEMS = 2  # of a list


def fields_of(content: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The names and values of the first MAX_FIELDS fields, outer ones first."""
    waiting: list[tuple[int, Mapping[str, Any]]] = [(1, content)]
    left = MAX_FIELDS
    while waiting:
        depth, node = waiting.pop(0)
        for name, value in node.items():
            left -= 1
            if left < 0:
                return
            yield name, value
            inner = value[:_MAX_ITEMS] if isinstance(value, list) else [value]
            if depth < MAX_DEPTH:
                waiting += [(depth + 1, each) for each in inner if isinstance(each, dict)]
