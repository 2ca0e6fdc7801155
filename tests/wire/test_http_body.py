"""Reading the bodies of HTTP messages without their framing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsproxy.wire.http_body import BodyReader


def in_pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


@given(st.lists(st.binary(min_size=1, max_size=50)), st.lists(st.integers(0, 20)))
def test_body_reader_chunked_in_any_pieces_has_same_body(
    chunks: list[bytes], sizes: list[int]
) -> None:
    data = b"".join(b"%x;a=b\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    reader = BodyReader(chunked=True, length=None)
    body = b"".join(map(reader.feed, in_pieces(data, sizes)))
    assert (body, reader.done, reader.invalid) == (b"".join(chunks), True, False)


def test_body_reader_length_ignores_what_follows() -> None:
    reader = BodyReader(chunked=False, length=3)
    assert reader.feed(b"abcdef") == b"abc"
    assert reader.feed(b"ghi") == b""
    assert (reader.done, reader.invalid) == (True, False)


def test_body_reader_length_of_zero_is_done_at_once() -> None:
    assert BodyReader(chunked=False, length=0).done


def test_body_reader_without_length_ends_with_the_connection() -> None:
    reader = BodyReader(chunked=False, length=None)
    assert reader.feed(b"abc") == b"abc"
    assert not reader.done
    reader.end()
    assert (reader.done, reader.invalid) == (True, False)


@pytest.mark.parametrize("size", [b"-6", b"+1", b"1_0", b"", b"x"])
def test_body_reader_invalid_chunk_size_is_invalid(size: bytes) -> None:
    reader = BodyReader(chunked=True, length=None)
    assert reader.feed(b"3\r\nabc\r\n" + size + b"\r\n") == b"abc"
    assert (reader.done, reader.invalid) == (True, True)


@pytest.mark.parametrize(("chunked", "length"), [(True, None), (False, 10)])
def test_body_reader_end_of_connection_within_the_body_is_invalid(
    chunked: bool, length: int | None
) -> None:
    reader = BodyReader(chunked=chunked, length=length)
    reader.feed(b"3\r\na")
    reader.end()
    assert (reader.done, reader.invalid) == (True, True)


def test_body_reader_end_after_the_body_changes_nothing() -> None:
    reader = BodyReader(chunked=False, length=3)
    assert reader.feed(b"abc") == b"abc"
    reader.end()
    assert (reader.done, reader.invalid) == (True, False)
