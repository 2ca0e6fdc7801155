"""Code and settings that are loaded by the programs of a recorded command.

They route connections of libraries and languages that read no proxy variables, and add the
recorder's CA to certificates that an app loads itself.
"""

from __future__ import annotations

import os
import shutil
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
    preload = _readable(_FOLDER, folder)
    env["PYTHONPATH"] = os.pathsep.join(
        part for part in (str(preload / "python"), env.get("PYTHONPATH")) if part
    )
    # With slashes on Windows too: a backslash in quotes is an escape.
    node = (preload / "node" / "proxy.cjs").as_posix()
    _append(env, "NODE_OPTIONS", f'--require "{node}"')
    _append(env, "BUN_OPTIONS", _bun_option(f"--preload={preload / 'bun' / 'proxy.mjs'}"))
    env["JAVA_TOOL_OPTIONS"] = tool_options(env, proxy, Path(env["SSL_CERT_FILE"]), folder)
    env["WSPROXY_CHROMIUM_FLAGS"] = " ".join(chromium_flags(proxy, ca, folder / "chromium"))


def _readable(code: Path, folder: Path) -> Path:
    """The preloads, or a copy where root's other users can read them.

    A command that root starts may change its user, and Node does not start with a preload that it
    cannot read: wsproxy may be installed in root's home folder.
    """
    if os.name != "posix" or os.geteuid() != 0:
        return code
    if all(each.stat().st_mode & 0o005 == 0o005 for each in (code, *code.parents)):
        return code
    copy = folder / "preload"
    shutil.copytree(code, copy, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    return copy


def clients_folder(folder: Path) -> Path:
    """Where the preloads report which clients were loaded (`loaded_clients.read`)."""
    return folder / "clients"


def _append(env: dict[str, str], name: str, option: str) -> None:
    env[name] = f"{env.get(name, '')} {option}".strip()


def _bun_option(option: str) -> str:
    """Bun knows quotes around an option, not in it."""
    return f'"{option}"' if " " in option else option
