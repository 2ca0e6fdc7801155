"""TCP of one socket: its send queue, its round-trip time, and a reset instead of a FIN.

Python has no names for these, and operating systems differ in how they are asked.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys

# Linux, asm-generic/sockios.h and linux/sockios.h
_SIOCOUTQ = 0x5411
_SIOCOUTQNSD = 0x894B
_MIN_RTT = 148  # where tcpi_min_rtt is in linux/tcp.h's tcp_info
_SO_NWRITE = 0x1024  # macOS, sys/socket.h: bytes in the socket's send buffer


def unacknowledged(sock: socket.socket) -> int:
    """Bytes written that the peer's kernel has not acknowledged; 0 where this is unknown."""
    return _send_queue(sock, _SIOCOUTQ)


def unsent(sock: socket.socket) -> int:
    """Bytes written that the kernel has not sent yet; 0 where this is unknown.

    Bytes that were sent and not acknowledged do not count: an acknowledgement may take 40 ms
    and more. macOS does not distinguish the two and counts both.
    """
    return _send_queue(sock, _SIOCOUTQNSD)


def round_trip(sock: socket.socket) -> float:
    """Smallest round-trip time measured so far, seconds; 0.0 where this is unknown.

    Only Linux reports it.
    """
    if sys.platform != "linux":
        return 0.0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _MIN_RTT + 4)
        (microseconds,) = struct.unpack_from("=I", info, _MIN_RTT)
    except (OSError, struct.error):  # the socket is closed, or the kernel is before Linux 4.6
        return 0.0
    return float(microseconds) / 1e6


def reset_on_close(sock: socket.socket) -> None:
    """Make the kernel send RST instead of FIN when the socket is closed.

    Nothing happens if the socket is closed already.
    """
    with contextlib.suppress(OSError):
        # A linger time of 0 s: unsent data is dropped and the connection is reset.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _send_queue(sock: socket.socket, request: int) -> int:
    """Bytes in the send queue.

    Args:
        request: the ioctl that Linux is asked with.
    """
    try:
        if sys.platform == "darwin":
            return sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)
        if sys.platform != "linux":
            return 0
        import fcntl  # noqa: PLC0415  # not on every platform

        answer = fcntl.ioctl(sock.fileno(), request, struct.pack("i", 0))
    except OSError:  # the socket is closed
        return 0
    (count,) = struct.unpack("i", answer)
    return int(count)
