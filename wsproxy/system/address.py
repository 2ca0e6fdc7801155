"""Addresses: as users give them, and as they stand in URLs."""

from __future__ import annotations

import ipaddress
import re
import socket

from wsproxy.errors import UsageError


def parse_address(text: str) -> tuple[str, int]:
    """Read HOST:PORT, :PORT or PORT.

    Raises:
        UsageError: it is none of these.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{text!r} is not an address: give HOST:PORT, such as 127.0.0.1:8080")
    return host.strip("[]") or "127.0.0.1", int(port)


def authority(host: str, port: int | None = None) -> str:
    """Host and port as they stand in a URL or a Host header (RFC 3986, section 3.2.2).

    Args:
        host: a name or an address; one of IPv6 gets brackets.
        port: None: it goes without saying.
    """
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return host if port is None else f"{host}:{port}"


# What may follow user and password: a name or an address, a port, a path.
_PUBLIC = re.compile(r"(?:\[[^/\]]*\]?|[^:/]*)(?::\d{0,9})?(?:/.*)?")


def public_url(text: str) -> str:
    """What may be printed of a URL, valid or not: no query, no user name and no password."""
    before = re.split("[?#]", text, maxsplit=1)[0]
    scheme, mark, rest = before.rpartition("://")
    rest = rest.rpartition("@")[2]
    return scheme + mark + (rest if _PUBLIC.fullmatch(rest) else "...")


def reachable(address: tuple[str, int]) -> tuple[str, int]:
    """Where apps on this machine reach a socket: of one for all addresses, by loopback."""
    host, port = address
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host.lower().rstrip(".") == "localhost":
        return True
    ip = parse_ip(host)
    return ip is not None and ip.is_loopback


IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
ANY_IPV6 = ipaddress.IPv6Address("::")
LOCALHOST = ipaddress.IPv4Address("127.0.0.1")
LOCALHOST_IPV6 = ipaddress.IPv6Address("::1")


def parse_ip(text: str) -> IPAddress | None:
    """An address without its zone, as IPv4 where IPv6 only wraps that; None for a name."""
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def reaches(target: IPAddress, listener: IPAddress) -> bool:
    """Whether a connection to an address may arrive at a socket that listens on another.

    Both as `parse_ip` returns them. A connection to the unspecified address arrives at the
    loopback address of that family. A socket that listens on all addresses of IPv6 may be one
    for IPv4 too.
    """
    if target.version != listener.version and listener != ANY_IPV6:
        return False
    if target.is_unspecified:
        return listener.is_unspecified or listener in (LOCALHOST, LOCALHOST_IPV6)
    if listener.is_unspecified:
        return target.is_loopback or is_assigned_here(target)
    return target == listener


def is_assigned_here(ip: IPAddress) -> bool:
    """Whether an interface of this machine has an address."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(ip), 0))  # the one question that every system answers
    except OSError:
        return False
    return True
