"""What TCP knows of a connection and Python has no name for; systems differ in how it is asked."""

from __future__ import annotations

import socket
import struct
import sys

_SO_NWRITE = 0x1024  # macOS, sys/socket.h: bytes in the socket's send buffer


def unacknowledged(sock: socket.socket) -> int:
    """Bytes sent that the peer's kernel has not acknowledged; 0 where that cannot be asked."""
    try:
        if sys.platform == "darwin":
            return sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)
        if sys.platform != "linux":
            return 0
        import fcntl  # noqa: PLC0415  # not on every platform
        import termios  # noqa: PLC0415

        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    except OSError:  # it is closed
        return 0
    (count,) = struct.unpack("i", answer)
    return int(count)
