"""The mitmproxy addon that refuses requests which must not be served.

Every web page can send requests to a port of this machine, so also to the recorder. A page must
not use the recorder as if it were the page's own server, nor reach the API through it under a
name of its own (DNS rebinding). And the recorder must not connect to itself, in an endless loop.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import time
from collections.abc import Iterable, Sequence

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.net.http import url
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from wsproxy.errors import Setting
from wsproxy.system.address import IPAddress, authority, is_loopback, parse_ip, reaches

from . import connection_control, head_limits

logger = logging.getLogger(__name__)

LOG_INTERVAL = 60.0  # seconds in which refusals for one reason are logged once

SELF_CONNECTION = "wsproxy does not connect to itself"
ANSWERED_HERE = "wsproxy_answered_here"  # in the metadata of a flow that the proxy answers itself

_EXTENSIONS = ("chrome-extension://", "moz-extension://", "safari-web-extension://")
_ANY = "*"

_numbers = itertools.count(1)


class AccessAddon:
    """Refuses requests with a 4xx response that states the reason; they are not recorded."""

    def __init__(self) -> None:
        # Names must be unique in mitmproxy, and two of our addons can be loaded side by side.
        self.name = f"wsproxy-access-{next(_numbers)}"
        self._logged: dict[str, float] = {}  # monotonic seconds, by reason

    # -- mitmproxy's hooks

    def load(self, loader: Loader) -> None:
        loader.add_option(
            "wsproxy_allow_host",
            Sequence[str],
            [],
            "Additional names that apps may use for this reverse proxy in their Host header; "
            "* allows every name.",
        )

    def running(self) -> None:
        head_limits.install()

    def done(self) -> None:
        head_limits.uninstall()

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is not None:
            return
        request, original = flow.request, head_limits.client_request(flow)
        mode = flow.client_conn.proxy_mode
        if original is not None and original.origin_form and _is_from_web_page(request.headers):
            why = (
                "a web page sent a request to this proxy as if to a server; web pages can use it "
                "only as the proxy of their browser"
            )
            self._refuse(flow, 403, "web page", why)
        elif isinstance(mode, mode_specs.ReverseMode):
            hosts = original.hosts if original is not None else ()
            # An empty Host header names nothing, like a missing one; no browser sends it.
            unexpected = [host for host in hosts if host and not _is_allowed_name(mode, host)]
            if unexpected:
                why = (
                    f"unexpected host for this reverse proxy for {mode.address[0]}: "
                    f"{unexpected[0][:100]!r}; use 127.0.0.1, or add the name to the allowed hosts"
                )
                self._refuse(flow, 421, "host", why, Setting("allow_hosts"))
        elif await self.is_own_address((request.host, request.port)):
            why = (
                f"{SELF_CONNECTION}, and {authority(request.host, request.port)} is its own "
                "address; set HTTPS_PROXY and HTTP_PROXY in the app, or use reverse mode with the "
                "recorder as the app's base URL"
            )
            self._refuse(flow, 421, "itself", why, Setting("mode"))

    async def http_connect(self, flow: http.HTTPFlow) -> None:
        if flow.response is None and await self.is_own_address(
            (flow.request.host, flow.request.port)
        ):
            where = authority(flow.request.host, flow.request.port)
            self._refuse(flow, 421, "itself", f"{SELF_CONNECTION}, and {where} is its own address")

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """Check again: in some modes the destination is known only now."""
        if data.server.address is not None and await self.is_own_address(data.server.address):
            data.server.error = SELF_CONNECTION
            self._log("itself", f"{SELF_CONNECTION}: {authority(*data.server.address[:2])}")

    def server_connected(self, data: ServerConnectionHookData) -> None:
        """Check the connected address: a name may resolve differently a moment later."""
        peer = data.server.peername
        if peer is not None and _is_listening(peer[0], peer[1], _listening()):
            connection_control.abort(data.client, data.server)
            self._log("itself", f"{SELF_CONNECTION}: {authority(*peer[:2])}")

    # -- checks

    async def is_own_address(self, address: tuple[str, int, *tuple[int, ...]]) -> bool:
        """Whether a connection to a host and port would reach this recorder."""
        host, port = address[0], address[1]
        listening = _listening()
        if not any(port == each[1] for each in listening):
            return False  # nearly always, and without resolving a name
        if parse_ip(host) is not None:
            return _is_listening(host, port, listening)
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return False  # the connection fails as well
        return any(_is_listening(str(each[4][0]), port, listening) for each in found)

    def _refuse(
        self, flow: http.HTTPFlow, status: int, reason: str, why: str, *settings: Setting
    ) -> None:
        flow.metadata[ANSWERED_HERE] = True
        flow.response = http.Response.make(
            status,
            f"wsproxy: refused: {why}.\n",
            {"Content-Type": "text/plain", "Server": "wsproxy", "Connection": "close"},
        )
        self._log(reason, f"refused a request: {why}", *settings)

    def _log(self, reason: str, text: str, *settings: Setting) -> None:
        now = time.monotonic()
        if now - self._logged.get(reason, float("-inf")) >= LOG_INTERVAL:
            self._logged[reason] = now
            logger.warning(
                "wsproxy: %s (not logged again for %.0f s)",
                text,
                LOG_INTERVAL,
                extra={"settings": settings},
            )


def _is_from_web_page(headers: http.Headers) -> bool:
    """Whether a browser sent a request on behalf of a web page, not of an extension."""
    origins = headers.get_all("Origin")
    if origins:
        return not all(origin.lower().startswith(_EXTENSIONS) for origin in origins)
    site = headers.get_all("Sec-Fetch-Site")
    return any(each.lower() != "none" for each in site)


def _listening() -> list[tuple[str, int]]:
    """The addresses that this process accepts connections of apps on."""
    addon = ctx.master.addons.get("proxyserver")
    if not isinstance(addon, Proxyserver):
        return []
    return [(str(each[0]), int(each[1])) for each in addon.listen_addrs()]


def _is_listening(ip: str, port: int, listening: Iterable[tuple[str, int]]) -> bool:
    target = parse_ip(ip)
    own = [parse_ip(each) for each, listening_port in listening if listening_port == port]
    return target is not None and any(each is not None and reaches(target, each) for each in own)


def _is_listening_host(host: str, listening: Iterable[str]) -> bool:
    """Whether a host is an address that is listened on, if need be through a wildcard address."""
    own: list[IPAddress] = [ip for each in listening if (ip := parse_ip(each)) is not None]
    target = parse_ip(host)
    if target is None:
        return host == socket.gethostname().lower() and any(ip.is_unspecified for ip in own)
    return any(reaches(target, ip) for ip in own if not ip.is_loopback)


def _is_allowed_name(mode: mode_specs.ReverseMode, text: str) -> bool:
    """Whether a reverse proxy accepts a name in a Host header or a target."""
    try:
        name = url.parse_authority(text, check=False)[0]
    except ValueError:
        return False
    host: str = name.strip("[]").lower().rstrip(".")
    listen_host = mode.listen_host(ctx.options.listen_host)
    allowed: list[str] = ctx.options.wsproxy_allow_host
    names: list[str] = [
        name.lower().rstrip(".") for name in (*allowed, mode.address[0], listen_host)
    ]
    return (
        _ANY in names
        or host in names
        or is_loopback(host)
        or host.endswith(".localhost")
        or _is_listening_host(host, (ip for ip, _ in _listening()))
    )
