"""What the `wsproxy` command begins and ends with."""

from __future__ import annotations

import contextlib
import gc
import os
import sys

from wsproxy.system.python_path import isolate

# New objects after which the collector looks for unreachable ones. With Python's default of 700 it
# does so hundreds of times during the imports, a sixth of the time that a recorder takes to start.
_COLLECT_AFTER = 20_000


def main() -> None:
    """Run the command without the app's modules, and exit with its status for certain."""
    isolate()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
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
