"""The mitmproxy addon that leads requests to a server on this machine.

An app whose proxy is mitmproxy meets that server at the API's real host name, with a
certificate for it; no connection to the API is made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mitmproxy import ctx, http
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from wsproxy.system.address import is_loopback

from . import relay_layer
from .record_addon import RecordAddon

# The address of the server that answers for a host and a target (path and query), or None.
Answer = Callable[[str, str], Awaitable[tuple[str, int] | None]]

OTHERS = ("pass", "refuse", "here")


async def _ignore(host: str) -> None:
    pass


class RedirectAddon:
    """Leads requests to where they are answered.

    Args:
        answer: where that is.
        others: what becomes of all other requests: "pass", "refuse", or "here": pass those
            for this machine alone.
        on_refused: called with the name of each other host that is refused; the request is
            answered when that returns.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        others: str = "pass",
        on_refused: Callable[[str], Awaitable[None]] = _ignore,
    ) -> None:
        self._answer = answer
        self._others = others
        self._on_refused = on_refused

    async def running(self) -> None:
        # A certificate is made from the name that the app asks for: nobody else is asked.
        ctx.options.update(connection_strategy="lazy", upstream_cert=False)
        if ctx.master.addons.get("record") is None:
            relay_layer.install(lambda flow: relay_layer.UnrecordedSink())

    async def done(self) -> None:
        if ctx.master.addons.get("record") is None:
            relay_layer.uninstall()

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Lead a request to its answer; the app's name for the API stays in it."""
        request = flow.request
        address = await self._answer(request.pretty_host, request.path)
        if address is None:
            await self._refuse(flow)
            return
        named = request.host_header or request.pretty_host
        request.scheme = "http"
        request.host, request.port = address
        request.host_header = named

    async def _refuse(self, flow: http.HTTPFlow) -> None:
        host = flow.request.pretty_host
        if self._others == "pass" or (self._others == "here" and is_loopback(flow.request.host)):
            return
        await self._on_refused(host)
        text = f"wsproxy: nothing here answers for {host}\n"
        flow.response = http.Response.make(502, text, {"Connection": "close"})

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """Not all that goes through a proxy is a request."""
        relay_layer.on_crash(lambda: relay_layer.disconnect(data.client))
        host = data.server.address[0] if data.server.address else ""
        if self._others != "pass" or await self._answer(host, "/") is not None:
            refuse_remote(data)


class LocalRecordAddon(RecordAddon):
    """Records sessions with servers on this machine; no other one is connected to."""

    def server_connect(self, data: ServerConnectionHookData) -> None:
        super().server_connect(data)
        refuse_remote(data)


def refuse_remote(data: ServerConnectionHookData) -> None:
    """Refuse a connection to another machine, before anything is sent or any name is looked up."""
    address = data.server.address
    if address is None or not is_loopback(address[0]):
        host = address[0] if address else "?"
        data.server.error = f"wsproxy: {host} is another machine, and nothing goes there"
