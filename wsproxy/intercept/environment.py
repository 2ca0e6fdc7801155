"""Environment variables that route a command through the recorder and make it trust its CA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import certifi

from wsproxy.system.address import authority, reachable
from wsproxy.system.python_path import app_environment

from . import preloads

# Libraries differ in which of them they read, and in upper or lower case.
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy")

# The modes in which apps name the recorder as their proxy, with the scheme of its URL.
_PROXY_MODES = {"regular": "http", "upstream": "http", "socks5": "socks5h"}

# Each replaces the library's own bundle, so the file contains all certificates.
_BUNDLE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "WEBSOCKET_CLIENT_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)


class ListenAddress(Protocol):
    """A running recorder, in this process or in another one.

    Attributes:
        address: (host, port) that it listens on; None in modes without a port.
        ca: the CA certificate that apps have to trust, PEM.
    """

    @property
    def address(self) -> tuple[str, int] | None: ...
    @property
    def ca(self) -> Path: ...


def mode_kind(mode: str) -> str:
    """The first word of a proxy mode, such as "reverse" of "reverse:URL"."""
    return mode.partition(":")[0].partition("@")[0]


def for_command(
    running: ListenAddress, mode: str, folder: Path, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of a command whose sessions are recorded.

    Args:
        running: the recorder.
        mode: its mode. Proxy variables are set only if the recorder is a proxy; WSPROXY_URL
            is always set to its URL.
        folder: the certificate bundle is written to it.
        base: the environment to extend; None: the one that wsproxy was started with.
    """
    env = app_environment() if base is None else dict(base)
    if running.address is None:
        return env
    where = authority(*reachable(running.address))
    url = f"http://{where}"
    env["WSPROXY_URL"] = url
    bundle = _bundle(running.ca, folder, env.get("SSL_CERT_FILE"))
    for name in _BUNDLE_VARIABLES:
        env[name] = str(bundle)
    env["NODE_EXTRA_CA_CERTS"] = env["DENO_CERT"] = str(running.ca)
    kind = mode_kind(mode)
    if kind in _PROXY_MODES:
        _use_proxy(env, f"{_PROXY_MODES[kind]}://{where}")
    if kind in ("regular", "upstream"):
        preloads.set_variables(env, url, running.ca, folder)
    return env


def _use_proxy(env: dict[str, str], url: str) -> None:
    for name in _PROXY_VARIABLES:
        env[name] = env[name.upper()] = url
    # Sessions with servers on this machine are recorded as well.
    for name in ("no_proxy", "NO_PROXY"):
        env.pop(name, None)


def _bundle(ca: Path, folder: Path, own: str | None) -> Path:
    """Write the usual CA certificates, the user's own and the recorder's to one file."""
    parts = [Path(certifi.where()).read_bytes(), ca.read_bytes()]
    if own is not None and Path(own).is_file():
        parts.insert(0, Path(own).read_bytes())
    bundle = folder / "ca-bundle.pem"
    bundle.write_bytes(b"\n".join(parts))
    return bundle
