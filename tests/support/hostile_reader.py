"""Reads files that strangers made, each in a process with little memory and 20 s of CPU.

    python -m hostile_reader BYTES

Everything is imported once; each path on standard input is read in a fork of that.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

MEMORY = 1 << 30  # bytes of address space


@contextlib.contextmanager
def hostile_reader() -> Iterator[Callable[[Path], str]]:
    """Start it; yields what reads a file, and returns what came of it in one line."""
    with subprocess.Popen(
        [sys.executable, "-m", "hostile_reader", str(MEMORY)],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        paths, answers = process.stdin, process.stdout

        def read(path: Path) -> str:
            print(path, file=paths, flush=True)
            return answers.readline()

        yield read
        paths.close()


def _main(memory: int) -> None:
    import resource

    from wsproxy.errors import TraceError
    from wsproxy.session import Session
    from wsproxy.trace import TraceReader

    for path in map(Path, map(str.strip, sys.stdin)):
        if child := os.fork():
            if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                print("failed:", status, flush=True)
            continue
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        try:
            session = Session.read(path)
            said = f"read {session.frame_count} {len(session.losses)}"
        except TraceError as error:
            said = f"error {error}"
        with TraceReader(path) as reader:
            reader.last()
        print(said, flush=True)
        os._exit(0)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
