"""Runs the command of `wsproxy run`."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn, Protocol

import click

from wsproxy.errors import InvalidValue
from wsproxy.intercept.catch import availability
from wsproxy.intercept.catch.command import CaughtCommand, FilterError
from wsproxy.intercept.connection_watch import ConnectionWatch
from wsproxy.intercept.past_connections import PastConnection
from wsproxy.recorder import file_descriptors

# Of HTTPS and HTTP.
CATCH_PORTS = (443, 80)


class AppProcess(Protocol):
    """A running command."""

    pid: int

    def wait(self) -> int:
        """Wait for its end; its exit status, or minus the signal that ended it."""

    def send_signal(self, number: int, /) -> None:
        """Send it a signal, unless it has ended."""


@dataclass(frozen=True, slots=True)
class Catch:
    """How connections are caught.

    Attributes:
        ports: those of servers whose connections are caught, or watched.
        is_used: False: they are not caught.
        is_required: whether it is an error if they cannot be.
    """

    ports: tuple[int, ...] = CATCH_PORTS
    is_used: bool = False
    is_required: bool = False

    @classmethod
    def choose(cls, choice: str, ports: tuple[int, ...], program: str) -> Catch:
        """Read `--catch` and `--catch-port`.

        Raises:
            InvalidValue: connections have to be caught, and cannot be.
        """
        ports = (*CATCH_PORTS, *ports)
        if choice == "off":
            return cls(ports)
        why = availability.obstacle(program)
        if why is not None and choice == "on":
            raise InvalidValue("catch", "on", why)
        return cls(ports, why is None, choice == "on")


def check(program: str) -> None:
    """Exit as a shell does if a program does not exist."""
    if shutil.which(program) is None:
        _cannot_run(program, *_problem_of(program))


def _problem_of(program: str) -> tuple[str, int]:
    """Why a program cannot be run, and the exit status that a shell uses for it."""
    path = Path(program)
    if path.name == program:
        return "command not found; example: `wsproxy run -- python app.py`", 127
    if path.is_dir():
        return "this is a folder, not a program", 126
    if path.exists():
        return f"not executable; run chmod +x {program}, or name the program that runs it", 126
    return "no such file", 127


def _cannot_run(program: str, problem: str, status: int) -> NoReturn:
    click.echo(f"error: {program}: {problem}", err=True)
    sys.exit(status)


def run(
    cmd: tuple[str, ...],
    env: dict[str, str],
    stopping: Sequence[signal.Signals],
    catch: Catch = Catch(),
    on_caught: Callable[[socket.socket], None] = socket.socket.close,
) -> tuple[int, Counter[PastConnection]]:
    """Run the command to its end; exits as a shell does if it cannot be run.

    Args:
        stopping: signals that stop a recorder; the command gets them.
        on_caught: called with the channel for `wsproxy.proxy.caught_connections`.

    Returns:
        Its exit status, or 128 plus the signal that ended it, and the connections that were
        seen to go past the recorder.

    Raises:
        InvalidValue: connections cannot be caught, and have to be.
    """
    try:
        process = _start(cmd, env, catch)
    except FileNotFoundError:  # the program itself was found
        _cannot_run(cmd[0], "the interpreter in its first line does not exist", 127)
    except OSError as error:
        _cannot_run(cmd[0], f"cannot run it: {error.strerror}", 126)
    with contextlib.ExitStack() as stack:
        if isinstance(process, CaughtCommand):
            stack.callback(process.close)
            on_caught(process.connections)
        watch = stack.enter_context(ConnectionWatch(process.pid, catch.ports))
        return _wait(process, stopping), watch.found


def _start(cmd: tuple[str, ...], env: dict[str, str], catch: Catch) -> AppProcess:
    if catch.is_used:
        try:
            return CaughtCommand.start(
                cmd,
                env,
                ports=catch.ports,
                limit=file_descriptors.initial_limit(),
                may_gain_privileges=availability.may_gain_privileges(),
            )
        except FilterError as error:
            if catch.is_required:
                raise InvalidValue("catch", "on", str(error)) from error
    # The limit is part of what the command was started with.
    restore = file_descriptors.restore_initial_limit()
    return subprocess.Popen(cmd, env=env, preexec_fn=restore)  # noqa: PLW1509


def _wait(process: AppProcess, stopping: Sequence[signal.Signals]) -> int:
    with _signals_to(process, stopping):
        status = process.wait()
    return 128 - status if status < 0 else status


@contextlib.contextmanager
def _signals_to(process: AppProcess, stopping: Sequence[signal.Signals]) -> Iterator[None]:
    """Ignore Ctrl-C, which the terminal sends to the command too; forward other signals."""

    def forward(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    before = {
        number: signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else forward)
        for number in stopping
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
