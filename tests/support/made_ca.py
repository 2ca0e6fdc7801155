"""A certificate authority as mitmproxy creates one."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mitmproxy")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=begin))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(PEM)
    )
    secret = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    folder.mkdir(exist_ok=True)
    (folder / CA_CERTIFICATE).write_bytes(certificate)
    (folder / CA_KEY).touch(0o600)
    (folder / CA_KEY).write_bytes(secret + certificate)
