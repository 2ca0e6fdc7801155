"""What the `wsproxy` command begins and ends with."""

from __future__ import annotations

import contextlib
import os
import sys

from wsproxy.system.python_path import isolate


def main() -> None:
    """Run the command without the app's modules, and exit with its status for certain."""
    isolate()
    from .main import main as run  # noqa: PLC0415  # not before `isolate`

    try:
        run()
    except SystemExit as end:
        _leave(end.code)
        raise
    _leave(0)


def _leave(code: object) -> None:
    """End the process with a status that nothing can change any more.

    mitmproxy runs native threads. One that outlives the interpreter can crash the process,
    and the app's exit status would be lost.
    """
    if "mitmproxy_rs" not in sys.modules or not (code is None or isinstance(code, int)):
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit((code or 0) & 0xFF)
