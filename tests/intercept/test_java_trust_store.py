"""Trust stores for Java: read again here, and by Java's own keytool."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from tls_certificates import Certificate
from wsproxy.intercept import ca_bundle
from wsproxy.intercept.java_options import tool_options
from wsproxy.intercept.java_trust_store import (
    PASSWORD,
    certificates_in_store,
    trust_store,
)

PROXY = "http://127.0.0.1:4711"


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    return Certificate.make(tmp_path / "ca.pem").path


def certificate_of(ca: Path) -> bytes:
    (certificate,) = ca_bundle.read(ca)
    return certificate


def test_trust_store_is_read_again_without_doubles() -> None:
    certificates = [b"one", b"", bytes(70_000), b"one"]
    assert certificates_in_store(trust_store(certificates)) == [b"one", b"", bytes(70_000)]


@pytest.mark.parametrize("at", [0, 7, 20, -1])
def test_certificates_in_store_damaged_raises_value_error(at: int) -> None:
    store = bytearray(trust_store([b"one", b"two"]))
    store[at] ^= 1
    with pytest.raises(ValueError, match="JKS"):
        certificates_in_store(bytes(store))


def test_trust_store_is_what_keytool_lists(ca: Path, tmp_path: Path) -> None:
    keytool = shutil.which("keytool")
    if keytool is None:
        pytest.skip("keytool (a JDK) is not installed")
    store = tmp_path / "store.jks"
    store.write_bytes(trust_store([certificate_of(ca)]))
    command = [keytool, "-list", "-rfc", "-keystore", str(store), "-storepass", PASSWORD]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Your keystore contains 1 entry" in listed
    assert "trustedCertEntry" in listed
    (tmp_path / "listed.pem").write_text(listed)
    assert certificate_of(tmp_path / "listed.pem") == certificate_of(ca)


# ---- options


def options_of(env: dict[str, str], ca: Path, tmp_path: Path) -> tuple[str, list[bytes]]:
    """The options, and what is in the trust store."""
    options = tool_options(env, PROXY, ca, tmp_path)
    store = tmp_path / "ca-bundle.jks"
    return options, certificates_in_store(store.read_bytes()) if store.exists() else []


def test_tool_options_follow_those_of_the_user(ca: Path, tmp_path: Path) -> None:
    options, trusted = options_of({"JAVA_TOOL_OPTIONS": "-Xmx1g", "PATH": ""}, ca, tmp_path)
    assert options.split() == [
        *("-Xmx1g", "-Dhttp.proxyHost=127.0.0.1", "-Dhttps.proxyHost=127.0.0.1"),
        *("-Dhttp.proxyPort=4711", "-Dhttps.proxyPort=4711", "-Dhttp.nonProxyHosts="),
        f"-Djavax.net.ssl.trustStore={tmp_path / 'ca-bundle.jks'}",
        *("-Djavax.net.ssl.trustStoreType=JKS", f"-Djavax.net.ssl.trustStorePassword={PASSWORD}"),
    ]
    assert trusted == [certificate_of(ca)]


def test_tool_options_no_proxy_becomes_non_proxy_hosts(ca: Path, tmp_path: Path) -> None:
    env = {"NO_PROXY": "localhost, .corp.test,10.0.0.0/8", "PATH": ""}
    options, _ = options_of(env, ca, tmp_path)
    hosts = "localhost|*.localhost|corp.test|*.corp.test"
    assert f"-Dhttp.nonProxyHosts={hosts}" in options.split()


def test_tool_options_users_own_trust_store_is_merged(ca: Path, tmp_path: Path) -> None:
    own = tmp_path / "own store.jks"
    own.write_bytes(trust_store([b"own"]))
    env = {"JAVA_TOOL_OPTIONS": f'"-Djavax.net.ssl.trustStore={own}"', "PATH": ""}
    _, trusted = options_of(env, ca, tmp_path)
    assert trusted == [b"own", certificate_of(ca)]


@pytest.mark.parametrize("quote", ["", '"'])
def test_tool_options_own_store_in_another_format_stays(
    quote: str, ca: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.p12"
    own.write_bytes(base64.b64decode("MIIB"))
    env = {"JAVA_TOOL_OPTIONS": f"{quote}-Djavax.net.ssl.trustStore={own}", "PATH": ""}
    options, trusted = options_of(env, ca, tmp_path)
    assert options.count("trustStore") == 1
    assert trusted == []


def test_tool_options_certificates_of_the_jdk_stay_trusted(ca: Path, tmp_path: Path) -> None:
    store = tmp_path / "jdk" / "lib" / "security" / "cacerts"
    store.parent.mkdir(parents=True)
    store.write_bytes(trust_store([b"company"]))
    _, trusted = options_of({"JAVA_HOME": str(tmp_path / "jdk"), "PATH": ""}, ca, tmp_path)
    assert trusted == [b"company", certificate_of(ca)]
    store.write_bytes(b"PKCS #12")
    _, trusted = options_of({"JAVA_HOME": str(tmp_path / "jdk"), "PATH": ""}, ca, tmp_path)
    assert trusted == [certificate_of(ca)]


def test_tool_options_path_with_a_space_is_quoted(ca: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    options = tool_options({"PATH": ""}, PROXY, ca, folder)
    assert f'"-Djavax.net.ssl.trustStore={folder / "ca-bundle.jks"}"' in options
