"""The growth of JSON: applied to the old state, it gives the new one."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from json_growth import grown
from wsproxy.session.kept_ends import KeptEnds
from wsproxy.view.growth import GrowingList, Growth, growth

_values = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["", "a", "ab"]),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=30,
)


@given(_values, _values)
def test_growth_applied_to_the_old_state_gives_the_new_one(old: Any, new: Any) -> None:
    change = growth(old, new)
    if change is None:
        assert old == new
    else:
        assert grown(copy.deepcopy(old), change) == new


def inner(key: str, change: Growth) -> Growth:
    return {"in": {key: change}, "drop": []}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([1, 2], [1, 2, 3], {"keep": 2, "more": [3]}),
        ([1, 2, 9], [1, 2, 3, 4], {"keep": 2, "more": [3, 4]}),
        ({"a": [1], "b": 1}, {"a": [1, 2], "b": 1}, inner("a", {"keep": 1, "more": [2]})),
        ([{"a": 1, "b": 2}], [{"a": 3, "b": 2}], inner("0", inner("a", {"set": 3}))),
        ("call", "call me", {"set": "call me"}),
        ({"a": 1}, {"a": 1}, None),
    ],
)  # fmt: skip
def test_growth_is_what_was_added(old: Any, new: Any, expected: Growth | None) -> None:
    assert growth(old, new) == expected


def state_of(kept: KeptEnds[int]) -> GrowingList:
    def items(start: int) -> list[int]:
        return kept.after(kept.number_of(start))

    return GrowingList(len(kept), len(kept), items, cut_at=kept.keep, cut=kept.count - len(kept))


@given(st.integers(1, 5), st.lists(st.integers(0, 12), max_size=8))
def test_growth_of_a_list_of_which_the_ends_are_kept(keep: int, steps: list[int]) -> None:
    kept: KeptEnds[int] = KeptEnds(keep)
    shown: list[int] = []
    old = state_of(kept)
    for step in steps:
        for _ in range(step):
            kept.append(kept.count)
        new = state_of(kept)
        if (change := growth(old, new)) is not None:
            assert len(change["more"]) <= step
            shown = grown(shown, change)
        assert shown == list(kept)
        old = new


def test_growing_list_of_another_source_is_sent_again() -> None:
    old = GrowingList(2, 2, lambda start: [1, 2][start:], "a")
    new = GrowingList(2, 2, lambda start: [3, 4][start:], "b")
    assert growth({"x": old}, {"x": new}) == inner("x", {"set": [3, 4]})


def test_growing_list_inside_a_new_value_has_its_items() -> None:
    peaks = GrowingList(2, 1, lambda start: [5, 6][start:])
    assert growth([], [{"low": peaks}]) == {"keep": 0, "more": [{"low": [5, 6]}]}
    assert growth(None, {"low": peaks}) == {"set": {"low": [5, 6]}}
