"""Connects an app's socket to the recorder at the moment when the server is connected.

If the recorder simply accepted the connection, the app would believe that its server was
reachable, and would never try the server's other addresses. So its connect(2) has to stay in
progress until the recorder has connected to the server, or has failed to.

For this the socket is connected to a meeting point: a listening socket that drops every packet
whose time to live is not the maximum (RFC 5082), so that the app's SYN is not answered. If the
server is connected, the recorder connects a socket of its own from the meeting point to the app's
socket; TCP joins two sockets that connect to each other (RFC 9293, section 3.5, figure 7). If it
is not, the meeting point is closed, and the app's next SYN, after at most a second, is refused by
the kernel.
"""

from __future__ import annotations

import errno
import os
import socket

from .socket_address import SocketAddress
from .target import disconnect, tcp_state

# linux/in.h, linux/in6.h: the least time to live; that of this machine's packets is usually 64.
_IP_MINTTL = 21
_IPV6_MINHOPCOUNT = 73
_MAX_TTL = 255
_SYN_SENT = 2  # linux/tcp_states.h

Address = tuple[str, int]


class Meeting:
    """A meeting point for one connection.

    Args:
        destination: where the app wanted to connect to; decides whether IPv4 or IPv6 is used.

    Raises:
        OSError: there is no loopback address for it, or no free descriptor.
    """

    def __init__(self, destination: SocketAddress) -> None:
        self._mapped = destination.family != destination.real_family
        loopback = "127.0.0.1" if destination.real_family == socket.AF_INET else "::1"
        self._listener = socket.socket(destination.real_family, socket.SOCK_STREAM)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._listener.bind((loopback, 0))
            if self._listener.family == socket.AF_INET:
                self._listener.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, _MAX_TTL)
            else:
                self._listener.setsockopt(socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT, _MAX_TTL)
            self._listener.listen(1)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        self._listener.close()

    @property
    def address(self) -> Address:
        """Where the recorder binds its socket to."""
        host, port, *_ = self._listener.getsockname()
        return host, port

    def invite(self, sock: socket.socket) -> Address:
        """Begin to connect a socket to this meeting point; its blocking mode is kept.

        Returns:
            The address that the recorder has to connect to.

        Raises:
            OSError: it cannot be connected; the socket is unchanged.
        """
        import fcntl  # noqa: PLC0415  # not on every platform

        host, port = self.address
        flags = fcntl.fcntl(sock, fcntl.F_GETFL)
        if not flags & os.O_NONBLOCK:
            fcntl.fcntl(sock, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        try:
            error = sock.connect_ex((f"::ffff:{host}" if self._mapped else host, port))
        finally:
            if not flags & os.O_NONBLOCK:
                fcntl.fcntl(sock, fcntl.F_SETFL, flags)
        if error != errno.EINPROGRESS:
            raise OSError(error, os.strerror(error))
        if tcp_state(sock) != _SYN_SENT:
            disconnect(sock)
            raise OSError(errno.EISCONN, "its packets are not dropped")
        own_host, own_port, *_ = sock.getsockname()
        return own_host.removeprefix("::ffff:"), own_port


def recorder_socket(meeting: Address) -> socket.socket:
    """A non-blocking socket that the recorder connects to what `Meeting.invite` returned.

    Args:
        meeting: `Meeting.address`.

    Raises:
        OSError: the meeting point is closed, and another process has its port.
    """
    family = socket.AF_INET6 if ":" in meeting[0] else socket.AF_INET
    # With the protocol, as otherwise asyncio does not send small data at once.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(meeting)
    except OSError:
        sock.close()
        raise
    return sock
