"""Environment variables that route a command through the recorder and make it trust its CA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from wsproxy.system.address import authority, reachable
from wsproxy.system.python_path import app_environment

from . import preloads, trust

# Libraries differ in which of them they read, and in upper or lower case.
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy")

# The modes in which apps name the recorder as their proxy, with the scheme of its URL.
_PROXY_MODES = {"regular": "http", "upstream": "http", "socks5": "socks5h"}


_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


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
    running: ListenAddress,
    mode: str,
    folder: Path,
    base: Mapping[str, str] | None = None,
    *,
    proxy: tuple[str, int] | None = None,
) -> dict[str, str]:
    """The environment of a command whose sessions are recorded.

    Args:
        running: the recorder.
        mode: its mode. Proxy variables are set only if the recorder is a proxy; WSPROXY_URL
            is always set to its URL.
        folder: certificate bundles are written to it; other users can read it then.
        base: the environment to extend; None: the one that wsproxy was started with.
        proxy: address of a regular proxy beside the recorder's reverse proxy. The reverse
            proxy itself, which is on this machine, is not reached through it.
    """
    env = app_environment() if base is None else dict(base)
    if running.address is None:
        return env
    where = authority(*reachable(running.address))
    url = f"http://{where}"
    env["WSPROXY_URL"] = url
    ca = _copied(running.ca, folder)
    trust.set_variables(env, ca, folder)
    kind = mode_kind(mode)
    if kind in _PROXY_MODES:
        _use_proxy(env, f"{_PROXY_MODES[kind]}://{where}")
    if kind in ("regular", "upstream"):
        preloads.set_variables(env, url, ca, folder)
    if proxy is not None:
        beside = f"http://{authority(*proxy)}"
        _use_proxy(env, beside)
        env["no_proxy"] = env["NO_PROXY"] = ",".join(_THIS_MACHINE)
        preloads.set_variables(env, beside, ca, folder)
    return env


def _copied(ca: Path, folder: Path) -> Path:
    """The CA certificate, where other users can read it.

    It is usually in the user's home folder. A command that root starts may change its user.
    """
    folder.chmod(0o755)
    copy = folder / "recorder-ca.pem"
    copy.write_bytes(ca.read_bytes())
    return copy


def _use_proxy(env: dict[str, str], url: str) -> None:
    for name in _PROXY_VARIABLES:
        env[name] = env[name.upper()] = url
    # Sessions with servers on this machine are recorded as well.
    for name in ("no_proxy", "NO_PROXY"):
        env.pop(name, None)
