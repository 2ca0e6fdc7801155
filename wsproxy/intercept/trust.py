"""The CA certificates of the user's environment: for the recorded app, and for the recorder.

A company that inspects TLS, or an API with a private CA, is trusted through variables such as
SSL_CERT_FILE. Each of them replaces the bundle of some library. A recorded app needs the user's
certificates, the usual ones and the recorder's in one file; the recorder needs the same without
its own, for its connections to servers.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from wsproxy.system.regular_file import read_text

from . import ca_bundle
from .ca_bundle import Certificates

logger = logging.getLogger(__name__)

_GIT = "GIT_SSL_CAINFO"

# Each replaces the bundle of a library or a tool, so its file contains all certificates.
REPLACING = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "WEBSOCKET_CLIENT_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    _GIT,
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
)
# The same for tools that otherwise use one of the above: set only if the user has set them.
REPLACING_IF_SET = (
    "NIX_SSL_CERT_FILE",
    "HTTPLIB2_CA_CERTS",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "BUNDLE_SSL_CA_CERT",
)
# Each adds to the certificates that a program has built in.
ADDING = ("NODE_EXTRA_CA_CERTS", "DENO_CERT")
_FOLDERS = ("SSL_CERT_DIR",)  # left alone: OpenSSL reads it beside SSL_CERT_FILE
NAMES = (*REPLACING, *REPLACING_IF_SET, *ADDING, *_FOLDERS)


def set_variables(env: dict[str, str], ca: Path, folder: Path) -> Path:
    """Make programs trust the recorder's CA besides what they trust already.

    Args:
        env: the environment of the app, which is changed.
        ca: the recorder's CA, PEM.
        folder: the bundles are written to it.

    Returns:
        The bundle of all certificates, PEM.
    """
    ours = ca_bundle.read(ca)
    everything = upstream_certificates(env)
    bundle = ca_bundle.write(folder / "ca-bundle.pem", everything, ours)
    for name in ADDING:
        own = of_variables(env, [name])
        added = ca_bundle.write(folder / f"{name}.pem", own, ours) if own else ca
        env[name] = str(added)
    for name in REPLACING:
        if name != _GIT or env.get(_GIT) or not _git_has_own_ca(env):
            env[name] = str(bundle)
    for name in REPLACING_IF_SET:
        if env.get(name):
            env[name] = str(bundle)
    _set_wgetrc(env, bundle, folder)
    return bundle


def upstream_certificates(env: Mapping[str, str]) -> Certificates:
    """What the recorder trusts for servers: the usual certificates and all of the user's."""
    usual = ca_bundle.usual()
    return usual | of_variables(env, known=usual)


def of_variables(
    env: Mapping[str, str], names: Iterable[str] = NAMES, known: Certificates | None = None
) -> Certificates:
    """The certificates in the files that variables name.

    A file that cannot be used is logged in one line and left out.

    Args:
        known: certificates that are known to be valid.
    """
    files: dict[Path, str] = {}  # with the first variable that names it
    for name in names:
        value = env.get(name, "")
        for part in value.split(os.pathsep) if name in _FOLDERS else [value]:
            if part:
                files.setdefault(Path(part).expanduser(), name)
    found: Certificates = {}
    for path, name in files.items():
        try:
            new = ca_bundle.read(path)
        except (OSError, ValueError) as error:
            _log_unusable(name, path, getattr(error, "strerror", None) or str(error))
            continue
        if ca_bundle.are_valid(each for each in new if each not in (known or ())):
            found |= new
        else:
            _log_unusable(name, path, "it contains an invalid certificate")
    return found


@functools.cache  # the recorder and the app get the certificates one after the other
def _log_unusable(name: str, path: Path, why: str) -> None:
    logger.warning("wsproxy: %s=%s is not used: %s", name, path, why)


def _git_has_own_ca(env: Mapping[str, str]) -> bool:
    """Whether git's configuration names a CA: the variable would take precedence over it."""
    home = Path(env.get("HOME") or "/nonexistent")
    user = Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "git" / "config"
    for path in (Path("/etc/gitconfig"), user, home / ".gitconfig", Path(".git/config")):
        try:
            if "sslca" in read_text(path).lower():
                return True
        except (OSError, UnicodeDecodeError):
            continue
    return False


def _set_wgetrc(env: dict[str, str], bundle: Path, folder: Path) -> None:
    """Wget reads no variable, only its own file; that of the user is left alone."""
    home = env.get("HOME")
    if env.get("WGETRC") or (home and (Path(home) / ".wgetrc").exists()):
        return
    wgetrc = folder / "wgetrc"
    wgetrc.write_text(f"ca_certificate = {bundle}\n", encoding="utf-8")
    env["WGETRC"] = str(wgetrc)
