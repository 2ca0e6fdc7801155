"""The contestants: how each is started, and what it costs while it runs."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTESTANTS = ("relay", "mitmdump", "mitmdump -w", "wsproxy")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Proxy:
    """A running contestant.

    Attributes:
        port: where it listens; None: no proxy at all.
        pid: of its only process.
        folder: what it writes goes here.
    """

    name: str
    port: int | None
    pid: int | None
    folder: Path

    def cpu(self) -> float:
        """User and system time so far, of all threads, seconds."""
        if self.pid is None:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss(self) -> float:
        """Resident memory, MiB."""
        if self.pid is None:
            return 0.0
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@contextlib.contextmanager
def running(name: str, *more: str) -> Iterator[Proxy]:
    """Run a contestant ("direct" is none) for the body of a `with`.

    Args:
        more: arguments of its command.
    """
    with tempfile.TemporaryDirectory(prefix="wsproxy-bench-") as folder:
        if name == "direct":
            yield Proxy(name, None, None, Path(folder))
            return
        port = free_port()
        process = subprocess.Popen(
            [*_command(name, port, Path(folder)), *more],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for who runs it
        )
        try:
            wait_for(port, lambda: process.poll() is None)
            yield Proxy(name, port, process.pid, Path(folder))
        finally:
            process.terminate()
            process.wait()


def _command(name: str, port: int, folder: Path) -> list[str]:
    if name == "relay":
        return [sys.executable, "-m", "benchmarks.relay", str(port)]
    mitmdump = [str(Path(sys.executable).parent / "mitmdump"), "--quiet", "--ssl-insecure"]
    mitmdump += ["--listen-host", "127.0.0.1", "--listen-port", str(port)]
    mitmdump += ["--set", f"confdir={ROOT / '.bench-ca'}"]
    if name == "mitmdump -w":
        mitmdump += ["-w", str(folder / "flows")]
    elif name == "wsproxy":
        mitmdump += ["-s", "addons/record.py", "--set", f"wsproxy_out={folder}"]
    return mitmdump


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(port: int, runs: Callable[[], bool] = lambda: True) -> None:
    """Wait until somebody listens on a port."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and runs():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")
