"""The messages that a session keeps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsproxy.session.head_tail_buffer import (
    KEPT_NOTABLE,
    KEPT_SIZE,
    HeadTailBuffer,
    KeptMessage,
    failures,
)

SIZE = 3
CONTENTS = st.sampled_from([b"{}", b"an Error", b"it fail", b"ed", bytes(KEPT_SIZE // 4)])


def kept_one_by_one(messages: list[KeptMessage]) -> list[KeptMessage]:
    """What is kept, by the rules: of long messages KEPT_SIZE bytes of each group."""
    first: list[KeptMessage] = []
    while messages[len(first) :] and len(first) < SIZE and size_of(first) < KEPT_SIZE:
        first.append(messages[len(first)])
    between: list[KeptMessage] = []
    last: list[KeptMessage] = []
    for message in messages[len(first) :]:
        last.append(message)
        while len(last) > SIZE or size_of(last) > KEPT_SIZE:
            old = last.pop(0)
            if len(between) < KEPT_NOTABLE and size_of(between) < KEPT_SIZE and failures([old]):
                between.append(old)
    return [*first, *between, *last]


def size_of(messages: list[KeptMessage]) -> int:
    return sum(len(content) for _, _, _, content, _ in messages)


@given(st.lists(CONTENTS, max_size=40), st.integers(0, 40))
def test_buffer_keeps_what_it_would_keep_one_by_one(contents: list[bytes], read_at: int) -> None:
    messages = [(n, n, False, content, len(content)) for n, content in enumerate(contents)]
    buffer = HeadTailBuffer(SIZE, failures)
    for message in messages:
        buffer.add(message)
        if message[0] == read_at:
            assert list(buffer) == kept_one_by_one(messages[: read_at + 1])
    assert list(buffer) == kept_one_by_one(messages)


def test_buffer_keeps_no_more_than_its_number_of_notable_messages() -> None:
    buffer = HeadTailBuffer(SIZE, failures)
    messages = [(n, n, False, b"error", 5) for n in range(3 * KEPT_NOTABLE)]
    for message in messages:
        buffer.add(message)
    assert list(buffer) == kept_one_by_one(messages)
    assert len(list(buffer)) == SIZE + KEPT_NOTABLE + SIZE
