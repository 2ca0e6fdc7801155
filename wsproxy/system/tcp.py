"""What TCP knows of a connection and Python has no name for; systems differ in how it is asked."""

from __future__ import annotations

import socket
import struct
import sys

# Linux, asm-generic/sockios.h and linux/sockios.h
_SIOCOUTQ = 0x5411
_SIOCOUTQNSD = 0x894B
_MIN_RTT = 148  # where tcpi_min_rtt is in linux/tcp.h's tcp_info
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


def round_trip(sock: socket.socket) -> float:
    """Seconds to the peer and back, at best; 0.0 where that cannot be asked: only Linux tells."""
    if sys.platform != "linux":
        return 0.0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _MIN_RTT + 4)
        (microseconds,) = struct.unpack_from("=I", info, _MIN_RTT)
    except (OSError, struct.error):  # it is closed, or the kernel is older than Linux 4.6
        return 0.0
    return float(microseconds) / 1e6


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
