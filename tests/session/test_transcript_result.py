"""The words of a transcript."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsproxy.session import transcript_result
from wsproxy.session.transcript_result import count_words, split_words

_text = st.lists(
    st.sampled_from([" ", "\n", "\x1c", "\u2003", "a", "don't", "-", "é", "日本", "。", "한국"]),
    max_size=20,
).map("".join)


@given(_text)
def test_count_words_of_a_long_text_is_that_of_its_list(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transcript_result, "_LONG", -1)
        assert count_words(text) == len(split_words(text))
