"""CA certificates, and files that contain them: PEM bundles."""

from __future__ import annotations

import base64
import binascii
import functools
import ssl
from collections.abc import Iterable
from pathlib import Path

import certifi

# Where systems keep their bundle; the first that exists counts.
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_MAX_FILE = 16 << 20  # bytes read of a file; the usual bundle has 300 kB
_MAX_FILES = 2000  # files read in a folder

Certificates = dict[bytes, None]  # DER, ordered and without duplicates


def read(path: Path) -> Certificates:
    """The certificates of a PEM file, or of the PEM files in a folder.

    Raises:
        OSError: it cannot be read.
        ValueError: it contains no certificate, or one that is no base64.
    """
    if path.is_dir():
        return _read_folder(path)
    with path.open("rb") as file:
        found = parse(file.read(_MAX_FILE))
    if not found:
        raise ValueError("it contains no PEM certificate")
    return found


def parse(content: bytes) -> Certificates:
    """The certificates in PEM text.

    Raises:
        ValueError: one is no base64.
    """
    found: Certificates = {}
    for part in content.split(_BEGIN)[1:]:
        body = part.partition(_END)[0]
        try:
            found[base64.b64decode(b"".join(body.split()), validate=True)] = None
        except binascii.Error:
            raise ValueError("it contains an invalid certificate") from None
    return found


def _read_folder(path: Path) -> Certificates:
    found: Certificates = {}
    for each in sorted(path.iterdir())[:_MAX_FILES]:
        try:
            if each.is_file():
                found |= read(each)
        except (OSError, ValueError):
            continue  # the folder has other files, too
    return found


@functools.cache
def usual() -> Certificates:
    """The certificates that libraries trust without any setting: certifi's and the system's.

    Not to be changed: all callers get the same ones.
    """
    return read(Path(certifi.where())) | system()


@functools.cache
def system() -> Certificates:
    """The certificates of the system's bundle; none if it has none. Not to be changed."""
    for name in _SYSTEM_BUNDLES:
        try:
            return read(Path(name))
        except (OSError, ValueError):
            continue
    return {}


def are_valid(certificates: Iterable[bytes]) -> bool:
    """Whether TLS libraries load them: most refuse a bundle if one certificate is invalid."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        for der in certificates:
            context.load_verify_locations(cadata=der)
    except (ssl.SSLError, ValueError):
        return False
    return True


def write(path: Path, *groups: Certificates) -> Path:
    """Write the certificates of all groups to a PEM file, each once."""
    merged: Certificates = {}
    for group in groups:
        merged |= group
    path.write_text("".join(map(ssl.DER_cert_to_PEM_cert, merged)), encoding="ascii")
    return path
