"""Runs parts of the suite as on another platform, or without mitmproxy.

    python tests/support/legs.py [macos | windows | no-mitmproxy]... [-- ARGUMENTS OF PYTEST]

`platforms/sitecustomize.py` hides what is not there. This shows what the names that are missing
lead to; it is no test of another kernel.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[1]

LEGS = {
    "macos": [
        "project/test_platforms.py",
        "proxy/test_reset_after_fin.py",
        "proxy/test_relay.py",
        "-k=test_platforms or test_reset_after_fin or reset or half",
    ],
    "windows": [
        "project/test_platforms.py",
        "trace/test_blocks.py",
        "replayer/test_trace_library.py",
    ],
    "no-mitmproxy": ["project/test_platforms.py"],
}


def run(leg: str, *arguments: str) -> int:
    env = dict(os.environ, WSPROXY_TEST_PLATFORM=leg, PYTHONPATH=str(HERE / "platforms"))
    chosen = [str(HERE / each) if each.endswith(".py") else each for each in LEGS[leg]]
    command = [sys.executable, "-m", "pytest", *arguments, *chosen]
    print(f"as on {leg}:" if leg != "no-mitmproxy" else "without mitmproxy:", flush=True)
    return subprocess.run(command, env=env, cwd=HERE.parent, check=False).returncode


if __name__ == "__main__":
    legs, _, rest = " ".join(sys.argv[1:]).partition("--")
    sys.exit(max(run(leg, *rest.split()) for leg in legs.split() or LEGS))
