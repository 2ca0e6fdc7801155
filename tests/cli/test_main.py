"""The command's output where it cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real_processes

SHOW = [sys.executable, "-m", "wsproxy", "catalog", "list"]
FULL = Path("/dev/full")


def test_main_closed_output_pipe_is_no_error() -> None:
    with subprocess.Popen(SHOW, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() in (0, 1)


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")
def test_main_output_on_full_disk_is_one_line_error() -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(SHOW, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.stderr == b"error: cannot write the output: No space left on device\n"
    assert done.returncode == 1
