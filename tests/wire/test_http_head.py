"""The tolerant parser for heads of HTTP messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsproxy.replayer.handshake import BadHead, parse_head
from wsproxy.wire.http_head import HttpHead, RequestHead, find_head_end

LINE = b"GET /chat HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"


@given(st.binary(max_size=300))
def test_http_head_parse_of_any_bytes_serializes_to_the_same_bytes(data: bytes) -> None:
    raw = b"x" + data.replace(b"\n\n", b"").replace(b"\n\r\n", b"") + b"\r\n\r\n"
    assert HttpHead.parse(raw).serialize() == raw


@pytest.mark.parametrize("empty", [b"", b"\r\n", b"\n\r\n"])
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_find_head_end_complete_head_is_its_size(empty: bytes, line_end: bytes) -> None:
    head = empty + b"GET / HTTP/1.1" + line_end + b"Host: a" + line_end + line_end
    assert find_head_end(head + b"rest") == len(head)
    assert all(find_head_end(head[:size]) is None for size in range(len(head)))


def test_find_head_end_searched_bytes_are_skipped() -> None:
    head = b"GET / HTTP/1.1\r\n\r\nrest\r\n\r\n"
    assert find_head_end(head, searched=20) == len(head)


def test_parse_head_folded_value_is_joined() -> None:
    parsed = parse_head(b"HTTP/1.1 200 OK\r\nX-A: 1,\r\n 2\r\n\r\nrest")
    assert parsed is not None
    assert (parsed[0].headers, parsed[1]) == ([["X-A", "1, 2"]], 32)


def test_parse_head_header_without_a_colon_is_refused() -> None:
    with pytest.raises(BadHead, match="without a colon"):
        parse_head(b"HTTP/1.1 200 OK\r\nX-A 1\r\n\r\n")


def test_request_head_serialize_writes_changed_fields_only() -> None:
    head = RequestHead.parse(LINE + b"Host:a\r\nX-One:1\r\nX-Two:2\r\nX-Two:2\r\n\r\n")
    fields = [(b"Host", b"b"), (b"X-Two", b"2"), (b"X-Two", b"2")]
    assert head.serialize(fields=fields) == LINE + b"Host: b\r\nX-Two:2\r\nX-Two:2\r\n\r\n"


def test_request_head_serialize_of_a_changed_line_keeps_its_line_end() -> None:
    head = RequestHead.parse((LINE + HOST).replace(b"\r\n", b"\n") + b"\n")
    assert head.serialize(b"GET / HTTP/1.1") == b"GET / HTTP/1.1\nHost: localhost\n\n"


def test_request_head_without_a_colon_is_recorded_under_its_first_word() -> None:
    head = RequestHead.parse(LINE + b"Authorization Bearer secret\r\n\r\n")
    assert [(each.name, each.value) for each in head.fields] == [
        (b"Authorization", b"Bearer secret")
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"GET /a HTTP/1.1", (b"GET", b"/a", b"HTTP/1.1")),
        (b"GET /a b HTTP/1.1", (b"GET", b"/a b", b"HTTP/1.1")),
        (b"GET  /a\t http/1.0", (b"GET", b"/a", b"http/1.0")),
        (b"GET /a", (b"GET", b"/a", b"")),
        (b"GET", (b"GET", b"", b"")),
    ],
)
def test_request_head_line_is_method_target_and_version(
    line: bytes, expected: tuple[bytes, bytes, bytes]
) -> None:
    head = RequestHead.parse(line + b"\r\nHost: a\r\n\r\n")
    assert (head.method, head.target, head.version) == expected
    assert not head.is_upgrade
