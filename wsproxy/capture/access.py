"""The mitmproxy addon that says what is not served.

Every web page can send requests to a port of this machine: to the recorder as well. A page
is not to use the recorder as if it were the page's own server, nor to reach the API through
it under a name of its own (DNS rebinding). And nothing is to make the recorder connect to
itself, which would never end.
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

from wsproxy.address import IPAddress, authority, is_loopback, parse_ip, reaches
from wsproxy.errors import Setting

from . import heads, layer

logger = logging.getLogger(__name__)

QUIET = 60.0  # seconds in which refusals for one reason are logged once

ITSELF = "wsproxy does not connect to itself"
REFUSED_HERE = "wsproxy_refused_here"  # in the metadata of a flow that is answered here

_EXTENSIONS = ("chrome-extension://", "moz-extension://", "safari-web-extension://")
_ANY = "*"

_numbers = itertools.count(1)


class Access:
    """Refuses requests, with a 4xx answer that says why; they leave no trace."""

    def __init__(self) -> None:
        # mitmproxy wants each name once, and two of our addons can be loaded side by side.
        self.name = f"wsproxy-access-{next(_numbers)}"
        self._logged: dict[str, float] = {}  # monotonic seconds, by reason

    # -- mitmproxy's hooks

    def load(self, loader: Loader) -> None:
        loader.add_option(
            "wsproxy_allow_host",
            Sequence[str],
            [],
            "Further names by which apps may call this reverse proxy in their Host header; "
            "* allows every name.",
        )

    def running(self) -> None:
        heads.install()

    def done(self) -> None:
        heads.uninstall()

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is not None:
            return
        request, sent = flow.request, heads.asked(flow)
        mode = flow.client_conn.proxy_mode
        if sent is not None and sent.origin_form and _is_of_web_page(request.headers):
            why = (
                "a web page has asked this proxy as if it were the page's server. Pages reach it "
                "as their browser's proxy only"
            )
            self._refuse(flow, 403, "web page", why)
        elif isinstance(mode, mode_specs.ReverseMode):
            named = sent.hosts if sent is not None else ()
            # An empty Host header names nothing, as none would; no browser sends one.
            unexpected = [host for host in named if host and not _is_name_of(mode, host)]
            if unexpected:
                why = (
                    f"this reverse proxy for {mode.address[0]} does not go by the name of "
                    f"{unexpected[0][:100]!r}. Use 127.0.0.1, or add the name to the hosts that "
                    "the proxy allows"
                )
                self._refuse(flow, 421, "host", why, Setting("allow_hosts"))
        elif await self.leads_here((request.host, request.port)):
            why = (
                f"{ITSELF}, and {authority(request.host, request.port)} is its own address. It is "
                "a proxy: set HTTPS_PROXY and HTTP_PROXY in the app. Only in reverse mode is it "
                "the app's base URL"
            )
            self._refuse(flow, 421, "itself", why, Setting("mode"))

    async def http_connect(self, flow: http.HTTPFlow) -> None:
        if flow.response is None and await self.leads_here((flow.request.host, flow.request.port)):
            where = authority(flow.request.host, flow.request.port)
            self._refuse(flow, 421, "itself", f"{ITSELF}, and {where} is its own address")

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """In some modes this is the first to know where a connection goes."""
        if data.server.address is not None and await self.leads_here(data.server.address):
            data.server.error = ITSELF
            self._log("itself", f"{ITSELF}: {authority(*data.server.address[:2])}")

    def server_connected(self, data: ServerConnectionHookData) -> None:
        """A name may have meant something else a moment ago."""
        peer = data.server.peername
        if peer is not None and _is_own(peer[0], peer[1], _listening()):
            layer.abort(data.client, data.server)
            self._log("itself", f"{ITSELF}: {authority(*peer[:2])}")

    # -- what is asked

    async def leads_here(self, address: tuple[str, int, *tuple[int, ...]]) -> bool:
        """Whether a connection to a host and port would arrive at this recorder."""
        host, port = address[0], address[1]
        listening = _listening()
        if not any(port == each[1] for each in listening):
            return False  # nearly always, and without asking for a name
        if parse_ip(host) is not None:
            return _is_own(host, port, listening)
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return False  # the connection fails as well
        return any(_is_own(str(each[4][0]), port, listening) for each in found)

    def _refuse(
        self, flow: http.HTTPFlow, status: int, reason: str, why: str, *settings: Setting
    ) -> None:
        flow.metadata[REFUSED_HERE] = True
        flow.response = http.Response.make(
            status,
            f"wsproxy: refused: {why}.\n",
            {"Content-Type": "text/plain", "Server": "wsproxy", "Connection": "close"},
        )
        self._log(reason, f"refused a request: {why}", *settings)

    def _log(self, reason: str, text: str, *settings: Setting) -> None:
        now = time.monotonic()
        if now - self._logged.get(reason, float("-inf")) >= QUIET:
            self._logged[reason] = now
            logger.warning(
                "wsproxy: %s. Further ones are not logged for %.0f s.",
                text,
                QUIET,
                extra={"settings": settings},
            )


def _is_of_web_page(headers: http.Headers) -> bool:
    """Whether a browser has sent a request for a page, and not for an extension."""
    origins = headers.get_all("Origin")
    if origins:
        return not all(origin.lower().startswith(_EXTENSIONS) for origin in origins)
    site = headers.get_all("Sec-Fetch-Site")
    return any(each.lower() != "none" for each in site)


def _listening() -> list[tuple[str, int]]:
    """The addresses that this process listens on for apps."""
    addon = ctx.master.addons.get("proxyserver")
    if not isinstance(addon, Proxyserver):
        return []
    return [(str(each[0]), int(each[1])) for each in addon.listen_addrs()]


def _is_own(ip: str, port: int, listening: Iterable[tuple[str, int]]) -> bool:
    target = parse_ip(ip)
    own = [parse_ip(each) for each, its_port in listening if its_port == port]
    return target is not None and any(each is not None and reaches(target, each) for each in own)


def _is_listened_on(host: str, listening: Iterable[str]) -> bool:
    """Whether a host is an address of a socket, or of this machine if that is for all of them."""
    own: list[IPAddress] = [ip for each in listening if (ip := parse_ip(each)) is not None]
    target = parse_ip(host)
    if target is None:
        return host == socket.gethostname().lower() and any(ip.is_unspecified for ip in own)
    return any(reaches(target, ip) for ip in own if not ip.is_loopback)


def _is_name_of(mode: mode_specs.ReverseMode, text: str) -> bool:
    """Whether a reverse proxy may be called so, by a Host header or a target."""
    try:
        named = url.parse_authority(text, check=False)[0]
    except ValueError:
        return False
    host: str = named.strip("[]").lower().rstrip(".")
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
        or _is_listened_on(host, (ip for ip, _ in _listening()))
    )
