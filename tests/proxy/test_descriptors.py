"""Running out of file descriptors is the recorder's own limit, and said to be."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from commands import put_each
from test_disk_faults import no_more_files
from wire_witness import PATIENCE
from wsproxy.proxy import failure_cause
from wsproxy.recorder.file_descriptors import are_exhausted

pytestmark = pytest.mark.real_processes


def limited(soft: int, hard: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="/proc is Linux's")
def test_run_raises_own_limit_and_keeps_limit_of_app(tmp_path: Path) -> None:
    code = (
        "import os, resource; print(resource.getrlimit(resource.RLIMIT_NOFILE));"
        "print(next(line for line in open(f'/proc/{os.getppid()}/limits') if 'open files' in line))"
    )
    command = [sys.executable, "-m", "wsproxy", "run", "--out", str(tmp_path / "out")]
    command += ["--confdir", str(tmp_path / "conf"), "--", sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, preexec_fn=limited(200, 321)
    )
    apps, ours = done.stdout.splitlines()[:2]
    assert apps == "(200, 321)"
    assert ours.split()[3:5] == ["321", "321"]


@pytest.mark.parametrize("message", ["[Errno 24] Too many open files", "Name or service not known"])
def test_failure_of_text_without_descriptors_is_the_recorders(message: str) -> None:
    with no_more_files():
        assert are_exhausted()
        cause = failure_cause.from_text(message)
    assert cause.where == "recorder"
    assert message in cause.message
    assert "ulimit" in cause.message


def test_failure_of_text_with_descriptors_is_the_servers() -> None:
    assert not are_exhausted()
    assert failure_cause.from_text("Name or service not known").where == "dns"


@contextlib.contextmanager
def recording(folder: Path, files: int) -> Iterator[tuple[int, Queue[str]]]:
    """`wsproxy record` with a limit of open files: its port, and its lines on stderr."""
    command = [sys.executable, "-m", "wsproxy", "record", "--listen", "127.0.0.1:0"]
    command += ["--out", str(folder / "out"), "--confdir", str(folder / "conf")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limited(files, files),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    stderr, log_lines = process.stderr, Queue[str]()
    reading = Thread(target=put_each, args=(stderr, log_lines))
    reading.start()
    try:
        yield int(process.stdout.readline().rpartition(":")[2]), log_lines
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
        reading.join()


def test_record_out_of_descriptors_is_logged_and_continues(tmp_path: Path) -> None:
    with recording(tmp_path, 60) as (port, log_lines), contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
        line = log_lines.get(timeout=PATIENCE)
        assert "the recorder has reached its limit of open files and connections: 60" in line
        assert "ulimit -n" in line
        stack.close()
        # asyncio accepts again after a second.
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as app:
            app.sendall(b"GET / HTTP/1.1\r\nHost: 0.0.0.0:%d\r\n\r\n" % port)
            assert app.recv(100).startswith(b"HTTP/1.1 421 ")
    assert list((tmp_path / "out").iterdir()) == []
