"""Reading the answer to a request: what a server may send instead of a plain one."""

from __future__ import annotations

import pytest

from wsproxy.replayer.response_reader import ResponseReader

REFUSED = b"HTTP/1.1 400 Bad Request\r\n"
CHUNKED = REFUSED + b"Transfer-Encoding: chunked\r\n\r\n"


def read(data: bytes) -> ResponseReader:
    reader = ResponseReader()
    reader.feed(data)
    return reader


def test_response_reader_interim_responses_are_skipped() -> None:
    reader = read(b"HTTP/1.1 100 Continue\r\n\r\n" * 5000 + b"HTTP/1.1 101 Switching\r\n\r\nrest")
    assert reader.response is not None
    assert (reader.response.status, reader.rest, reader.done) == (101, b"rest", True)


def test_response_reader_chunked_body_is_joined() -> None:
    reader = read(CHUNKED + b"3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n")
    assert reader.response is not None
    assert (reader.response.body, reader.done) == (b"abc0123456789", True)


@pytest.mark.parametrize("size", [b"-6", b"-4", b"+1", b"1_0", b"", b"x", b"f" * 10_000])
def test_response_reader_invalid_chunk_size_ends_the_body(size: bytes) -> None:
    reader = read(CHUNKED + b"3\r\nabc\r\n" + size + b"\r\n")
    assert reader.response is not None
    assert (reader.response.body, reader.done) == (b"abc", True)


@pytest.mark.parametrize("length", [b"9" * 5000, "\u0663".encode(), b"-1", b"+3", b""])
def test_response_reader_invalid_length_body_ends_with_the_connection(length: bytes) -> None:
    reader = read(REFUSED + b"Content-Length: " + length + b"\r\n\r\nabc")
    assert not reader.done
    reader.end()
    assert reader.response is not None
    assert reader.response.body == b"abc"


@pytest.mark.parametrize("status", [b"9" * 5000, b"0", b"20x", "\u0662\u0660\u0660".encode()])
def test_response_reader_invalid_status_is_an_error(status: bytes) -> None:
    reader = read(b"HTTP/1.1 " + status + b" OK\r\n\r\n")
    assert (reader.response, reader.error) == (None, "the answer is not HTTP")
