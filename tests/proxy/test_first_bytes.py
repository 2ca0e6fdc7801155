"""The host that the first bytes of a connection name."""

from __future__ import annotations

import ssl

import pytest

from wsproxy.proxy.first_bytes import MAX_SIZE, FirstBytes, read


def client_hello(name: str | None) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


REQUEST = b"GET /v1/listen?model=x HTTP/1.1\r\nHost: API.example.com:8080\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (client_hello("Api.Example.com"), FirstBytes("api.example.com", is_tls=True)),
        (client_hello(None), FirstBytes(is_tls=True)),
        (REQUEST + b"\r\n", FirstBytes("api.example.com", "/v1/listen")),
        (REQUEST + UPGRADE, FirstBytes("api.example.com", "/v1/listen", True)),
        (b"POST / HTTP/1.0\r\n\r\nbody", FirstBytes(None, "/")),
        (b"SSH-2.0-x\r\n", FirstBytes()),
        (b"\x00\x01", FirstBytes()),
        (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01x", FirstBytes()),
    ],
    ids=["TLS", "TLS without a name", "request", "upgrade", "no host", "SSH", "binary", "no TLS"],
)
def test_first_bytes_name_the_host_in_any_split(data: bytes, expected: FirstBytes) -> None:
    """More bytes are asked for until they are enough, and never afterwards."""
    assert read(data) == expected
    answers = [read(data[:size]) for size in range(len(data))]
    assert {each for each in answers if each is not None} <= {expected}


def test_first_bytes_endless_head_is_not_waited_for() -> None:
    assert read(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * MAX_SIZE) == FirstBytes()
