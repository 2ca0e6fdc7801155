"""Whether connections can be caught on this machine, for a command."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shutil
import signal
import socket
import stat
import warnings
from pathlib import Path

from . import target
from .meeting import Meeting
from .seccomp import Listener, install_filter, is_supported_machine
from .socket_address import SocketAddress

_TRIAL_TIMEOUT = 2.0  # seconds
_TRIAL_DESTINATION = ("192.0.2.1", 9)  # TEST-NET-1; the kernel never sees this connect(2)
_CAP_SYS_ADMIN = 21


def obstacle(program: str) -> str | None:
    """Why the connections of a program cannot be caught; None if they can be.

    Args:
        program: the first word of the command.
    """
    if not is_supported_machine():
        return "this needs Linux on x86_64 or aarch64"
    if not may_gain_privileges() and (why := _privileges_of(program)) is not None:
        return f"{program} {why}, and could not do so under the filter"
    return _trial()


def may_gain_privileges() -> bool:
    """Whether this process may filter system calls and keep setuid programs working."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.partition(":")[2], 16) >> _CAP_SYS_ADMIN & 1)
    return False


def _privileges_of(program: str) -> str | None:
    """Why a program needs more privileges than this process has; None if it does not."""
    found = shutil.which(program)
    if found is None:
        return None
    path = Path(found).resolve()
    if path.name == "snap":
        return "is a snap, which gains privileges to start"
    try:
        if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID):
            return "gains privileges (setuid)"
        os.getxattr(path, "security.capability")
    except OSError:  # it has none
        return None
    return "gains privileges (file capabilities)"


class _Impossible(Exception):
    """Connections cannot be caught; the message is the reason."""


def _trial() -> str | None:
    """Catch one connect(2) of a child process, with everything that catching needs."""
    try:
        with _Child() as child, contextlib.closing(_listener_of(child)) as listener:
            _catch_one(listener, child)
            child.end()
            events = select.poll()
            events.register(listener.fileno(), select.POLLIN)
            if not any(event & select.POLLHUP for _, event in events.poll(_TRIAL_TIMEOUT * 1e3)):
                raise _Impossible("the kernel is too old: this needs Linux 5.9")
    except _Impossible as why:
        return str(why)
    except OSError as error:
        return f"the system does not allow it ({error})"
    return None


class _Child:
    """A process that installs the filter, sends its listener, and connects.

    Attributes:
        channel: the connection to it.
    """

    def __init__(self) -> None:
        self.channel, childs = socket.socketpair()
        self.channel.settimeout(_TRIAL_TIMEOUT)
        with childs, warnings.catch_warnings():
            # The child only makes system calls, so a lock of another thread does not matter.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid: int | None = os.fork()
            if self._pid == 0:
                _run_child(childs)

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()
        self.channel.close()

    def end(self) -> None:
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = None


def _run_child(channel: socket.socket) -> None:
    """Connect under the filter, then wait to be killed; never returns."""
    try:
        fd = install_filter(may_gain_privileges=may_gain_privileges())
        socket.send_fds(channel, [b"\0"], [fd])
        os.close(fd)
        sock = socket.socket()
        result = sock.connect_ex(_TRIAL_DESTINATION)
        channel.send(result.to_bytes(2, "big"))
        signal.pause()
    finally:
        os._exit(1)


def _listener_of(child: _Child) -> Listener:
    """The listener of the child's filter."""
    _, fds, _, _ = socket.recv_fds(child.channel, 1, 1)
    if not fds:
        raise _Impossible("the kernel does not accept the filter, or has another one already")
    return Listener(fds[0])


def _catch_one(listener: Listener, child: _Child) -> None:
    """Answer the connect(2) of the child.

    Raises:
        OSError: something is not permitted.
    """
    ready = select.select([listener], [], [], _TRIAL_TIMEOUT)[0]
    notification = listener.receive() if ready else None
    if notification is None:
        raise _Impossible("the kernel sends no notifications")
    try:
        fd, data = target.connect_arguments(notification)
        destination = SocketAddress.parse(data)
        if destination is None or destination.python != _TRIAL_DESTINATION:
            raise _Impossible("the memory of a process cannot be read")
        with (
            target.borrowed_socket(notification.thread, fd) as sock,
            contextlib.closing(Meeting(destination)) as meeting,
        ):
            target.cookie(sock)
            meeting.invite(sock)
    finally:
        listener.answer(notification.id, errno.ECONNABORTED)
    result = int.from_bytes(child.channel.recv(2), "big")
    if result != errno.ECONNABORTED:
        raise _Impossible("the kernel does not take answers")
