"""The mitmproxy addon that redirects requests to a server on this machine.

An app that uses mitmproxy as its proxy reaches that server under the API's real host name, with
a certificate for it; no connection to the API is made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mitmproxy import ctx, http
from mitmproxy.connection import Client
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from wsproxy.system.address import is_loopback

from . import connection_control, relay_layer
from .record_addon import RecordAddon

# Returns the address of the server for a host and a target (path and query), or None.
FindServer = Callable[[str, str], Awaitable[tuple[str, int] | None]]

OTHERS = ("pass", "refuse", "here")


async def _ignore(host: str) -> None:
    pass


class RedirectAddon:
    """Redirects requests to local servers.

    Args:
        find_server: returns the server of a request.
        others: what to do with requests without a server: "pass", "refuse", or "here": pass
            those for this machine, refuse the others.
        on_refused: called with the name of each host that is refused; the request is answered
            when the call returns.
    """

    def __init__(
        self,
        find_server: FindServer,
        *,
        others: str = "pass",
        on_refused: Callable[[str], Awaitable[None]] = _ignore,
    ) -> None:
        self._find_server = find_server
        self._others = others
        self._on_refused = on_refused

    async def running(self) -> None:
        # The certificate is made for the name in the request, without connecting to that host.
        ctx.options.update(connection_strategy="lazy", upstream_cert=False)
        if ctx.master.addons.get("record") is None:
            relay_layer.install(lambda flow: relay_layer.UnrecordedSink())

    async def done(self) -> None:
        if ctx.master.addons.get("record") is None:
            relay_layer.uninstall()

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Redirect a request; its Host header stays."""
        request = flow.request
        address = await self._find_server(request.pretty_host, request.path)
        if address is None:
            await self._refuse(flow)
            return
        host_header = request.host_header or request.pretty_host
        request.scheme = "http"
        request.host, request.port = address
        request.host_header = host_header

    async def _refuse(self, flow: http.HTTPFlow) -> None:
        host = flow.request.pretty_host
        if self._others == "pass" or (self._others == "here" and is_loopback(flow.request.host)):
            return
        await self._on_refused(host)
        text = f"wsproxy: {host} is not served here\n"
        flow.response = http.Response.make(502, text, {"Connection": "close"})

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """Refuse other connections: a proxy also carries data that is no HTTP request."""
        connection_control.on_task_failure(lambda: connection_control.disconnect(data.client))
        host = data.server.address[0] if data.server.address else ""
        if self._others != "pass" or await self._find_server(host, "/") is not None:
            refuse_remote(data)


class LocalRecordAddon(RecordAddon):
    """Records sessions with servers on this machine, and refuses all other connections."""

    def server_connect(self, data: ServerConnectionHookData) -> None:
        super().server_connect(data)
        refuse_remote(data)

    def records_failure(self, client: Client, host: str) -> bool:
        """An attempt to reach another machine is recorded, whatever it was for."""
        return self.hosts.includes(host)


def refuse_remote(data: ServerConnectionHookData) -> None:
    """Refuse a connection to another machine, before any data is sent or a name is resolved."""
    address = data.server.address
    if address is None or not is_loopback(address[0]):
        host = address[0] if address else "?"
        data.server.error = (
            f"wsproxy: {host} is another machine, and only this machine may be reached"
        )
