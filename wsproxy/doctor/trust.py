"""Whether programs trust the recorder's CA, and the files that CA variables name."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import certifi

from wsproxy.intercept import ca_bundle, trust
from wsproxy.intercept.ca_bundle import Certificates

from .result import CheckResult, State
from .setup import Setup

_KEYTOOL_TIMEOUT = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class _Reader:
    """A program with a bundle of CAs.

    Attributes:
        variables: what replaces the bundle; the first that is set counts.
        has_system: whether its own bundle is the system's; else it is certifi's.
        state: if it has its own bundle, which lacks the recorder's CA.
    """

    name: str
    variables: tuple[str, ...]
    has_system: bool
    state: State


_READERS = (
    _Reader("Python (ssl, websockets)", ("SSL_CERT_FILE",), True, "warning"),
    _Reader("Python (requests)", ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), False, "note"),
    _Reader("curl", ("CURL_CA_BUNDLE", "SSL_CERT_FILE"), True, "note"),
)


def check(setup: Setup) -> Iterator[CheckResult]:
    """Check who trusts the CA; `wsproxy run` sees to that itself."""
    if setup.is_run:
        yield CheckResult(
            "trust", "ok", "`wsproxy run` sets the CA variables; the system's store is not used"
        )
        return
    try:
        ours = ca_bundle.read(setup.ca)
    except (OSError, ValueError):
        return  # the check of the CA reports it
    for reader in _READERS:
        yield _replacing(setup, reader, ours)
    if setup.which("node"):
        yield _node(setup, ours)
    if setup.which("keytool"):
        yield _java(setup, ours)


def _replacing(setup: Setup, reader: _Reader, ours: Certificates) -> CheckResult:
    name = next((each for each in reader.variables if setup.env.get(each)), None)
    if name is not None:
        bundle, source = _read(Path(setup.env[name]).expanduser()), f"{name}={setup.env[name]}"
    elif reader.has_system:
        bundle, source = ca_bundle.system(), "the system's CAs"
    else:
        bundle, source = _read(Path(certifi.where())), "certifi's CAs"
    if ours.keys() <= bundle.keys():
        return CheckResult("trust", "ok", f"{reader.name} trusts the CA: {source}")
    state = reader.state if name is None else "problem"
    what = f"{reader.name} does not trust the recorder's CA: it is not in {source}"
    remedy = f"export {reader.variables[0]}=FILE, with the usual CAs and the content of {setup.ca}"
    return _untrusted(state, what, remedy)


def _node(setup: Setup, ours: Certificates) -> CheckResult:
    file = setup.env.get("NODE_EXTRA_CA_CERTS", "")
    if file and ours.keys() <= _read(Path(file).expanduser()).keys():
        return CheckResult("trust", "ok", f"Node trusts the CA: NODE_EXTRA_CA_CERTS={file}")
    state: State = "problem" if file else "warning"
    where = f"it is not in NODE_EXTRA_CA_CERTS={file}" if file else "NODE_EXTRA_CA_CERTS is not set"
    what = f"Node does not trust the recorder's CA: {where}"
    return _untrusted(state, what, f"export NODE_EXTRA_CA_CERTS={setup.ca}")


def _java(setup: Setup, ours: Certificates) -> CheckResult:
    if "-Djavax.net.ssl.trustStore=" in setup.env.get("JAVA_TOOL_OPTIONS", ""):
        return CheckResult("trust", "note", "Java uses the trust store in JAVA_TOOL_OPTIONS")
    command = ["keytool", "-list", "-rfc", "-cacerts", "-storepass", "changeit"]
    try:
        listed = subprocess.run(
            command, env=setup.env, capture_output=True, timeout=_KEYTOOL_TIMEOUT, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        listed = b""
    if ours.keys() <= ca_bundle.parse(listed).keys():
        return CheckResult("trust", "ok", "Java trusts the CA")
    return _untrusted(
        "note",
        "Java does not trust the recorder's CA",
        f"keytool -importcert -cacerts -storepass changeit -alias wsproxy -file {setup.ca}",
    )


def _untrusted(state: State, what: str, remedy: str) -> CheckResult:
    why = "its connections with TLS through `wsproxy record` fail; those with a ws:// URL do not"
    return CheckResult("trust", state, what, why, f"{remedy}; or use `wsproxy run`, which does it")


def _read(path: Path) -> Certificates:
    try:
        return ca_bundle.read(path)
    except (OSError, ValueError):
        return {}  # that is reported by `check_variables`


def check_variables(setup: Setup) -> Iterator[CheckResult]:
    """Check the files that CA variables name."""
    for name in trust.NAMES:
        value = setup.env.get(name, "")
        if not value:
            continue
        path = Path(value.partition(":")[0] if name == "SSL_CERT_DIR" else value).expanduser()
        try:
            ca_bundle.read(path)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            yield CheckResult(
                "CA variables",
                "warning" if setup.is_run else "problem",
                f"{name}={value} cannot be used: {why}",
                "`wsproxy run` leaves it out, and the app itself fails with it"
                if setup.is_run
                else "programs that read it trust no server",
                f"correct or unset {name}",
            )
