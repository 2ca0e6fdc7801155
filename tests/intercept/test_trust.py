"""The CA certificates of the user's environment, for the app and for the recorder."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest

from tls_certificates import Certificate
from wsproxy.intercept import ca_bundle, trust


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return Certificate.make(tmp_path / "ours.pem").path


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    return Certificate.make(tmp_path / "theirs.pem", ("company.example",)).path


def set_variables(ours: Path, env: Mapping[str, str], folder: Path) -> dict[str, str]:
    found = {"HOME": str(folder), **env}
    trust.set_variables(found, ours, folder)
    return found


@pytest.mark.parametrize(
    "name", [*trust.REPLACING, *trust.REPLACING_IF_SET, *trust.ADDING, "SSL_CERT_DIR"]
)
def test_set_variables_ca_of_each_variable_is_in_the_bundle(
    name: str, ours: Path, theirs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "0a1b2c3d.0").write_bytes(theirs.read_bytes())
    value = str(folder if name == "SSL_CERT_DIR" else theirs)
    env = set_variables(ours, {name: value}, tmp_path)
    wanted = {*ca_bundle.read(theirs), *ca_bundle.read(ours)}
    assert all(wanted <= ca_bundle.read(Path(env[each])).keys() for each in trust.REPLACING)
    if name in trust.ADDING:
        assert ca_bundle.read(Path(env[name])).keys() == wanted
    elif name == "SSL_CERT_DIR":
        assert env[name] == value
    else:
        assert env[name] == env["SSL_CERT_FILE"]


def test_set_variables_node_variable_has_no_certificate_that_node_did_not_trust(
    ours: Path, theirs: Path, tmp_path: Path
) -> None:
    env = set_variables(ours, {"SSL_CERT_FILE": str(theirs)}, tmp_path)
    assert env["NODE_EXTRA_CA_CERTS"] == env["DENO_CERT"] == str(ours)


def test_set_variables_certificates_are_written_once(ours: Path, tmp_path: Path) -> None:
    env = set_variables(ours, dict.fromkeys(("PIP_CERT", "AWS_CA_BUNDLE"), str(ours)), tmp_path)
    text = Path(env["SSL_CERT_FILE"]).read_text()
    assert text.count("BEGIN CERTIFICATE") == len(ca_bundle.read(Path(env["SSL_CERT_FILE"])))


def test_set_variables_bundle_is_loaded_by_openssl(
    ours: Path, theirs: Path, tmp_path: Path
) -> None:
    env = set_variables(ours, {"CURL_CA_BUNDLE": str(theirs)}, tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(env["SSL_CERT_FILE"])
    assert context.cert_store_stats()["x509"] > 50


UNUSABLE = {
    "missing.pem": None,
    "empty.pem": b"",
    "text.pem": b"no certificate\n",
    "der.pem": ssl.PEM_cert_to_DER_cert(
        "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"
    ),
    "broken.pem": b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    "invalid.pem": b"-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_set_variables_unusable_file_is_one_line_and_left_out(
    name: str, ours: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, content = tmp_path / name, UNUSABLE[name]
    if content is not None:
        path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        env = set_variables(ours, {"REQUESTS_CA_BUNDLE": str(path)}, tmp_path)
    assert [
        r.getMessage().startswith(f"wsproxy: REQUESTS_CA_BUNDLE={path} ") for r in caplog.records
    ] == [True]
    assert len(ca_bundle.read(Path(env["REQUESTS_CA_BUNDLE"]))) > 50


def test_set_variables_wgetrc_of_the_user_is_left_alone(ours: Path, tmp_path: Path) -> None:
    assert Path(set_variables(ours, {}, tmp_path)["WGETRC"]).read_text().startswith("ca_certif")
    assert set_variables(ours, {"WGETRC": "mine"}, tmp_path)["WGETRC"] == "mine"
    (tmp_path / ".wgetrc").write_text("")
    assert "WGETRC" not in set_variables(ours, {}, tmp_path)
