"""Tells TLS clients apart by their client hello, as JA3 does.

Two clients of one app on the same host, such as requests and websockets, may trust different
certificates.
"""

from __future__ import annotations

import hashlib

from mitmproxy.tls import ClientHello

# They differ between connections of one client: server_name, padding, session_ticket,
# pre_shared_key, early_data, cookie.
_VARYING = frozenset({0, 21, 35, 41, 42, 44})
_SUPPORTED_GROUPS, _SIGNATURE_ALGORITHMS = 10, 13


def fingerprint(hello: ClientHello) -> str:
    """The same for all connections of a client: 16 hexadecimal digits."""
    extensions = dict(hello.extensions)
    described = (
        _without_grease(hello.cipher_suites),
        # Browsers send them in random order.
        sorted(_without_grease(set(extensions) - _VARYING)),
        _without_grease(_numbers(extensions.get(_SUPPORTED_GROUPS, b""))),
        _without_grease(_numbers(extensions.get(_SIGNATURE_ALGORITHMS, b""))),
        hello.alpn_protocols,
    )
    return hashlib.sha256(repr(described).encode()).hexdigest()[:16]


def _numbers(body: bytes) -> list[int]:
    """The 16-bit numbers of a list that has its length in front."""
    return [int.from_bytes(body[i : i + 2], "big") for i in range(2, len(body) - 1, 2)]


def _without_grease(numbers: set[int] | list[int]) -> list[int]:
    """Without the random values of RFC 8701: 0x0a0a, 0x1a1a ... 0xfafa."""
    return [n for n in numbers if (n & 0x0F0F) != 0x0A0A or n >> 8 != n & 0xFF]
