"""Opening a connection through the recorder with CONNECT.

What the recorder cannot reach raises what the app would get without it. A recorder that has ended
is not used: the connection is direct.
"""

from .route import PROXY

_ERRORS = {  # what the recorder says about a server that it did not reach
    "Connect call failed": "ECONNREFUSED",
    "Connection refused": "ECONNREFUSED",
    "unreachable": "EHOSTUNREACH",
    "timed out": "ETIMEDOUT",
}
HEAD_LIMIT = 65536  # bytes
BODY_LIMIT = 4096  # bytes


def request(host, port):
    """The CONNECT request for a host, which can be an IP address, and a port."""
    host = host.decode("ascii") if isinstance(host, bytes) else host
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    target = "[%s]:%d" % (host, int(port)) if ":" in host else "%s:%d" % (host, int(port))
    return ("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, target)).encode("ascii")


class Answer:
    """The answer to a CONNECT, from the bytes as they come."""

    def __init__(self):
        self.data = b""

    def add(self, data):
        """Add received bytes; returns whether the head is complete."""
        self.data += data
        if not data or len(self.data) > HEAD_LIMIT:
            raise ConnectionAbortedError("the recorder closed the connection")
        return b"\r\n\r\n" in self.data

    @property
    def accepted(self):
        return b" 200" in self.data.partition(b"\r\n")[0]

    @property
    def rest(self):
        """What follows the head."""
        return self.data.partition(b"\r\n\r\n")[2]


def refusal(host, port, body):
    """The error for a server that the recorder could not reach."""
    import errno
    import os
    import socket

    text = body.decode("utf-8", "replace")
    if "Temporary failure in name" in text:
        return socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    if "getaddrinfo" in text or "not known" in text or "No address" in text:
        return socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    name = next((name for words, name in _ERRORS.items() if words in text), "ECONNREFUSED")
    number = getattr(errno, name)
    return OSError(number, "%s: %r" % (os.strerror(number), (host, port)))


def family():
    """The address family of the recorder."""
    import socket

    return socket.AF_INET6 if ":" in PROXY[0] else socket.AF_INET


async def open_async(loop, host, port):
    """A non-blocking socket to a host and port through the recorder; None: it has ended."""
    import socket

    sock = socket.socket(family(), socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, PROXY)
        except OSError:
            sock.close()
            return None
        await loop.sock_sendall(sock, request(host, port))
        answer = Answer()
        while not answer.add(await loop.sock_recv(sock, 1)):
            pass  # byte by byte: data after the head belongs to the connection
        if not answer.accepted:
            raise refusal(host, port, await loop.sock_recv(sock, BODY_LIMIT))
    except BaseException:
        sock.close()
        raise
    return sock


def open_blocking(connect, host, port):
    """A blocking socket to a host and port through the recorder; None: it has ended.

    Args:
        connect: opens a socket to an address.
    """
    try:
        sock = connect(PROXY)
    except OSError:
        return None
    try:
        sock.sendall(request(host, port))
        answer = Answer()
        while not answer.add(sock.recv(1)):
            pass  # byte by byte: data after the head belongs to the connection
        if not answer.accepted:
            raise refusal(host, port, sock.recv(BODY_LIMIT))
    except BaseException:
        sock.close()
        raise
    return sock
