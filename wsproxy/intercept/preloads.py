"""Code and settings that are loaded by the programs of a recorded command.

They route connections of libraries and languages that read no proxy variables, and add the
recorder's CA to certificates that an app loads itself.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import loaded_clients
from .chromium_flags import chromium_flags
from .java_options import tool_options

_FOLDER = Path(__file__).parent / "preload"


def set_variables(env: dict[str, str], proxy: str, ca: Path, folder: Path) -> None:
    """Make Python, Node, Bun and Java route their connections through the recorder.

    WSPROXY_CHROMIUM_FLAGS is for the user's command line: Chromium reads no variable.

    Args:
        env: the environment of the command, with its proxy and certificate variables; it is
            changed.
        proxy: the recorder's URL.
        ca: its CA certificate, PEM.
        folder: files are written to it.
    """
    env["WSPROXY_PROXY"] = proxy
    env["WSPROXY_CA"] = str(ca)
    reports = clients_folder(folder)
    loaded_clients.prepare(reports)
    env[loaded_clients.VARIABLE] = str(reports)
    env["PYTHONPATH"] = os.pathsep.join(
        part for part in (str(_FOLDER / "python"), env.get("PYTHONPATH")) if part
    )
    # With slashes on Windows too: a backslash in quotes is an escape.
    node = (_FOLDER / "node" / "proxy.cjs").as_posix()
    _append(env, "NODE_OPTIONS", f'--require "{node}"')
    _append(env, "BUN_OPTIONS", _bun_option(f"--preload={_FOLDER / 'bun' / 'proxy.mjs'}"))
    env["JAVA_TOOL_OPTIONS"] = tool_options(env, proxy, Path(env["SSL_CERT_FILE"]), folder)
    env["WSPROXY_CHROMIUM_FLAGS"] = " ".join(chromium_flags(proxy, ca, folder / "chromium"))


def clients_folder(folder: Path) -> Path:
    """Where the preloads report which clients were loaded (`loaded_clients.read`)."""
    return folder / "clients"


def _append(env: dict[str, str], name: str, option: str) -> None:
    env[name] = f"{env.get(name, '')} {option}".strip()


def _bun_option(option: str) -> str:
    """Bun knows quotes around an option, not in it."""
    return f'"{option}"' if " " in option else option
