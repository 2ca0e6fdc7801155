"""Synthetic words, and JSON rewritten in place."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsproxy.scrub.aliases import Aliases
from wsproxy.scrub.json_rewrite import rewrite

pytestmark = pytest.mark.one_python

# -- words


LETTERS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=60)


@given(LETTERS)
def test_aliases_word_of_any_script_keeps_its_length(text: str) -> None:
    made = Aliases(b"key").text(text)
    assert len(made) == len(text)
    assert [len(c.encode()) for c in made] == [len(c.encode()) for c in text]
    plain = [c for c in text if unicodedata.category(c)[0] in "PZ"]
    assert [c for c in made if unicodedata.category(c)[0] in "PZ"] == plain


@given(st.lists(LETTERS, max_size=5))
def test_aliases_same_word_has_the_same_alias(texts: list[str]) -> None:
    aliases = Aliases(b"key")
    first = [aliases.text(text) for text in texts]
    assert [aliases.text(text) for text in texts] == first
    assert [Aliases(b"key", ()).text(text) for text in texts[:1]] == first[:1]


@given(st.sets(st.from_regex(r"[a-z]{4,9}", fullmatch=True), min_size=1, max_size=30))
def test_aliases_synthetic_word_is_not_a_real_one(words: set[str]) -> None:
    aliases = Aliases(b"key", words)
    made = {aliases.word(word) for word in words}
    assert not made & words
    assert len(made) == len(words), "and two words stay two"


@pytest.mark.parametrize("word", ["ZANZIBAR", "Zanzibar", "zanzibar"])
def test_aliases_word_keeps_its_case(word: str) -> None:
    aliases = Aliases(b"key")
    assert aliases.word(word).casefold() == aliases.word("zanzibar")
    assert [c.isupper() for c in aliases.word(word)] == [c.isupper() for c in word]


# -- JSON


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@given(JSON, st.booleans(), st.integers(0, 200))
def test_rewrite_identity_returns_the_same_text(value: object, ascii_only: bool, cut: int) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert rewrite(text, lambda each: each.content) == text
    assert rewrite(text[:cut], lambda each: each.content) == text[:cut]


@given(JSON, st.booleans())
def test_rewrite_replaced_values_give_json_of_the_same_size(
    value: object, ascii_only: bool
) -> None:
    aliases = Aliases(b"key")

    def visit(each: Any) -> str:
        return each.content if each.kind == "number" else aliases.text(each.content)

    text = json.dumps(value, ensure_ascii=ascii_only)
    made = rewrite(text, visit)
    assert len(made.encode("utf-8", "surrogatepass")) == len(text.encode("utf-8", "surrogatepass"))
    json.loads(made)


@given(st.text(max_size=80))
def test_rewrite_any_text_is_read(text: str) -> None:
    assert rewrite(text, lambda each: each.content) == text
