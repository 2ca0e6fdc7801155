"""A certificate authority as mitmproxy creates one."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tls_certificates import self_signed
from wsproxy.doctor.setup import CA_CERTIFICATE, CA_KEY

PEM = serialization.Encoding.PEM


def make_ca(
    folder: Path, days: int = 365, begin: int = -1000, *, is_authority: bool = True
) -> None:
    """A CA with its key, as mitmproxy creates one.

    Args:
        days, begin: from now to the end, and to the beginning of its validity.
        is_authority: False: it is the certificate of a server.
    """
    constraints = x509.BasicConstraints(ca=is_authority, path_length=None)
    extension = x509.Extension(x509.BasicConstraints.oid, True, constraints)
    secret, certificate = self_signed("mitmproxy", (begin, days), extension)
    folder.mkdir(exist_ok=True)
    (folder / CA_CERTIFICATE).write_bytes(certificate)
    (folder / CA_KEY).touch(0o600)
    (folder / CA_KEY).write_bytes(secret + certificate)
