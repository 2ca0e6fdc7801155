"""The environment that sends a command through the recorder and makes it trust its CA."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import certifi

from wsproxy.address import authority, reachable
from wsproxy.isolation import app_environment

_PRELOAD = Path(__file__).parent / "preload"

# Libraries differ in which ones they read, and in which case.
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy")

# The modes in which the recorder is a proxy that apps name, and how they name it.
_PROXY_MODES = {"regular": "http", "upstream": "http", "socks5": "socks5h"}

# Each replaces the library's own bundle, so it gets all certificates.
_BUNDLE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "WEBSOCKET_CLIENT_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)


class Listening(Protocol):
    """A recorder, in this process or in another one.

    Attributes:
        address: (host, port) that it listens on; None in modes without a port.
        ca: the CA certificate that apps have to trust, PEM.
    """

    @property
    def address(self) -> tuple[str, int] | None: ...
    @property
    def ca(self) -> Path: ...


def mode_kind(mode: str) -> str:
    """The first word of a proxy mode: of "reverse:URL", "socks5@8080" ..."""
    return mode.partition(":")[0].partition("@")[0]


def for_command(
    running: Listening, mode: str, folder: Path, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of a command whose sessions are to be recorded.

    Args:
        running: the recorder.
        mode: its mode. Only where the recorder is a proxy are proxy variables set;
            WSPROXY_URL always tells the command where it is.
        folder: where the certificate bundle is written.
        base: the environment to begin with; None is the one that wsproxy was started with.
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
        _use_preloads(env)
    return env


def _use_proxy(env: dict[str, str], url: str) -> None:
    for name in _PROXY_VARIABLES:
        env[name] = env[name.upper()] = url
    # An app that talks to this machine is to be recorded as well.
    for name in ("no_proxy", "NO_PROXY"):
        env.pop(name, None)
    env["NODE_USE_ENV_PROXY"] = "1"


def _use_preloads(env: dict[str, str]) -> None:
    """Have Python and Node load what teaches libraries that know no proxy to use one."""
    preload = _PRELOAD / "node" / "proxy.cjs"
    env["NODE_OPTIONS"] = f'{env.get("NODE_OPTIONS", "")} --require "{preload}"'.strip()
    env["PYTHONPATH"] = os.pathsep.join(
        part for part in (str(_PRELOAD / "python"), env.get("PYTHONPATH")) if part
    )


def _bundle(ca: Path, folder: Path, own: str | None) -> Path:
    """Certificates of the usual authorities, the user's own and the recorder's, in one file."""
    parts = [Path(certifi.where()).read_bytes(), ca.read_bytes()]
    if own is not None and Path(own).is_file():
        parts.insert(0, Path(own).read_bytes())
    bundle = folder / "ca-bundle.pem"
    bundle.write_bytes(b"\n".join(parts))
    return bundle
