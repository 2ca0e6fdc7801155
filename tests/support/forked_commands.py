"""Commands of wsproxy that tests start as processes, without the time that they take to import.

A process that has imported wsproxy forks into each (`fork_server`): 20 ms instead of 300 ms of
processor time, or 300 ms instead of 900 ms with a recorder. They are processes as others are:
children of the one that starts them, with their own descriptors, environment, folder, limits,
session and signals, and they end as an interpreter ends. For tests whose subject is how a process
starts, what it imports or how much memory it has, there is `@pytest.mark.real_processes`.

Forked are: `python -m wsproxy` and the scripts `wsproxy` and `mitmdump` of this environment,
started with `subprocess`, the processes of `multiprocessing`, and pytest as pytester starts it. All
else is started as ever, and so are these where the environment has another variable that Python
reads when it starts (PYTHONPATH, except for pytest), where coverage is measured, and on other
systems than Linux.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fork_server import MAX_FDS, MAX_REQUEST

_PYTHON = os.fsencode(sys.executable)  # a test may patch it
_BIN = Path(sys.executable).parent
_MODULE_RUNS = ([b"-m", b"wsproxy"], [b"-P", b"-m", b"wsproxy"])
_PYTEST_RUN = b"-mpytest"  # by pytester
_SPAWNED = b"from multiprocessing.spawn import spawn_main;"
_SCRIPTS = {os.fsencode(_BIN / name) for name in ("wsproxy", "mitmdump")}
# These import mitmproxy at once.
_RECORDERS = {b"record", b"run", b"proxy-process", b"doctor"}
_READER_MODULES = (
    *("wsproxy.cli.main", "wsproxy.cli.catalog", "wsproxy.cli.explain", "wsproxy.cli.follow"),
    *("wsproxy.cli.list", "wsproxy.cli.load", "wsproxy.cli.replay_client", "wsproxy.cli.show"),
    *("wsproxy.cli.replay_server", "wsproxy.cli.scrub", "wsproxy.cli.simulate", "wsproxy.cli.diff"),
    *("wsproxy.load.worker", "wsproxy.load.judge"),
)
_RECORDER_MODULES = ("wsproxy.cli.record", "wsproxy.cli.run", "wsproxy.proxy.child_process")
_PYTEST_MODULES = (
    *("pytest", "_pytest.config", "_pytest.python", "_pytest.terminal", "_pytest.assertion"),
    *("websockets.asyncio.client", "websockets.sync.client", "wsproxy.api", "wsproxy.replayer"),
    *("wsproxy.simulate", "wsproxy.diagnose"),
)
# Read by the interpreter, the C library or OpenSSL when a process starts.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_")
_PR_SET_CHILD_SUBREAPER = 36
_LIMITS = [value for name, value in vars(resource).items() if name.startswith("RLIMIT_")]

_real_fork_exec: Any = vars(subprocess).get("_fork_exec")  # not on Windows
_lock = threading.Lock()  # of the servers, and of who adopts
_enabled = True


def install() -> None:
    """Replace how this process starts commands of wsproxy."""
    if sys.platform == "linux" and "PYTHONPATH" not in os.environ:
        vars(subprocess).update(_fork_exec=_fork_exec, _USE_POSIX_SPAWN=False)
        vars(sys.modules["_posixsubprocess"]).update(fork_exec=_fork_exec)  # multiprocessing's


def is_installed() -> bool:
    """Whether commands are forked here."""
    return vars(subprocess).get("_fork_exec") is _fork_exec


@contextlib.contextmanager
def real_processes() -> Iterator[None]:
    """Start commands as ever in the body of a `with`."""
    global _enabled
    before, _enabled = _enabled, False
    try:
        yield
    finally:
        _enabled = before


def _fork_exec(
    args: Sequence[Any],
    executables: Sequence[bytes],
    close_fds: bool,
    kept: Sequence[int],
    cwd: Any,
    env: Sequence[bytes] | None,
    *others: Any,
) -> int:
    """What `subprocess` calls in place of `_posixsubprocess.fork_exec`."""
    given = [os.fsencode(each) for each in args]
    environment = _environment() if env is None else list(env)
    plain = (
        _enabled and close_fds and given[0] in executables and _is_plain(given, others, environment)
    )
    modules = _modules_of(given) if plain else None
    folder = Path.cwd() if cwd is None else Path(os.fsdecode(cwd))
    if modules is None or not folder.is_dir():
        return int(_real_fork_exec(args, executables, close_fds, kept, cwd, env, *others))
    p2cread, _, _, c2pwrite, _, errwrite, _, errpipe_write, *_ = others
    standard = [own if fd < 0 else fd for own, fd in enumerate((p2cread, c2pwrite, errwrite))]
    passed = [fd for fd in kept if fd != errpipe_write]
    request = {
        "argv": [each.decode("latin-1") for each in given],
        "env": [each.decode("latin-1") for each in environment],
        "cwd": str(folder),
        "fds": [0, 1, 2, *passed],
        "limits": [(number, resource.getrlimit(number)) for number in _LIMITS],
        "blocked": [int(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
        "umask": _umask(),
        "new_session": bool(others[9]),
        "process_group": others[10],
    }
    message = json.dumps(request).encode()
    if len(message) > MAX_REQUEST or len(passed) + 3 > MAX_FDS:
        return int(_real_fork_exec(args, executables, close_fds, kept, cwd, env, *others))
    with _lock, _adopting():
        return _server(modules).ask(message, [*standard, *passed])


def _environment() -> list[bytes]:
    return [name + b"=" + value for name, value in os.environb.items()]


def _is_plain(args: list[bytes], others: Sequence[Any], environment: Sequence[bytes]) -> bool:
    """Whether nothing is asked for that the server does not do."""
    *_, gid, groups, uid, umask, prepare, _ = others
    if not (gid is groups is uid is prepare is None and umask < 0):
        return False
    if any(each.startswith(b"COVERAGE_") for each in environment):
        return False  # each process is measured from its start to its end
    done = [b"PYTHONUNBUFFERED=", b"PYTHONFAULTHANDLER="]  # by the server
    done += [b"PYTHONPATH="] * (_PYTEST_RUN in args[1:2])
    return _read_at_start(environment, done) == _read_at_start(_environment(), done)


def _read_at_start(environment: Sequence[bytes], done: list[bytes]) -> list[bytes]:
    starting = tuple(map(str.encode, _READ_AT_START))
    return sorted(
        e for e in environment if e.startswith(starting) and not e.startswith(tuple(done))
    )


def _modules_of(args: list[bytes]) -> tuple[str, ...] | None:
    """What the server of a command imports; None if it is no command of this environment."""
    if args[0] == _PYTHON:
        if args[1:2] == [b"-c"] and args[2].startswith(_SPAWNED):
            return _READER_MODULES
        if args[1:2] == [_PYTEST_RUN]:
            return _PYTEST_MODULES
        if not any(args[1 : len(run) + 1] == run for run in _MODULE_RUNS):
            return None
    elif args[0] not in _SCRIPTS:
        return None
    if args[0].endswith(b"mitmdump") or _RECORDERS.intersection(args):
        return _RECORDER_MODULES
    return _READER_MODULES


def _umask() -> int:
    mask = os.umask(0o77)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """Be the process that gets the children of those that have ended, see prctl(2)."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@functools.cache
def _server(modules: tuple[str, ...]) -> _Server:
    return _Server(modules)


class _Server:
    """A running server; it ends with this process."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = str(Path(__file__).with_name("fork_server.py"))
        with theirs:
            self._process = subprocess.Popen(
                [os.fsdecode(_PYTHON), program, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # numpy would start threads.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )

    def ask(self, message: bytes, fds: list[int]) -> int:
        """Have a process forked; its id."""
        try:
            socket.send_fds(self._socket, [message], fds)
            answer = self._socket.recv(4)
        except BaseException:  # such as a test's timeout: the answer would be taken for the next
            self._socket.close()
            _server.cache_clear()
            raise
        if not answer:
            raise RuntimeError(f"the server of commands ended with {self._process.wait()}")
        if not any(answer):
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return int.from_bytes(answer, "little")
