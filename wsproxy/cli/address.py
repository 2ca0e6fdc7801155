"""Addresses on the command line."""

from __future__ import annotations

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
