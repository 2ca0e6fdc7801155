"""Certificates for test servers."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import crypto


def self_signed(
    name: str, days: tuple[int, int], extension: x509.Extension[x509.ExtensionType]
) -> tuple[bytes, bytes]:
    """A key and its certificate, PEM.

    Args:
        days: from now to the beginning of its validity, and to the end.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(common)
        .issuer_name(common)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(extension.value, critical=extension.critical)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret, certificate.public_bytes(pem)


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate and its key, one PEM file."""

    path: Path

    @classmethod
    def make(cls, path: Path, names: tuple[str, ...] = ("127.0.0.1", "localhost")) -> Certificate:
        alternatives = [
            x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n)
            for n in names
        ]
        extension = x509.Extension(
            x509.SubjectAlternativeName.oid, False, x509.SubjectAlternativeName(alternatives)
        )
        key, certificate = self_signed(names[0], (-1, 30), extension)
        path.write_bytes(key + certificate)
        return cls(path)

    @property
    def der(self) -> bytes:
        text = self.path.read_text()
        return ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") :])

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    def hashed_folder(self, folder: Path) -> Path:
        """A new folder with this certificate, for SSL_CERT_DIR."""
        folder.mkdir()
        certificate = crypto.load_certificate(crypto.FILETYPE_ASN1, self.der)
        name = int(certificate.subject_name_hash())
        (folder / f"{name:08x}.0").write_text(ssl.DER_cert_to_PEM_cert(self.der))
        return folder

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context


def trusting_context() -> ssl.SSLContext:
    """A client's context that trusts everybody: who is who is no matter of the wire tests."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
