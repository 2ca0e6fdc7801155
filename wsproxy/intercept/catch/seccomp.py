"""The seccomp filter that reports connect(2), and the notifications of the kernel.

See seccomp_unotify(2). The filter has the numbers of all four architectures whose programs can
run on the two that are supported; a program of any other is not touched.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

# linux/audit.h; the architecture of a system call, which can differ from the kernel's.
X86_64 = 0xC000003E
I386 = 0x40000003
AARCH64 = 0xC00000B7
ARM = 0x40000028

_X32_BIT = 0x40000000
_SOCKETCALL = 102  # i386: one system call for all socket functions
_SYS_CONNECT = 3  # its first argument, linux/net.h

# connect(2) by architecture.
_CONNECT = {X86_64: (42, 42 | _X32_BIT), I386: (362,), AARCH64: (203,), ARM: (283,)}

# seccomp(2) by machine.
_SECCOMP = {"x86_64": 317, "aarch64": 277}

# linux/seccomp.h
_SET_MODE_FILTER = 1
_FLAG_NEW_LISTENER = 1 << 3
_RET_ALLOW = 0x7FFF0000
_RET_USER_NOTIF = 0x7FC00000
_FLAG_CONTINUE = 1
_PR_SET_NO_NEW_PRIVS = 38
_IOCTL_RECEIVE = 0xC0502100
_IOCTL_SEND = 0xC0182101
_IOCTL_ID_VALID = 0x40082102
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif
_RESPONSE = struct.Struct("=QqiI")  # struct seccomp_notif_resp

# Classic BPF, linux/filter.h. Offsets in struct seccomp_data: number, architecture, arguments.
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_INSTRUCTION = struct.Struct("=HBBI")

_libc = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None


@dataclass(frozen=True, slots=True)
class Notification:
    """One connect(2) that waits for an answer.

    Attributes:
        id: the kernel's number of it.
        thread: the thread that called; 0 if it is in a PID namespace that is not visible.
        is_socketcall: the arguments are in an array in memory: of i386's socketcall(2).
        arguments: of the system call.
    """

    id: int
    thread: int
    is_socketcall: bool
    arguments: tuple[int, ...]


class Listener:
    """The notifications of one filter.

    Args:
        fd: from `install_filter`; is closed by `close`.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        os.close(self._fd)

    def receive(self) -> Notification | None:
        """The next notification; None if its process has gone meanwhile."""
        buffer = bytearray(_NOTIFICATION.size)  # the kernel insists on zeros
        try:
            self._ioctl(_IOCTL_RECEIVE, buffer)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return None
            raise
        number, thread, _, call, architecture, _, *arguments = _NOTIFICATION.unpack(buffer)
        is_socketcall = architecture == I386 and call == _SOCKETCALL
        return Notification(number, thread, is_socketcall, tuple(arguments))

    def is_valid(self, number: int) -> bool:
        """Whether the thread still waits: only then its id denotes the same thread."""
        try:
            self._ioctl(_IOCTL_ID_VALID, bytearray(struct.pack("=Q", number)))
        except OSError:
            return False
        return True

    def answer(self, number: int, error: int) -> bool:
        """Return from the system call with an errno, or 0; False if nobody waits any more."""
        return self._send(_RESPONSE.pack(number, 0, -error, 0))

    def let_pass(self, number: int) -> bool:
        """Let the kernel perform the system call as if there were no filter."""
        return self._send(_RESPONSE.pack(number, 0, 0, _FLAG_CONTINUE))

    def _send(self, response: bytes) -> bool:
        try:
            self._ioctl(_IOCTL_SEND, bytearray(response))
        except OSError:  # the thread was interrupted by a signal, or has ended
            return False
        return True

    def _ioctl(self, request: int, buffer: bytearray) -> None:
        import fcntl  # noqa: PLC0415  # not on every platform

        fcntl.ioctl(self._fd, request, buffer)


def is_supported_machine() -> bool:
    """Whether the numbers of this machine's system calls are known."""
    return platform.system() == "Linux" and platform.machine() in _SECCOMP


def filter_program() -> bytes:
    """The filter: notify of connect(2), allow everything else."""
    program: list[bytes] = []
    for architecture, numbers in _CONNECT.items():
        checks = [_jump_unless(number) for number in numbers]
        if architecture == I386:
            checks.append(
                _jump_unless(_SOCKETCALL, 3) + _load(_FIRST_ARGUMENT) + _jump_unless(_SYS_CONNECT)
            )
        block = _load(_NUMBER)
        for check in checks:
            block += check + _return(_RET_USER_NOTIF)
        block += _return(_RET_ALLOW)
        program.append(_jump_unless(architecture, len(block) // _INSTRUCTION.size) + block)
    return _load(_ARCHITECTURE) + b"".join(program) + _return(_RET_ALLOW)


def install_filter(*, may_gain_privileges: bool) -> int:
    """Filter the system calls of this process and its future children.

    Args:
        may_gain_privileges: keep setuid programs working; only with CAP_SYS_ADMIN.

    Returns:
        The descriptor of the notifications.

    Raises:
        OSError: the kernel refuses.
    """
    assert _libc is not None
    if not may_gain_privileges and _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    program = filter_program()
    instructions = ctypes.create_string_buffer(program, len(program))
    length = len(program) // _INSTRUCTION.size
    # struct sock_fprog has padding after its 16-bit length.
    header = ctypes.create_string_buffer(struct.pack("@HP", length, ctypes.addressof(instructions)))
    fd = _libc.syscall(
        ctypes.c_long(_SECCOMP[platform.machine()]),
        ctypes.c_long(_SET_MODE_FILTER),
        ctypes.c_long(_FLAG_NEW_LISTENER),
        header,
    )
    if fd < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return int(fd)


def _load(offset: int) -> bytes:
    return _INSTRUCTION.pack(_LOAD, 0, 0, offset)


def _jump_unless(value: int, count: int = 1) -> bytes:
    """Skip instructions unless the loaded word has a value."""
    return _INSTRUCTION.pack(_JUMP_EQUAL, 0, count, value)


def _return(action: int) -> bytes:
    return _INSTRUCTION.pack(_RETURN, 0, 0, action)
