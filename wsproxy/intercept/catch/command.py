"""A command whose connections are caught, as the recorder's process sees it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from wsproxy.errors import WsproxyError

from .channel import Channel

# Without the user's environment and site-packages: it needs the standard library only.
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from wsproxy.intercept.catch.supervisor import main; main(*map(int, sys.argv[2:]))"
)
_PACKAGE_FOLDER = str(Path(__file__).parents[3])
_END_TIMEOUT = 0.5  # seconds


class FilterError(WsproxyError):
    """The command cannot run under the filter."""


class CaughtCommand:
    """A running command.

    Attributes:
        pid: its process id.
        connections: the end of the channel for `wsproxy.proxy.caught_connections`, which closes it.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], control: Channel, connections: socket.socket
    ) -> None:
        self._supervisor = process
        self._control = control
        self._received: list[dict[str, Any]] = []
        self.connections = connections
        self.pid = 0

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        ports: Collection[int],
        limit: tuple[int, int] | None,
        may_gain_privileges: bool,
    ) -> CaughtCommand:
        """Start a command.

        Args:
            ports: TCP ports whose connections are caught.
            limit: the limits of open files for the command; None: those of this process.
            may_gain_privileges: see `install_filter`.

        Raises:
            OSError: the command cannot be run.
            FilterError: the filter cannot be installed.
        """
        control, its_control = socket.socketpair()
        connections, its_connections = socket.socketpair()
        with its_control, its_connections:
            fds = its_control.fileno(), its_connections.fileno()
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BOOT, _PACKAGE_FOLDER, *map(str, fds)],
                pass_fds=fds,
            )
        command = cls(process, Channel(control), connections)
        command._control.send(
            argv=[_as_json(each) for each in argv],
            env={_as_json(name): _as_json(value) for name, value in env.items()},
            ports=sorted(ports),
            limit=limit,
            privileges=may_gain_privileges,
        )
        command._control.flush(wait=True)
        command._wait_started(argv[0])
        return command

    def wait(self) -> int:
        """Wait for the command's end; its exit status, or minus the signal that ended it."""
        while True:
            message = self._receive()
            if message is None:
                raise FilterError("the process that supervises the command has ended")
            if "exited" in message:
                return int(message["exited"])

    def send_signal(self, number: int) -> None:
        """Send a signal to the command, unless it has ended."""
        self._control.send(signal=number)

    def close(self) -> None:
        """Stop catching; the supervisor ends with the last process of the command."""
        self._control.sock.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # there are background processes
            self._supervisor.wait(_END_TIMEOUT)

    def _receive(self) -> dict[str, Any] | None:
        """The next message of the supervisor; None if it has ended."""
        if not self._received:
            messages = self._control.receive()
            if messages is None:
                return None
            self._received = messages
        return self._received.pop(0)

    def _wait_started(self, program: str) -> None:
        message = self._receive()
        if message is not None and "started" in message:
            self.pid = message["started"]
            return
        self.connections.close()
        self.close()
        if message is None or message["filter"]:
            raise FilterError("the kernel does not accept the filter")
        raise OSError(message["failed"], os.strerror(message["failed"]), program)


def _as_json(text: str) -> str:
    """The bytes of an argument or a variable, which need not be valid text."""
    return os.fsencode(text).decode("latin-1")
