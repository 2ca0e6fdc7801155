"""The parts of the opening handshake that decide how frames are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.utils import accept_key as websockets_accept_key

from wsproxy.wire import Deflate, accept_key, header, is_upgrade


def test_accept_key_of_rfc_example_is_expected() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(st.binary(min_size=16, max_size=16))
def test_accept_key_equals_websockets(key: bytes) -> None:
    assert accept_key(key.hex()) == websockets_accept_key(key.hex())


def test_accept_key_of_any_bytes_never_raises() -> None:
    assert accept_key(b"\xff\xfe".decode("utf-8", "surrogateescape"))


def test_header_in_any_case_is_found_and_joined() -> None:
    headers = [("Upgrade", "websocket"), ("X-A", "1"), ("x-a", "2")]
    assert header(headers, "x-A") == "1, 2"
    assert header(headers, "none") is None
    assert is_upgrade(headers)
    assert not is_upgrade([("Upgrade", "h2c"), ("Connection", "upgrade")])


@pytest.mark.parametrize(
    ("value", "deflate"),
    [
        (None, None),
        ("", None),
        ("x-webkit-deflate-frame", None),
        ("permessage-deflate", Deflate()),
        ("Permessage-Deflate", Deflate()),
        ("foo; bar=1, permessage-deflate", Deflate()),
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            Deflate(True, True),
        ),
        (
            'permessage-deflate;server_max_window_bits=8;client_max_window_bits="10"',
            Deflate(server_max_window_bits=8, client_max_window_bits=10),
        ),
        # What an answer may not say (RFC 7692, section 7.1): nothing is inflated then.
        ("permessage-deflate; client_max_window_bits", None),
        ("permessage-deflate; server_max_window_bits=7", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits=015", None),
        ("permessage-deflate; server_no_context_takeover=1", None),
        ("permessage-deflate; unknown", None),
        ("permessage-deflate; x_max_window_bits=9", None),
    ],
)
def test_deflate_parse_response_has_agreed_parameters(
    value: str | None, deflate: Deflate | None
) -> None:
    assert Deflate.parse(value) == deflate


@given(
    st.text() | st.text(alphabet='permssag-dflt;=, _"0123456789').map("permessage-deflate;".__add__)
)
def test_deflate_parse_any_value_never_raises(value: str) -> None:
    parsed = Deflate.parse(value)
    assert parsed is None or 8 <= parsed.client_max_window_bits <= 15
