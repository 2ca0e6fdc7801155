"""A sockaddr as it lies in memory: linux/in.h and linux/in6.h."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

MAX_SIZE = 28  # struct sockaddr_in6
_SIZE_IPV4 = 16
_SIZE_IPV6_MIN = 24  # the kernel accepts it without the scope
_MAPPED = bytes(10) + b"\xff\xff"  # an IPv4 address in IPv6


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """An IP address and a port.

    Attributes:
        family: of the sockaddr: AF_INET or AF_INET6.
        ip: packed, 4 or 16 bytes; IPv4 also for an IPv4 address mapped to IPv6.
        scope: of a link-local IPv6 address, or 0.
    """

    family: int
    ip: bytes
    port: int
    scope: int = 0

    @classmethod
    def parse(cls, data: bytes) -> SocketAddress | None:
        """Read a sockaddr; None for other families and invalid sizes."""
        if len(data) < _SIZE_IPV4:
            return None
        (family,) = struct.unpack_from("=H", data)
        (port,) = struct.unpack_from("!H", data, 2)
        if family == socket.AF_INET:
            return cls(family, data[4:8], port)
        if family == socket.AF_INET6 and len(data) >= _SIZE_IPV6_MIN:
            ip, scope = data[8:24], 0
            if ip.startswith(_MAPPED):
                return cls(family, ip[12:], port)
            if len(data) >= MAX_SIZE:
                (scope,) = struct.unpack_from("=I", data, 24)
            return cls(family, ip, port, scope)
        return None

    @property
    def is_remote(self) -> bool:
        """Whether it can be another machine's: not loopback, unspecified or multicast."""
        if len(self.ip) == 4:
            return self.ip[0] not in (0, 127) and self.ip[0] < 224
        return self.ip[0] != 0xFF and self.ip[:15] != bytes(15)

    @property
    def host(self) -> str:
        """The address as text, with its scope."""
        text = socket.inet_ntop(self.real_family, self.ip)
        return f"{text}%{self.scope}" if self.scope else text

    @property
    def real_family(self) -> int:
        """The family of its packets."""
        return socket.AF_INET if len(self.ip) == 4 else socket.AF_INET6

    @property
    def python(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """The address as Python's socket module expects it, for a socket of `real_family`."""
        if len(self.ip) == 4:
            return self.host, self.port
        return socket.inet_ntop(socket.AF_INET6, self.ip), self.port, 0, self.scope
