"""Traces are read, explained and replayed where mitmproxy is not installed.

Which package may import which is in pyproject.toml, [tool.importlinter]; `make lint` checks it.
"""

from __future__ import annotations

import subprocess
import sys

READERS = (
    "api catalog compare diagnose distill export load mutate replayer report scrub session "
    "simulate trace cli.main"
)


def test_packages_other_than_proxy_do_not_load_mitmproxy() -> None:
    modules = ", ".join(f"wsproxy.{name}" for name in READERS.split())
    code = f"import sys, {modules}; print([m for m in sys.modules if 'mitmproxy' in m])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
