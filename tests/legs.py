"""Runs parts of the suite as on another platform, or without mitmproxy: python tests/legs.py.

    python tests/legs.py [macos | windows | no-mitmproxy]... [-- ARGUMENTS OF PYTEST]

`platforms/sitecustomize.py` hides what is not there. This shows what the names that are missing
lead to; it is no test of another kernel.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

# What only reads, and what replays and simulates.
_READERS = """
    test_platforms.py test_trace.py test_blocks.py test_index.py test_replacement.py
    test_catalog_cli.py test_diff_cli.py test_bundle.py test_pace.py test_library.py
    test_mutate_cli.py test_which_traces.py test_replay_client.py
""".split()

LEGS = {
    "macos": ["test_platforms.py", "test_reset_watch.py", "test_unlike_ends.py", "test_relay.py"],
    "windows": _READERS,
    "no-mitmproxy": [*_READERS, "test_imports.py"],
}


def run(leg: str, *arguments: str) -> int:
    env = dict(os.environ, WSPROXY_TEST_PLATFORM=leg, PYTHONPATH=str(HERE / "platforms"))
    files = [str(HERE / name) for name in LEGS[leg]]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, *files]
    print(f"as on {leg}:" if leg != "no-mitmproxy" else "without mitmproxy:", flush=True)
    return subprocess.run(command, env=env, cwd=HERE.parent, check=False).returncode


if __name__ == "__main__":
    legs, _, rest = " ".join(sys.argv[1:]).partition("--")
    sys.exit(max(run(leg, *rest.split()) for leg in legs.split() or LEGS))
