"""The process behind a notification: its memory, its sockets, its network namespace."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from .seccomp import Notification
from .socket_address import MAX_SIZE

_PIDFD_GETFD = 438  # the same number on every machine
_PIDFD_THREAD = os.O_EXCL  # Linux 6.9: a pidfd of any thread
_SO_COOKIE = 57
_TCP_INFO_STATE = 1  # bytes of struct tcp_info that are needed

_libc = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None


def connect_arguments(notification: Notification) -> tuple[int, bytes]:
    """The descriptor and the sockaddr of a connect(2).

    Raises:
        OSError: the memory of the process cannot be read.
    """
    fd, address, size = notification.arguments[:3]
    memory = os.open(f"/proc/{notification.thread}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if notification.is_socketcall:
            fd, address, size = struct.unpack(
                "=3I", os.pread(memory, 12, notification.arguments[1])
            )
        return fd & 0xFFFFFFFF, os.pread(memory, min(size & 0xFFFFFFFF, MAX_SIZE), address)
    finally:
        os.close(memory)


@contextlib.contextmanager
def borrowed_socket(thread: int, fd: int) -> Iterator[socket.socket]:
    """The socket that another process has under a descriptor.

    Raises:
        OSError: it is no socket, or this process may not have it.
    """
    assert _libc is not None
    process = _open_process(thread)
    try:
        own = _libc.syscall(
            ctypes.c_long(_PIDFD_GETFD), ctypes.c_int(process), ctypes.c_int(fd), ctypes.c_uint(0)
        )
        if own < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
    finally:
        os.close(process)
    try:
        borrowed = socket.socket(fileno=own)
    except OSError:
        os.close(own)
        raise
    with borrowed:
        yield borrowed


def _open_process(thread: int) -> int:
    """A pidfd that gives access to the descriptors of a thread."""
    for flags in (_PIDFD_THREAD, 0):
        with contextlib.suppress(OSError):
            return os.pidfd_open(thread, flags)
    return os.pidfd_open(_process_of(thread))


def _process_of(thread: int) -> int:
    """The process that a thread belongs to: before Linux 6.9 only a process has a pidfd."""
    for line in Path(f"/proc/{thread}/status").read_text().splitlines():
        if line.startswith("Tgid:"):
            return int(line.partition(":")[2])
    raise OSError("no process id")


def network_namespace(process: int | str) -> int:
    """A number for the network that a process is in; "self" is this process.

    Raises:
        OSError: it cannot be inspected.
    """
    return os.stat(f"/proc/{process}/ns/net").st_ino  # noqa: PTH116  # called for each connect


def program_of(process: int) -> str:
    """The name of a process' program; empty if it is unknown."""
    try:
        return Path(f"/proc/{process}/exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        return ""


def environment(process: int) -> bytes | None:
    """The environment that a program was started with; None if it is unknown.

    A program that changes its title for `ps` overwrites it.
    """
    try:
        data = Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return None
    if data.startswith(b"\0") or any(b"=" not in each for each in data.split(b"\0") if each):
        return None
    return data


def cookie(sock: socket.socket) -> int:
    """The kernel's number of a socket; no other socket gets the same one."""
    (number,) = struct.unpack("=Q", sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8))
    return int(number)


def tcp_state(sock: socket.socket) -> int:
    """The state of a TCP socket: linux/tcp_states.h."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_STATE)[0]


def disconnect(sock: socket.socket) -> None:
    """Make a socket whose connect(2) is under way an unconnected one again."""
    assert _libc is not None
    _libc.connect(ctypes.c_int(sock.fileno()), ctypes.create_string_buffer(16), ctypes.c_uint(16))
    sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # clears it
