"""The growth of JSON: applied to the old state, it gives the new one."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from json_growth import grown
from wsproxy.view.growth import Growth, growth

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
