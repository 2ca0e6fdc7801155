"""Starts the server of `wsproxy view` in a process of its own, beside a recorder.

The recorder does not load what the pages are made of.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wsproxy.catalog.loader import given_files
from wsproxy.view import requirements

_END_AFTER = 5.0  # seconds that the process has to end


@contextmanager
def viewing(folder: Path) -> Iterator[None]:
    """Show a folder in the browser, for the body of a `with`; the process prints the URL on stderr.

    It has a lower priority than the recorder, and ends with this process, however that ends.

    Raises:
        UsageError: tornado is not installed.
    """
    requirements.check()
    with suppress(OSError):  # the recorder reports it
        folder.mkdir(parents=True, exist_ok=True)
    catalogs = [f"--catalog={path}" for path in given_files()]
    process = subprocess.Popen(
        [sys.executable, "-m", "wsproxy", "view-process", *catalogs, "--", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the recorder, whose last records are shown
    )
    assert process.stdin is not None
    try:
        yield
    finally:
        process.stdin.close()
        try:
            process.wait(_END_AFTER)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
