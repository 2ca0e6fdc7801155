"""The process that starts a command under the filter and answers the notifications.

It is a process of its own for three reasons. Its answers do not compete with the recorder for
the interpreter. As the command's parent it may access the command's sockets where only ancestors
may (Yama). And it outlives a recorder that is killed: without a supervisor, each connect(2) of
the command would fail. It ends when the last process under the filter has ended.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from .channel import Channel
from .connects import Connects
from .seccomp import Listener, install_filter

# Sent to the whole foreground process group by a terminal, or by someone who looks for wsproxy
# by its name: the command gets them itself.
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP)


def main(control_fd: int, connections_fd: int) -> None:
    """Run the command that is requested through the control channel."""
    control = Channel(socket.socket(fileno=control_fd))
    connections = Channel(socket.socket(fileno=connections_fd))
    requests = control.receive()
    if requests is None:
        return
    request = requests[0]
    try:
        process, listener = _start(request)
    except OSError as error:
        control.send(failed=error.errno, filter=isinstance(error, _FilterError))
        return
    _detach()
    ports = frozenset(request["ports"])
    with Connects(listener, connections, ports, _ca_folder(request["env"])) as connects:
        _Supervisor(process, control, connects).run()


def _ca_folder(env: dict[str, str]) -> bytes | None:
    """The folder of the run, which all variables that name certificates contain."""
    ca = env.get("WSPROXY_CA")
    return os.path.dirname(ca).encode("latin-1") if ca else None  # noqa: PTH120  # of bytes


class _FilterError(OSError):
    """The command could not be started because the filter could not be installed."""


def _start(request: dict[str, Any]) -> tuple[subprocess.Popen[bytes], Listener]:
    """Start the command.

    Raises:
        OSError: it cannot be run.
    """
    ours, childs = socket.socketpair()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
    prepare = _preparation(childs, request, mask)
    try:
        argv = [each.encode("latin-1") for each in request["argv"]]
        env = {k.encode("latin-1"): v.encode("latin-1") for k, v in request["env"].items()}
        process = subprocess.Popen(argv, env=env, preexec_fn=prepare)  # noqa: PLW1509
        # From now on they are the command's; nothing was lost while they were blocked.
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        _, fds, _, _ = socket.recv_fds(ours, 1, 1, socket.MSG_DONTWAIT)
    except subprocess.SubprocessError as error:  # of `prepare`
        raise _FilterError(0, str(error)) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        ours.close()
        childs.close()
    return process, Listener(fds[0])


def _preparation(
    channel: socket.socket, request: dict[str, Any], mask: set[signal.Signals | int]
) -> Callable[[], None]:
    """What the child process does before it runs the command."""

    def prepare() -> None:
        if request["limit"] is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, tuple(request["limit"]))
        # Its descriptor is closed at exec.
        fd = install_filter(may_gain_privileges=request["privileges"])
        socket.send_fds(channel, [b"\0"], [fd])
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return prepare


def _detach() -> None:
    """Release what the command's end should release: its terminal or pipes, its folder."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    os.close(null)
    os.chdir("/")


class _Supervisor:
    def __init__(
        self, process: subprocess.Popen[bytes], control: Channel, connects: Connects
    ) -> None:
        self._process = process
        self._control = control
        self._connects = connects
        self._selector = selectors.DefaultSelector()
        self._runs = True  # the command itself
        self._catches = True  # it, or another process under the filter

    def run(self) -> None:
        """Answer until no process under the filter is left."""
        pidfd = os.pidfd_open(self._process.pid)
        self._control.send(started=self._process.pid)
        self._selector.register(self._connects.listener, selectors.EVENT_READ, self._on_connect)
        self._selector.register(pidfd, selectors.EVENT_READ, lambda: self._on_exit(pidfd))
        self._selector.register(self._control, selectors.EVENT_READ, self._on_control)
        self._selector.register(self._connects.recorder, selectors.EVENT_READ, self._on_recorder)
        while self._catches or self._runs:
            for key, _ in self._selector.select(self._connects.timeout()):
                if key.fd in self._selector.get_map():  # unregistered by one before it
                    key.data()
            self._connects.expire(time.monotonic())
            self._watch_writes()

    def _watch_writes(self) -> None:
        recorder = self._connects.recorder
        if recorder.fileno() in self._selector.get_map():
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if recorder.has_unsent else 0)
            self._selector.modify(recorder, events, self._on_recorder)

    def _on_connect(self) -> None:
        self._catches = self._connects.receive()
        if not self._catches:
            self._selector.unregister(self._connects.listener)

    def _on_recorder(self) -> None:
        if not self._connects.receive_results():
            self._selector.unregister(self._connects.recorder)

    def _on_exit(self, pidfd: int) -> None:
        self._selector.unregister(pidfd)
        os.close(pidfd)
        self._runs = False
        self._control.send(exited=self._process.wait())

    def _on_control(self) -> None:
        messages = self._control.receive()
        if messages is None:  # the recorder's process has ended
            self._selector.unregister(self._control)
            return
        for message in messages:
            with contextlib.suppress(OSError):
                self._process.send_signal(message["signal"])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
