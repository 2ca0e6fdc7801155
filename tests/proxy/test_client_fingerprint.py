"""The fingerprint of a client hello is the same for one TLS client and differs between clients."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest
from mitmproxy.proxy.layers.tls import parse_client_hello

from wsproxy.proxy.client_fingerprint import _without_grease, fingerprint


def of(prepare: Callable[[ssl.SSLContext], object], name: str = "a.example") -> str:
    context = ssl.create_default_context()
    prepare(context)
    sent = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = parse_client_hello(sent.read())
    assert hello is not None
    return fingerprint(hello)


def test_fingerprint_same_client_is_recognized_at_another_host() -> None:
    """The random values and the name do not count."""
    found = {of(lambda _: None, name) for name in ("a.example", "longer.example.com", "10.0.0.1")}
    assert len(found) == 1


@pytest.mark.parametrize(
    "prepare",
    [
        lambda context: context.set_alpn_protocols(["http/1.1"]),
        lambda context: context.set_ciphers("ECDHE+AESGCM"),
        lambda context: setattr(context, "maximum_version", ssl.TLSVersion.TLSv1_2),
    ],
)
def test_fingerprint_of_another_client_differs(
    prepare: Callable[[ssl.SSLContext], object],
) -> None:
    assert of(prepare) != of(lambda _: None)


def test_fingerprint_random_values_of_browsers_are_left_out() -> None:
    grease = [n << 8 | n for n in range(0x0A, 0x100, 0x10)]
    assert _without_grease([*grease, 0x1301, 0x0A1A, 0x0A]) == [0x1301, 0x0A1A, 0x0A]
