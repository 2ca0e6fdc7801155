"""Whether connections can be caught on this machine, for a command."""

from __future__ import annotations

import errno
import os
import select
import shutil
import socket
import stat
import warnings
from pathlib import Path

from . import target
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


def _trial() -> str | None:
    """Catch one connect(2) of a child process, with everything that catching needs."""
    ours, childs = socket.socketpair()
    with ours, childs:
        with warnings.catch_warnings():
            # The child only makes system calls, so a lock of another thread does not matter.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            _run_trial_child(childs)
        childs.close()
        try:
            return _observe(ours)
        except OSError as error:
            return f"the system does not allow it ({error})"
        finally:
            ours.close()
            os.kill(child, 9)
            os.waitpid(child, 0)


def _run_trial_child(channel: socket.socket) -> None:
    """Connect under the filter, then wait to be killed; never returns."""
    try:
        fd = install_filter(may_gain_privileges=may_gain_privileges())
        socket.send_fds(channel, [b"\0"], [fd])
        os.close(fd)
        sock = socket.socket()
        result = sock.connect_ex(_TRIAL_DESTINATION)
        channel.send(result.to_bytes(2, "big"))
        channel.recv(1)
    finally:
        os._exit(1)


def _observe(channel: socket.socket) -> str | None:
    """Answer the connect(2) of the trial.

    Raises:
        OSError: something is not permitted.
    """
    channel.settimeout(_TRIAL_TIMEOUT)
    _, fds, _, _ = socket.recv_fds(channel, 1, 1)
    if not fds:
        return "the kernel does not accept the filter (before Linux 5.9, or another one is active)"
    listener = Listener(fds[0])
    try:
        if not select.select([listener], [], [], _TRIAL_TIMEOUT)[0]:
            return "the kernel sends no notifications"
        notification = listener.receive()
        if notification is None:
            return "the kernel sends no notifications"
        try:
            fd, data = target.connect_arguments(notification)
            destination = SocketAddress.parse(data)
            with target.borrowed_socket(notification.thread, fd) as sock:
                target.cookie(sock)
        finally:
            listener.answer(notification.id, errno.ECONNABORTED)
        answered = channel.recv(2) == errno.ECONNABORTED.to_bytes(2, "big")
        if destination is None or destination.python != _TRIAL_DESTINATION or not answered:
            return "the kernel's notifications are unknown"
        return None
    finally:
        listener.close()
