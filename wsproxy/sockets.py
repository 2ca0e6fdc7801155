"""What TCP knows of a connection and Python has no name for; systems differ in how it is asked."""

from __future__ import annotations

import socket
import struct
import sys

# Linux, asm-generic/sockios.h and linux/sockios.h
_SIOCOUTQ = 0x5411
_SIOCOUTQNSD = 0x894B
_SO_NWRITE = 0x1024  # macOS, sys/socket.h: bytes in the socket's send buffer


def unacknowledged(sock: socket.socket) -> int:
    """Bytes written that the peer's kernel has not acknowledged; 0 where that cannot be asked."""
    return _send_queue(sock, _SIOCOUTQ)


def unsent(sock: socket.socket) -> int:
    """Bytes written that the kernel has not sent yet; 0 where that cannot be asked.

    What was sent and is not acknowledged yet does not count: an acknowledgement may take
    40 ms and more. macOS cannot tell the two apart and counts both.
    """
    return _send_queue(sock, _SIOCOUTQNSD)


def _send_queue(sock: socket.socket, request: int) -> int:
    """Bytes in the send queue; `request` is the ioctl of Linux."""
    try:
        if sys.platform == "darwin":
            return sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)
        if sys.platform != "linux":
            return 0
        import fcntl  # noqa: PLC0415  # not on every platform

        answer = fcntl.ioctl(sock.fileno(), request, struct.pack("i", 0))
    except OSError:  # it is closed
        return 0
    (count,) = struct.unpack("i", answer)
    return int(count)
