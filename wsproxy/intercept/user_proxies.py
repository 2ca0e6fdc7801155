"""The proxies that the user's environment names: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from wsproxy.errors import UsageError
from wsproxy.system.address import authority, is_loopback, parse_ip

# Schemes of proxies; the proxy resolves host names, except for socks5 and socks4.
_DEFAULT_PORTS = {
    "http": 80,
    "https": 443,
    "socks5": 1080,
    "socks5h": 1080,
    "socks4": 1080,
    "socks4a": 1080,
    "socks": 1080,
}


@dataclass(frozen=True, slots=True)
class UserProxy:
    """One proxy.

    Attributes:
        user, password: None: it requires none.
    """

    scheme: str
    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, name: str) -> UserProxy:
        """Read the value of a variable; a scheme may be missing.

        Raises:
            UsageError: it names no proxy. The value is not repeated: it may contain a password.
        """
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            port = parts.port or _DEFAULT_PORTS[parts.scheme]
        except (ValueError, KeyError):
            parts, port = urlsplit(""), 0
        if not parts.hostname:
            raise UsageError(
                f"{name} names no proxy that can be used: expected http://HOST:PORT or "
                "socks5://HOST:PORT; unset it for no proxy"
            )
        user = None if parts.username is None else unquote(parts.username)
        password = unquote(parts.password or "") if user is not None else None
        return cls(parts.scheme, parts.hostname, port, user, password)

    def __str__(self) -> str:
        """Without user and password."""
        return f"{self.scheme}://{authority(self.host, self.port)}"

    @property
    def is_http(self) -> bool:
        """Whether it accepts HTTP requests, besides CONNECT."""
        return self.scheme in ("http", "https")


@dataclass(frozen=True, slots=True)
class UserProxies:
    """The proxies for TLS and for other connections, and the hosts without a proxy.

    Attributes:
        exceptions: the entries of NO_PROXY.
    """

    tls: UserProxy | None = None
    plain: UserProxy | None = None
    exceptions: tuple[str, ...] = ()

    @classmethod
    def of_environment(cls, env: Mapping[str, str]) -> UserProxies:
        """Read the variables; the lower-case spelling counts first, as in most libraries.

        Raises:
            UsageError: one of them names no proxy.
        """

        def proxy(*names: str) -> UserProxy | None:
            for name in names:
                for spelling in (name, name.upper()):
                    if value := env.get(spelling, "").strip():
                        return UserProxy.parse(value, spelling)
            return None

        text = env.get("no_proxy") or env.get("NO_PROXY") or ""
        return cls(
            proxy("https_proxy", "wss_proxy", "all_proxy"),
            proxy("http_proxy", "ws_proxy", "all_proxy"),
            tuple(entry.lower() for entry in text.replace(",", " ").split()),
        )

    def of(self, host: str, port: int, *, tls: bool) -> UserProxy | None:
        """The proxy for a server; None: connect to it directly, as to this machine."""
        found = self.tls if tls else self.plain
        if found is None or is_loopback(host) or self.excepts(host, port):
            return None
        return found

    def excepts(self, host: str, port: int) -> bool:
        """Whether NO_PROXY names a server: by name, domain, address or network, or all by *."""
        name = host.lower().rstrip(".").strip("[]")
        return any(_matches(entry, name, port) for entry in self.exceptions)


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    ip = parse_ip(host)
    if ip is not None and "/" in entry:
        try:
            return ip in ipaddress.ip_network(entry, strict=False)
        except (ValueError, TypeError):
            return False
    name, colon, its_port = entry.rpartition(":")
    if colon and its_port.isdecimal() and (":" not in name or name.startswith("[")):
        if int(its_port) != port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").rstrip(".")
    if ip is not None:
        return parse_ip(entry) == ip
    domain = entry.removeprefix(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))
