"""How JSON has grown: the small difference between two states of a page's data.

A growth is one of:

    {"set": value}                      the new value
    {"keep": n, "more": [...]}          of a list: its first n items, and others
    {"cut": [i, n], "keep": n, "more": [...]}   likewise, after n items from index i on are cut
    {"in": {key: growth}, "drop": [key]}    of an object: its changed and new keys, and others

An item of a list that has changed is in "in" by its index, where that is shorter. `grown` in
`session.js` applies it.

A state has short lists as they are, and a `GrowingList` for each long one: work and memory are
proportional to what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_MAX_CHANGED = 8  # objects in a list that are compared one by one

Growth = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GrowingList:
    """A long list in one state, without its items.

    Attributes:
        length: how many items it has.
        settled: how many of them, from the first on, stay as they are.
        items: its items from an index on; valid as long as the state is the current one.
        source: what the items are made of; another one has other items.
        cut_at, cut: of items from this index on, how many were dropped so far.
    """

    length: int
    settled: int
    items: Callable[[int], list[Any]] = field(repr=False, compare=False)
    source: object = None
    cut_at: int = 0
    cut: int = 0

    def __len__(self) -> int:
        return self.length

    def since(self, old: GrowingList) -> Growth | None:
        """The difference from an earlier state."""
        if self.source != old.source:
            return {"set": self.items(0)}
        cut = min(self.cut - old.cut, max(0, old.length - self.cut_at))
        keep = old.settled - cut
        if not cut and keep == old.length == self.length:
            return None
        grown: Growth = {"keep": keep, "more": self.items(keep)}
        return {"cut": [self.cut_at, cut], **grown} if cut else grown


def growth(old: Any, new: Any) -> Growth | None:
    """The difference between two states; None if they are equal."""
    if old is new:
        return None
    if type(new) is GrowingList:
        return new.since(old) if type(old) is GrowingList else {"set": new.items(0)}
    if type(old) is dict and type(new) is dict:
        return _of_object(old, new)
    if old == new:
        return None
    if type(old) is list and type(new) is list:
        return _of_list(old, new)
    return {"set": complete(new)}


def complete(value: Any) -> Any:
    """A value with the items of its growing lists."""
    match value:
        case GrowingList():
            return value.items(0)
        case dict():
            return {key: complete(each) for key, each in value.items()}
        case list():
            return [complete(each) for each in value]
        case _:
            return value


def _of_object(old: Mapping[str, Any], new: Mapping[str, Any]) -> Growth | None:
    changed = {}
    for key, value in new.items():
        if key not in old:
            changed[key] = {"set": complete(value)}
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
            found = growth(old[index], value) if index < len(old) else {"set": complete(value)}
            if found is not None:
                items[str(index)] = found
        return {"in": items, "drop": []}
    return {"keep": same, "more": complete(new[same:])}


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
