"""Patterns of messages, as catalog data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsproxy.catalog.success import MessagePattern, first_match, needed_names

VALUES = st.sampled_from([None, True, False, 1, "x", "", {}, {"b": True}, {"b": None}, [{"b": 1}]])
PATTERNS = [
    MessagePattern.parse(text)
    for text in ("Kind a=true", "a.b=true", "a=*", "a=none", "c=null", "a={}", "c a.b=*", "c")
]


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "a.b"]), VALUES), st.data())
def test_needed_names_message_without_them_matches_nothing(
    content: dict[str, object], data: st.DataObject
) -> None:
    patterns = data.draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3))
    names = needed_names(patterns)
    if names is not None and names.isdisjoint(content):
        assert first_match(patterns, "c", content) is None


@pytest.mark.parametrize(
    ("text", "names"),
    [("a.b=true", {"a", "a.b"}), ("Kind a=*", {"a"}), ("Kind", None), ("a=none", None)],
)
def test_needed_names_of_a_pattern(text: str, names: set[str] | None) -> None:
    assert needed_names([MessagePattern.parse(text)]) == names
