"""Socket addresses as they lie in memory."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsproxy.intercept.catch.socket_address import SocketAddress

INET, INET6 = 2, 10


def ipv4(host: bytes, port: int = 443) -> bytes:
    return struct.pack("=H", INET) + struct.pack("!H", port) + host + bytes(8)


def ipv6(host: bytes, port: int = 443, scope: int = 0) -> bytes:
    return struct.pack("=H", INET6) + struct.pack("!HI", port, 0) + host + struct.pack("=I", scope)


MAPPED = bytes(10) + b"\xff\xff"


@pytest.mark.parametrize(
    ("data", "host", "is_remote"),
    [
        (ipv4(bytes([192, 0, 2, 1])), "192.0.2.1", True),
        (ipv4(bytes([10, 0, 0, 1])), "10.0.0.1", True),
        (ipv4(bytes([127, 0, 0, 53])), "127.0.0.53", False),
        (ipv4(bytes(4)), "0.0.0.0", False),
        (ipv4(bytes([224, 0, 0, 1])), "224.0.0.1", False),
        (ipv4(bytes([255] * 4)), "255.255.255.255", False),
        (ipv6(b"\xfd" + bytes(14) + b"\x02"), "fd00::2", True),
        (ipv6(b"\xfe\x80" + bytes(13) + b"\x01", scope=3), "fe80::1%3", True),
        (ipv6(bytes(15) + b"\x01"), "::1", False),
        (ipv6(bytes(16)), "::", False),
        (ipv6(b"\xff\x02" + bytes(13) + b"\x01"), "ff02::1", False),
        (ipv6(MAPPED + bytes([192, 0, 2, 1])), "192.0.2.1", True),
        (ipv6(MAPPED + bytes([127, 0, 0, 1])), "127.0.0.1", False),
    ],
    ids=str,
)
def test_socket_address_parse_gives_host_and_whether_it_is_remote(
    data: bytes, host: str, is_remote: bool
) -> None:
    address = SocketAddress.parse(data)
    assert address is not None
    assert (address.host, address.port, address.is_remote) == (host, 443, is_remote)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        struct.pack("=H", 1) + b"/run/a.socket" + bytes(20),
        struct.pack("=H", 0) + bytes(14),
        ipv4(bytes(4))[:15],
        ipv6(bytes(16))[:23],
    ],
    ids=["empty", "unix", "unspecified", "short IPv4", "short IPv6"],
)
def test_socket_address_parse_other_families_and_sizes_give_none(data: bytes) -> None:
    assert SocketAddress.parse(data) is None


@given(st.binary(max_size=40))
def test_socket_address_parse_never_raises(data: bytes) -> None:
    address = SocketAddress.parse(data)
    assert address is None or address.host
