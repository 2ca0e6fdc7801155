"""Java trust stores (JKS): Java reads no PEM files.

Format (big-endian): magic, version, count; for each certificate a tag, an alias, the time in ms,
its type and its DER bytes; at the end a SHA-1 over the password, a fixed text and all that. The
digest finds damage only: the certificates are no secret, and the password is Java's own default.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

PASSWORD = "changeit"

_MAGIC = 0xFEEDFEED
_VERSION = 2
_TRUSTED_CERTIFICATE = 2  # tag of an entry; another one has a private key
_DIGEST_SALT = b"Mighty Aphrodite"
_DIGEST_SIZE = 20  # bytes of SHA-1


def trust_store(certificates: Iterable[bytes]) -> bytes:
    """A trust store of these certificates, DER, each of them once."""
    entries = [
        struct.pack(">I", _TRUSTED_CERTIFICATE)
        + _text(f"wsproxy-{number}")
        + struct.pack(">Q", 0)
        + _text("X.509")
        + struct.pack(">I", len(certificate))
        + certificate
        for number, certificate in enumerate(dict.fromkeys(certificates))
    ]
    content = struct.pack(">III", _MAGIC, _VERSION, len(entries)) + b"".join(entries)
    return content + _digest(content)


def certificates_in_store(store: bytes) -> list[bytes]:
    """The certificates of a trust store with Java's default password, DER.

    Raises:
        ValueError: it is damaged, has another password or format, or has private keys.
    """
    content, digest = store[:-_DIGEST_SIZE], store[-_DIGEST_SIZE:]
    if digest != _digest(content):
        raise ValueError("not a JKS trust store with the default password")
    try:
        return list(_entries(content))
    except struct.error:
        raise ValueError("a JKS trust store that is cut") from None


def _entries(content: bytes) -> Iterable[bytes]:
    magic, version, count = struct.unpack_from(">III", content)
    if (magic, version) != (_MAGIC, _VERSION):
        raise ValueError(f"not a JKS trust store of version {_VERSION}")
    at = 12
    for _ in range(count):
        (tag,) = struct.unpack_from(">I", content, at)
        if tag != _TRUSTED_CERTIFICATE:
            raise ValueError("a JKS store with private keys")
        at += 4
        at += 2 + struct.unpack_from(">H", content, at)[0]  # the alias
        at += 8  # the time
        at += 2 + struct.unpack_from(">H", content, at)[0]  # the type
        (size,) = struct.unpack_from(">I", content, at)
        at += 4
        yield content[at : at + size]
        at += size


def _text(text: str) -> bytes:
    data = text.encode("ascii")
    return struct.pack(">H", len(data)) + data


def _digest(content: bytes) -> bytes:
    return hashlib.sha1(PASSWORD.encode("utf-16-be") + _DIGEST_SALT + content).digest()
