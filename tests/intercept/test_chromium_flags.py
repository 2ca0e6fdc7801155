"""The flags that make Chromium use the recorder."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tls_authority import make_authority
from wsproxy.intercept import ca_bundle
from wsproxy.intercept.chromium_flags import chromium_flags, key_hash


def expected_hash(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(info).digest()).decode()


def test_chromium_flags_name_proxy_key_and_profile(tmp_path: Path) -> None:
    ca, _ = make_authority(tmp_path, ["localhost"])
    hashed = expected_hash(x509.load_pem_x509_certificate(ca.read_bytes()))
    assert chromium_flags("http://127.0.0.1:4711", ca, tmp_path / "profile") == [
        "--proxy-server=http://127.0.0.1:4711",
        f"--ignore-certificate-errors-spki-list={hashed}",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]


@pytest.mark.one_python
def test_key_hash_of_the_usual_authorities() -> None:
    for der in ca_bundle.usual():
        assert key_hash(der) == expected_hash(x509.load_der_x509_certificate(der))


@pytest.mark.parametrize("size", [0, 1, 3, 40, 200])
def test_key_hash_of_a_cut_certificate_raises_value_error(size: int, tmp_path: Path) -> None:
    ca, _ = make_authority(tmp_path, ["localhost"])
    (der,) = ca_bundle.read(ca)
    with pytest.raises(ValueError, match="not a certificate"):
        key_hash(der[:size])


def test_chromium_flags_file_without_a_certificate_raises_value_error(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    with pytest.raises(ValueError, match="no PEM certificate"):
        chromium_flags("http://127.0.0.1:4711", tmp_path / "ca.pem", tmp_path)
