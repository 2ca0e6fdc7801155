"""Flags that make Chromium, and programs built on it such as Electron, use the recorder.

They have their own list of CAs: the variables for other programs do not reach them.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from . import ca_bundle

_SEQUENCE = 0x30
_EXPLICIT_VERSION = 0xA0  # absent in version 1
_BEFORE_KEY = 5  # fields: serial number, signature, issuer, validity, subject


def chromium_flags(proxy: str, ca: Path, profile: Path) -> list[str]:
    """The flags for a recorder.

    Args:
        proxy: its URL.
        ca: its CA certificate, PEM.
        profile: a folder for a profile of its own: without one, Chromium ignores the flag for
            the CA.

    Raises:
        OSError, ValueError: the CA's file has no certificate that can be read.
    """
    certificate = next(iter(ca_bundle.read(ca)))
    return [
        f"--proxy-server={proxy}",
        f"--ignore-certificate-errors-spki-list={key_hash(certificate)}",
        f"--user-data-dir={profile}",
    ]


def key_hash(certificate: bytes) -> str:
    """The SHA-256 of a certificate's public key (SubjectPublicKeyInfo, RFC 5280), base64.

    Args:
        certificate: DER.

    Raises:
        ValueError: it is no certificate.
    """
    try:
        start, _ = _content(certificate, 0)  # Certificate
        at, _ = _content(certificate, start)  # TBSCertificate
        if certificate[at] == _EXPLICIT_VERSION:
            at = _content(certificate, at)[1]
        for _ in range(_BEFORE_KEY):
            at = _content(certificate, at)[1]
        end = _content(certificate, at)[1]
        if certificate[at] != _SEQUENCE or end > len(certificate):
            raise ValueError("not a certificate")
    except IndexError:
        raise ValueError("not a certificate") from None
    return base64.b64encode(hashlib.sha256(certificate[at:end]).digest()).decode("ascii")


def _content(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of a DER value begins and ends."""
    size = data[at + 1]
    begin = at + 2
    if size & 0x80:
        count = size & 0x7F
        size = int.from_bytes(data[begin : begin + count], "big")
        begin += count
    return begin, begin + size
