"""Connects to a server through a proxy of the user: by HTTP CONNECT, or by SOCKS."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from contextlib import suppress

import python_socks
from mitmproxy import ctx
from python_socks.async_.asyncio import Proxy as SocksProxy

from wsproxy.intercept.user_proxies import UserProxy
from wsproxy.system.address import authority

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_STATUS = re.compile(rb"HTTP/1\.\d (\d{3})[ \t]*([^\r\n]*)")
_SOCKS_TYPES = {
    "socks4": python_socks.ProxyType.SOCKS4,
    "socks4a": python_socks.ProxyType.SOCKS4,
}


class ChainError(OSError):
    """The proxy cannot be reached, or does not connect to the server.

    Attributes:
        status: of the proxy's answer to CONNECT, such as 407; None without an answer.
    """

    def __init__(self, proxy: UserProxy, problem: str, status: int | None = None) -> None:
        super().__init__(f"the upstream proxy {proxy} {problem}")
        self.status = status


async def connect_to_proxy(proxy: UserProxy) -> Streams:
    """Connect to an HTTP proxy itself.

    Raises:
        ChainError: it cannot be reached.
    """
    context = None
    if proxy.scheme == "https":
        context = ssl.create_default_context(cafile=ctx.options.ssl_verify_upstream_trusted_ca)
    try:
        return await asyncio.open_connection(proxy.host, proxy.port, ssl=context)
    except OSError as error:
        raise ChainError(proxy, f"cannot be reached: {error}") from error


async def connect(proxy: UserProxy, host: str, port: int) -> Streams:
    """Connect to a server through a proxy.

    Raises:
        ChainError: the proxy cannot be reached, or refuses.
    """
    if not proxy.is_http:
        return await _connect_by_socks(proxy, host, port)
    reader, writer = await connect_to_proxy(proxy)
    try:
        writer.write(_connect_request(proxy, authority(host, port)))
        head = await reader.readuntil(b"\r\n\r\n")
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        writer.transport.abort()
        raise ChainError(proxy, "did not answer CONNECT") from error
    except BaseException:  # cancelled
        writer.transport.abort()
        raise
    answer = _STATUS.match(head)
    if answer is None or not 200 <= int(answer[1]) < 300:
        writer.close()
        status = int(answer[1]) if answer is not None else None
        line = head.split(b"\r\n", 1)[0][:100].decode("ascii", "replace")
        raise ChainError(proxy, f"refused to connect to {authority(host, port)}: {line}", status)
    return reader, writer


def authorization(proxy: UserProxy) -> str | None:
    """The value of Proxy-Authorization, or None."""
    if proxy.user is None:
        return None
    both = f"{proxy.user}:{proxy.password}".encode()
    return f"Basic {base64.b64encode(both).decode()}"


def _connect_request(proxy: UserProxy, target: str) -> bytes:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if (value := authorization(proxy)) is not None:
        lines.append(f"Proxy-Authorization: {value}")
    return "\r\n".join([*lines, "", ""]).encode()


async def _connect_by_socks(proxy: UserProxy, host: str, port: int) -> Streams:
    kind = _SOCKS_TYPES.get(proxy.scheme, python_socks.ProxyType.SOCKS5)
    rdns = proxy.scheme not in ("socks4", "socks5")
    chained = SocksProxy(kind, proxy.host, proxy.port, proxy.user, proxy.password, rdns=rdns)
    try:
        sock = await chained.connect(host, port)
    except python_socks.ProxyConnectionError as error:
        raise ChainError(proxy, f"cannot be reached: {error}") from error
    except (python_socks.ProxyError, python_socks.ProxyTimeoutError, OSError) as error:
        text = f"refused to connect to {authority(host, port)}: {error}"
        raise ChainError(proxy, text) from error
    with suppress(OSError):
        return await asyncio.open_connection(sock=sock)
    sock.close()
    raise ChainError(proxy, "has disconnected")
