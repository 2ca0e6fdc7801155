"""Certificates of an authority of the tests: a good one, and those that must be refused."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# An address of our own, where it can be had: nobody else's tests connect to a port there.
_ID = os.getpid()
HOST = f"127.99.{_ID >> 8 & 0xFF}.{_ID & 0xFF}" if sys.platform == "linux" else "127.0.0.1"
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority's certificate, and servers' certificates with their keys."""

    authority: Path
    servers: dict[str, Path]

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        authority = _sign(None, key, "the tests' authority", None, (now - DAY, now + 30 * DAY), key)
        path = folder / "authority.pem"
        path.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        servers = {}
        for name, host, until, by in (
            ("good", HOST, now + 30 * DAY, authority),
            ("self-signed", HOST, now + 30 * DAY, None),
            ("expired", HOST, now - DAY, authority),
            ("wrong-name", "10.1.2.3", now + 30 * DAY, authority),
        ):
            own = ec.generate_private_key(ec.SECP256R1())
            signed = _sign(by, key if by else own, name, host, (now - 2 * DAY, until), own)
            servers[name] = folder / f"{name}.pem"
            servers[name].write_bytes(
                own.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
                + signed.public_bytes(serialization.Encoding.PEM)
            )
        return cls(path, servers)

    def server_context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.servers[name])
        # Tickets that nobody has read yet turn a FIN into a RST.
        context.num_tickets = 0
        return context


def client_context(authority: Path | None) -> ssl.SSLContext:
    """A context that trusts one authority, or nobody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is not None:
        context.load_verify_locations(authority)
    return context


def _sign(
    authority: x509.Certificate | None,
    signing: ec.EllipticCurvePrivateKey,
    name: str,
    host: str | None,
    valid: tuple[datetime.datetime, datetime.datetime],
    own: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject if authority else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=host is None,
                crl_sign=host is None,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if host is not None:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signing, hashes.SHA256())
