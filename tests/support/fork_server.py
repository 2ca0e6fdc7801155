"""A process that has imported wsproxy and forks into the commands that tests start.

`forked_commands` starts it and says what it is for. Each request is one message on a socket: what
`Popen` was given, with the descriptors of the new process. The answer is its process id.

The command becomes a child of the process that asks, as after a fork of its own: the process
between the two ends at once, and the one that asks is for this moment the one that adopts.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import gc
import importlib
import io
import json
import os
import resource
import runpy
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_REQUEST = 100_000  # bytes; more does not go in one message
MAX_FDS = 32


@dataclass(frozen=True)
class Request:
    """How a process begins; texts of the system are decoded as Latin-1.

    Attributes:
        fds: which descriptors it has; they are sent in this order.
        limits: soft and hard limit of each resource.
        blocked: numbers of the signals that are blocked.
    """

    argv: list[str]
    env: list[str]
    cwd: str
    fds: list[int]
    limits: list[tuple[int, tuple[int, int]]]
    blocked: list[int]
    umask: int
    new_session: bool
    process_group: int


def serve(server: socket.socket) -> Request:
    """Fork at each request; returns in the new process only. Ends with the other end's socket."""
    while True:
        message, received, _, _ = socket.recv_fds(server, MAX_REQUEST, MAX_FDS)
        if not message:
            os._exit(0)
        if len(list(Path("/proc/self/task").iterdir())) != 1:
            os._exit(1)  # a lock that another thread holds would be held for ever
        request = _forked(server, Request(**json.loads(message)), received)
        if request is not None:
            return request


def _forked(server: socket.socket, request: Request, received: list[int]) -> Request | None:
    """Fork; None in the server, which answers with the process id, or 0 if there is none."""
    pid_read, pid_write = os.pipe()
    adopted_read, adopted_write = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            pid = os.fork()
        except OSError:
            os._exit(1)
        if pid:
            os.write(pid_write, pid.to_bytes(4, "little"))
            os._exit(0)
        os.close(adopted_write)
        os.read(adopted_read, 1)  # returns once both others have closed it
        _become(request, received)
        return request
    os.close(pid_write)
    pid_bytes = os.read(pid_read, 4)
    os.waitpid(between, 0)
    for fd in (pid_read, adopted_read, adopted_write, *received):
        os.close(fd)
    server.send(pid_bytes or bytes(4))
    return None


def _become(request: Request, received: list[int]) -> None:
    """Give this process all that an executed one has from the one that starts it."""
    _take(request.fds, received)
    if request.new_session:
        os.setsid()
    if request.process_group >= 0:
        os.setpgid(0, request.process_group)
    os.chdir(request.cwd)
    os.umask(request.umask)
    for number, both in request.limits:
        resource.setrlimit(number, both)
    signal.pthread_sigmask(signal.SIG_SETMASK, request.blocked)
    os.environ.clear()
    for each in request.env:
        name, _, value = each.encode("latin-1").partition(b"=")
        os.environb[name] = value
    time.tzset()
    if os.environ.get("PYTHONFAULTHANDLER"):
        faulthandler.enable(2)
    if "mitmproxy" in sys.modules:
        gc.unfreeze()  # a recorder freezes unless the program does; for others it saves the end
    _open_streams()


def _take(wanted: list[int], received: list[int]) -> None:
    """Put the received descriptors where they are wanted, and close all others."""
    above = max(*wanted, *received) + 1
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, above) for fd in received]
    for fd, target in zip(high, wanted, strict=True):
        os.dup2(fd, target)
    opened = {int(each.name) for each in Path("/proc/self/fd").iterdir()}
    for fd in opened.difference(wanted):
        with contextlib.suppress(OSError):  # that of the folder
            os.close(fd)


def _open_streams() -> None:
    """The standard streams, as the interpreter makes them when it starts."""
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    for fd, name, mode in ((0, "stdin", "rb"), (1, "stdout", "wb"), (2, "stderr", "wb")):
        old = getattr(sys, name)
        plain = unbuffered and fd > 0
        buffer: Any = open(fd, mode, 0 if plain else -1, closefd=False)  # noqa: SIM115  # stays
        (buffer if plain else buffer.raw).name = f"<{name}>"
        stream = io.TextIOWrapper(
            buffer,
            encoding=old.encoding,
            errors=old.errors,
            newline="\n",
            line_buffering=not plain and (fd == 2 or os.isatty(fd)),
            write_through=plain,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def run(argv: list[str]) -> None:
    """Run a script, or what `python` runs of these arguments."""
    sys.orig_argv = argv
    if argv[1:2] == ["-mpytest"]:
        argv = [argv[0], "-m", "pytest", *argv[2:]]
        sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if "-m" in argv[:3]:
        module = argv.index("-m") + 1
        sys.argv = ["-m", *argv[module + 1 :]]
        if "-P" not in argv[:module]:
            sys.path.insert(0, str(Path.cwd()))
        as_main: Any = vars(runpy)["_run_module_as_main"]
        as_main(argv[module])
    elif argv[1:2] == ["-c"]:
        sys.argv = ["-c", *argv[3:]]
        sys.path.insert(0, "")
        exec(argv[2], vars(sys.modules["__main__"]))
    else:
        sys.argv = argv
        sys.path.insert(0, str(Path(argv[0]).parent))
        runpy.run_path(argv[0], run_name="__main__")


def prepare(modules: list[str]) -> None:
    """Import what the commands import; nothing of it may start a thread."""
    del sys.path[0]  # the folder of this module
    for name in modules:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what is shared with the commands is not written to by a collection here


if __name__ == "__main__":
    prepare(sys.argv[2:])
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        begun = serve(asked)
        asked.detach()  # `serve` has closed its descriptor
    run([os.fsdecode(each.encode("latin-1")) for each in begun.argv])
