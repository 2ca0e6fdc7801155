"""Commands of wsproxy that are run in this process.

For tests of what a command prints and with what it exits: a process of its own takes half a
second to import the same code again. Not for tests of signals, terminals or killed processes.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import Queue
from unittest import mock

from click.testing import CliRunner

from wsproxy.cli.main import main


def put_each(lines: Iterable[str], queue: Queue[str]) -> None:
    """Put every line into a queue; for a thread that reads the output of a process."""
    for line in lines:
        queue.put(line)


def wsproxy(
    *arguments: object, cwd: Path | None = None, merged: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `wsproxy ARGUMENTS` with more variables in its environment, and nothing on stdin.

    Args:
        merged: write stderr to stdout, in the order in which a terminal shows both.
    """
    given = ["wsproxy", *map(str, arguments)]
    variables = {"COLUMNS": "80", **os.environ, **environment}
    out = _captured()
    err = out if merged else _captured()
    with (
        mock.patch.object(sys, "argv", given),
        mock.patch.object(sys, "stdin", io.StringIO()),
        mock.patch.dict(os.environ, variables, clear=True),
        contextlib.chdir(cwd or Path.cwd()),
        _signals_kept(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = _status_of_main()
    return subprocess.CompletedProcess(given, status, _text(out), "" if merged else _text(err))


def _status_of_main() -> int:
    """Run main; the exit status, as the interpreter would make it of an exception."""
    try:
        main()
    except SystemExit as exit_:
        if exit_.code is None or isinstance(exit_.code, int):
            return exit_.code or 0
        print(exit_.code, file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Commands set handlers, which a process takes with it when it ends."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _captured() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(captured: io.TextIOWrapper) -> str:
    captured.flush()
    buffer = captured.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


READERS = (
    ["list"],
    ["list", "--json"],
    ["show", "--full"],
    ["show", "--json"],
    ["show", "--transcript"],
    ["show", "--latency"],
    ["show", "--waveform"],
    ["explain", "--all"],
    ["explain", "--json"],
    ["explain", "--markdown"],
)


def printed_by_readers(trace: Path) -> str:
    """What the commands that read a trace print."""
    printed = []
    for name, *options in READERS:
        command = importlib.import_module(f"wsproxy.cli.{name}").command
        done = CliRunner().invoke(command, [str(trace), *options], catch_exceptions=False)
        printed.append(done.output)
    return "\n".join(printed)
