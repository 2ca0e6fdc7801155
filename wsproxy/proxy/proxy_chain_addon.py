"""The mitmproxy addon that connects to servers through the proxies of the user's environment.

mitmproxy's own upstream mode sends every connection to one proxy, and reports a proxy that
refuses only after the client has got the answer that it is connected. Here mitmproxy keeps its
mode, and only the opening of a connection is replaced: by `install`, which changes one attribute.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy import server as mitmproxy_server
from mitmproxy.proxy.mode_specs import RegularMode, ReverseMode, Socks5Mode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from wsproxy.intercept.user_proxies import UserProxies, UserProxy
from wsproxy.system.address import authority

from . import chained_connection
from .chained_connection import ChainError, Streams

logger = logging.getLogger(__name__)

# In these modes the app uses the recorder in place of its own proxy. Connections that were
# taken from the app in other ways were meant to be direct.
_MODES = (RegularMode, ReverseMode, Socks5Mode)


@dataclass(frozen=True, slots=True)
class _Route:
    """How the connection of the current task is opened.

    Attributes:
        is_tunnel: False: requests are sent to the proxy, not to the server through it.
        on_error: called with the error.
    """

    proxy: UserProxy
    is_tunnel: bool
    on_error: Callable[[ChainError], None]


_route: ContextVar[_Route | None] = ContextVar("route", default=None)


class ProxyChainAddon:
    """Chooses the proxy of each connection.

    Args:
        proxies: the user's.
        is_own_address: whether an address is that of this recorder.
    """

    def __init__(
        self, proxies: UserProxies, is_own_address: Callable[[tuple[str, int]], Awaitable[bool]]
    ) -> None:
        self._proxies = proxies
        self._is_own_address = is_own_address
        self._tunnels: set[str] = set()  # ids of clients that have sent CONNECT
        self._statuses: dict[str, int] = {}  # refusals, by the client's id
        self._logged: set[str] = set()

    # -- mitmproxy's hooks

    async def running(self) -> None:
        """Ignore a proxy that is this recorder: the variables may be those for the app."""
        kept = {
            name: proxy
            for name, proxy in (("tls", self._proxies.tls), ("plain", self._proxies.plain))
            if proxy is not None and not await self._is_own_address((proxy.host, proxy.port))
        }
        self._proxies = UserProxies(**kept, exceptions=self._proxies.exceptions)
        install()

    def done(self) -> None:
        uninstall()

    def http_connect(self, flow: http.HTTPFlow) -> None:
        self._tunnels.add(flow.client_conn.id)

    def http_connect_error(self, flow: http.HTTPFlow) -> None:
        """Answer with the status of the proxy, which the app would see without the recorder."""
        status = self._statuses.pop(flow.client_conn.id, None)
        if status is not None and flow.response is not None and status >= 400:
            text = flow.response.get_text() or ""
            flow.response = http.Response.make(status, text, {"Content-Type": "text/plain"})

    def client_disconnected(self, client: Client) -> None:
        self._tunnels.discard(client.id)
        self._statuses.pop(client.id, None)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Make a request that is sent to the proxy absolute, and authenticate it."""
        request, client = flow.request, flow.client_conn
        if flow.response is not None or request.scheme != "http" or self._is_tunnel(client):
            return
        proxy = self._proxies.of(request.host, request.port, tls=False)
        if proxy is not None and proxy.is_http:
            request.authority = authority(request.host, request.port)
            if (value := chained_connection.authorization(proxy)) is not None:
                request.headers["Proxy-Authorization"] = value

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """Choose the route; mitmproxy opens the connection in the same task."""
        address, client = data.server.address, data.client
        if address is None or not isinstance(client.proxy_mode, _MODES):
            return
        is_tunnel = data.server.tls or self._is_tunnel(client)
        tls = is_tunnel and (data.server.tls or address[1] != 80)
        proxy = self._proxies.of(address[0], address[1], tls=tls)
        if proxy is not None:
            _route.set(
                _Route(
                    proxy,
                    is_tunnel or not proxy.is_http,
                    lambda error: self._on_error(client, error),
                )
            )

    def _is_tunnel(self, client: Client) -> bool:
        return client.id in self._tunnels or not isinstance(client.proxy_mode, RegularMode)

    def _on_error(self, client: Client, error: ChainError) -> None:
        if error.status is not None:
            self._statuses[client.id] = error.status
        if (text := str(error)) not in self._logged and len(self._logged) < 100:
            self._logged.add(text)
            logger.warning("wsproxy: %s", text)


async def _open_connection(host: str, port: int, **options: Any) -> Streams:
    """In place of asyncio's function in mitmproxy's module."""
    route = _route.get()
    if route is None:
        return await asyncio.open_connection(host, port, **options)
    try:
        if not route.is_tunnel:
            return await chained_connection.connect_to_proxy(route.proxy)
        return await chained_connection.connect(route.proxy, host, port)
    except ChainError as error:
        route.on_error(error)
        raise


def install() -> None:
    """Open connections to servers by their route from now on."""
    names = {**vars(asyncio), "open_connection": _open_connection}
    mitmproxy_server.asyncio = SimpleNamespace(**names)  # type: ignore[assignment,attr-defined]


def uninstall() -> None:
    """Restore asyncio's function."""
    mitmproxy_server.asyncio = asyncio  # type: ignore[attr-defined]
