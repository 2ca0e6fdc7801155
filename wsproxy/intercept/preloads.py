"""Code and settings that are loaded by the programs of a recorded command.

They route connections of libraries and languages that read no proxy variables, and add the
recorder's CA to certificates that an app loads itself.
"""

from __future__ import annotations

import os
from pathlib import Path

_FOLDER = Path(__file__).parent / "preload"


def set_variables(env: dict[str, str], proxy: str, ca: Path) -> None:
    """Make Python and Node load code that routes their connections.

    Args:
        env: the environment of the command; it is changed.
        proxy: the recorder's URL.
        ca: its CA certificate, PEM.
    """
    env["WSPROXY_PROXY"] = proxy
    env["WSPROXY_CA"] = str(ca)
    node = _FOLDER / "node" / "proxy.cjs"
    env["NODE_OPTIONS"] = f'{env.get("NODE_OPTIONS", "")} --require "{node}"'.strip()
    env["PYTHONPATH"] = os.pathsep.join(
        part for part in (str(_FOLDER / "python"), env.get("PYTHONPATH")) if part
    )
