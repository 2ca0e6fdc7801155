"""Where a replay as the client goes: the server's URL, the way there, and what is trusted."""

from __future__ import annotations

import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from wsproxy.address import authority, is_loopback
from wsproxy.errors import ConnectFailed, Setting, UsageError

_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_PROXIES = ("http", "socks4", "socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class Target:
    """The server that a replay goes to.

    Attributes:
        path: with its query; empty: the recorded one.
    """

    scheme: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, url: str) -> Target:
        """Read a ws, wss, http or https URL.

        Raises:
            UsageError: it is none.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"{url!r} is not a URL: {error}") from None
        if parts.scheme not in _PORTS or not parts.hostname or any(map(str.isspace, url)):
            raise UsageError(f"{url!r} is not a ws:// or wss:// URL")
        if parts.username or parts.password:
            raise UsageError("the URL has a user name or password in it", Setting("headers"))
        path = parts.path if parts.path not in ("", "/") else ""
        query = f"?{parts.query}" if parts.query else ""
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], path + query)

    @property
    def tls(self) -> bool:
        return self.scheme in ("wss", "https")

    @property
    def authority(self) -> str:
        """For the Host header (RFC 9110, section 7.2)."""
        port = None if self.port == _PORTS[self.scheme] else self.port
        return authority(self.host, port)

    def path_of(self, recorded: str) -> str:
        """Path and query to ask for."""
        path, mark, query = recorded.partition("?")
        own_path, own_mark, own_query = self.path.partition("?")
        return (own_path or path) + (own_mark + own_query if own_mark else mark + query)

    def __str__(self) -> str:
        return authority(self.host, self.port)


def trust(ca: Path | None, *, insecure: bool) -> ssl.SSLContext:
    """What a TLS server's certificate is checked against.

    Args:
        ca: file with certificates to trust in the place of the system's, PEM.
        insecure: check nothing.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"cannot read the certificates in {ca}: {error}") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def proxy_for(target: Target, given: str | None) -> str | None:
    """The proxy to go through: the one that is given, else the environment's.

    Nothing on this machine is reached through the environment's proxy.

    Args:
        given: URL, http:// or socks5://; "" for none, whatever the environment says.

    Raises:
        UsageError: it is no URL of a proxy that can be gone through.
    """
    url = given
    if url is None:
        if is_loopback(target.host) or urllib.request.proxy_bypass(target.host):
            return None
        proxies = urllib.request.getproxies()
        url = proxies.get("https" if target.tls else "http") or proxies.get("all")
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PROXIES and parts.hostname and parts.port
    except ValueError:
        usable = None
    if not usable:
        raise UsageError(f"proxy {url!r}: give http://HOST:PORT or socks5://HOST:PORT")
    # Names are resolved by the proxy, as with its "h" scheme; that is python-socks' default.
    return url.replace("socks5h://", "socks5://", 1)


def connect_failed(target: Target, error: Exception, proxy: str | None = None) -> ConnectFailed:
    """The error for a connection that did not come about.

    Args:
        proxy: the one that said so.
    """
    if proxy is not None:
        parts = urlsplit(proxy)  # without the user's name and password
        return ConnectFailed(
            f"cannot reach {target} through the proxy {parts.hostname}:{parts.port}: {error}"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectFailed(
            f"{target} has a certificate that is not trusted ({error.verify_message})",
            Setting("ca"),
        )
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ConnectFailed(f"cannot reach {target}: {text or type(error).__name__}")
