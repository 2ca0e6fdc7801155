"""How JSON has grown: the small difference between two states of a page's data.

A growth is one of:

    {"set": value}                      the new value
    {"keep": n, "more": [...]}          of a list: its first n items, and others
    {"in": {key: growth}, "drop": [key]}    of an object: its changed and new keys, and others

An item of a list that has changed is in "in" by its index, where that is shorter. `grown` in
`session.js` applies it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MAX_CHANGED = 8  # objects in a list that are compared one by one

Growth = dict[str, Any]


def growth(old: Any, new: Any) -> Growth | None:
    """The difference between two states; None if they are equal."""
    if type(old) is dict and type(new) is dict:
        return _of_object(old, new)
    if old == new:
        return None
    if type(old) is list and type(new) is list:
        return _of_list(old, new)
    return {"set": new}


def _of_object(old: Mapping[str, Any], new: Mapping[str, Any]) -> Growth | None:
    changed = {}
    for key, value in new.items():
        if key not in old:
            changed[key] = {"set": value}
        elif (difference := growth(old[key], value)) is not None:
            changed[key] = difference
    dropped = [key for key in old if key not in new]
    return {"in": changed, "drop": dropped} if changed or dropped else None


def _of_list(old: list[Any], new: list[Any]) -> Growth:
    same = _common_length(old, new)
    changing = old[same:]
    if len(changing) <= _MAX_CHANGED and len(new) >= len(old) and _are_objects(changing):
        items: dict[str, Growth] = {}
        for index in range(same, len(new)):
            value = new[index]
            found = growth(old[index], value) if index < len(old) else {"set": value}
            if found is not None:
                items[str(index)] = found
        return {"in": items, "drop": []}
    return {"keep": same, "more": new[same:]}


def _are_objects(items: Sequence[Any]) -> bool:
    return bool(items) and all(type(item) is dict for item in items)


def _common_length(old: list[Any], new: list[Any]) -> int:
    """How many items two lists share at their beginning, with few comparisons of many items."""
    low, high = 0, min(len(old), len(new))
    if old[:high] == new[:high]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
