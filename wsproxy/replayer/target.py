"""The target of a replay as the client: URL, proxy and trusted certificates."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from python_socks import ProxyError

from wsproxy.errors import ConnectFailed, Setting, UsageError
from wsproxy.system.address import authority, is_loopback, public_url

_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_PROXIES = ("http", "socks4", "socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class Target:
    """The server to replay against.

    Attributes:
        path: path and query; "": the recorded ones.
    """

    scheme: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, url: str) -> Target:
        """Read a ws, wss, http or https URL.

        Raises:
            UsageError: it is not one of these.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # its text has parts of the URL
            raise UsageError(f"{public_url(url)!r} is not a valid URL") from None
        if parts.scheme not in _PORTS or not parts.hostname or any(map(str.isspace, url)):
            raise UsageError(f"{public_url(url)!r} is not a ws:// or wss:// URL")
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
        """The value of the Host header (RFC 9110, section 7.2)."""
        port = None if self.port == _PORTS[self.scheme] else self.port
        return authority(self.host, port)

    def request_path(self, recorded: str) -> str:
        """The path and query to request."""
        path, separator, query = recorded.partition("?")
        own_path, own_separator, own_query = self.path.partition("?")
        return (own_path or path) + (
            own_separator + own_query if own_separator else separator + query
        )

    def __str__(self) -> str:
        return authority(self.host, self.port)


def ssl_context(ca: Path | None, *, insecure: bool) -> ssl.SSLContext:
    """How the certificate of a TLS server is verified.

    Args:
        ca: PEM file with certificates to trust instead of the system's.
        insecure: do not verify the certificate.

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


def proxy_for(target: Target, setting: str | None) -> str | None:
    """URL of the proxy to use: the one that is set, else the environment's; None for none.

    The environment's proxy is not used for servers on this machine.

    Args:
        setting: http:// or socks5:// URL; "" for no proxy; None for the environment's.

    Raises:
        UsageError: the URL is invalid, or its scheme is not supported.
    """
    url = setting
    if url is None:
        if is_loopback(target.host) or urllib.request.proxy_bypass(target.host):
            return None
        proxies = urllib.request.getproxies()
        url = proxies.get("https" if target.tls else "http") or proxies.get("all")
    if not url:
        return None
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in _PROXIES and parts.hostname and parts.port
    except ValueError:
        is_usable = None
    if not is_usable:
        raise UsageError(f"proxy {public_url(url)!r}: give http://HOST:PORT or socks5://HOST:PORT")
    # The proxy resolves host names, as socks5h:// asks for; that is python-socks' default.
    return url.replace("socks5h://", "socks5://", 1)


@contextmanager
def connect_errors(target: Target, proxy: str | None, timeout: float) -> Iterator[None]:
    """Turn the errors of the body, which connects to a target, into ConnectFailed.

    Args:
        proxy: URL of the proxy in use, None without one.
        timeout: seconds that the body allows, for the message.

    Raises:
        ConnectFailed: the body raised an error of the connection, of TLS or of the proxy.
    """
    try:
        yield
    except TimeoutError:
        raise ConnectFailed(f"cannot reach {target}: no answer in {timeout:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise ConnectFailed(
            f"{target} has a certificate that is not trusted ({error.verify_message})",
            Setting("ca"),
        ) from None
    except OSError as error:
        text = error.strerror or str(error) or type(error).__name__
        raise ConnectFailed(f"cannot reach {target}: {text}") from None
    except ProxyError as error:
        parts = urlsplit(proxy or "")  # without the user's name and password
        raise ConnectFailed(
            f"cannot reach {target} through the proxy {parts.hostname}:{parts.port}: {error}"
        ) from None
