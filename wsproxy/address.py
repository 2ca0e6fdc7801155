"""Addresses: as users give them, and as they stand in URLs."""

from __future__ import annotations

import ipaddress

from .errors import UsageError


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


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
