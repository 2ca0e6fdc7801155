"""The recorder in a process of its own, so that figures of memory are the recorder's."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from forked_commands import real_processes
from wire_servers import listens, unused_port
from wire_witness import wait_until

_ATTEMPTS = 3
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class Growth:
    """Attributes: most: MiB; known after the `with`."""

    most: float = 0.0


@dataclass(frozen=True)
class RecorderProcess:
    """A running mitmdump with addons/record.py, or without it.

    Attributes:
        out: the folder of the traces.
    """

    pid: int
    port: int
    out: Path
    _inside: int

    def memory(self) -> float:
        """Resident memory now, MiB."""
        return self._status("VmRSS") / 1024

    @contextlib.contextmanager
    def growth(self) -> Iterator[Growth]:
        """The maximum growth of resident memory in the body of a `with`."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # proc(5): forgets VmHWM
        before, growth = self.memory(), Growth()
        yield growth
        growth.most = self._status("VmHWM") / 1024 - before

    def has_open(self, folder: Path) -> bool:
        """Whether it has a file of a folder open."""
        for each in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if each.readlink().is_relative_to(folder):
                    return True
        return False

    def left(self) -> dict[str, int]:
        """What is there once mitmproxy has let go of all connections: files, tasks, objects."""
        found = self._ask(b"all\n")
        found["files"] = len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
        return found

    def _ask(self, what: bytes) -> dict[str, int]:
        with socket.create_connection(("127.0.0.1", self._inside), 20) as sock:
            sock.sendall(what)
            with sock.makefile("rb") as answer:
                found: dict[str, int] = json.loads(answer.read())
                return found

    def _status(self, key: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        raise AssertionError(f"no {key} of process {self.pid}")


@contextlib.contextmanager
def recorder_process(folder: Path, *options: str, record: bool = True) -> Iterator[RecorderProcess]:
    """Run a recorder for the body of a `with`; its traces go to `folder`/traces.

    Args:
        options: further options of mitmproxy, as "name=value".
        record: False for bare mitmdump.
    """
    out = folder / "traces"
    started = None
    for _ in range(_ATTEMPTS):  # another process may take a free port first
        if (started := _start(folder, out if record else None, options)) is not None:
            break
    assert started is not None
    process, port, inside = started
    try:
        yield RecorderProcess(process.pid, port, out, inside)
    finally:
        process.terminate()
        process.wait()


def _start(
    folder: Path, out: Path | None, options: Sequence[str]
) -> tuple[subprocess.Popen[bytes], int, int] | None:
    """A process that listens, its port and that of its counts; None if it has ended."""
    port, inside = unused_port(), unused_port()
    settings = [f"confdir={folder / 'conf'}", f"object_counter_port={inside}", "ssl_insecure=true"]
    command = [str(Path(sys.executable).parent / "mitmdump"), "-q"]
    command += ["-s", str(Path(__file__).with_name("object_counter.py"))]
    if out is not None:
        command += ["-s", str(CHECKOUT / "addons" / "record.py")]
        settings.append(f"wsproxy_out={out}")
    command += ["--listen-host", "127.0.0.1", "--listen-port", str(port)]
    for each in [*settings, *options]:
        command += ["--set", each]
    with real_processes():  # one that is forked shares memory with its parent
        process = subprocess.Popen(command, cwd=folder)
    try:
        wait_until(lambda: process.poll() is not None or (listens(port) and listens(inside)))
    except BaseException:
        process.kill()
        raise
    return (process, port, inside) if process.poll() is None else None
