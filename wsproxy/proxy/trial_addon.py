"""The mitmproxy addon for trial runs: speech APIs are simulated, and connections are observed."""

from __future__ import annotations

from mitmproxy import http, tls
from mitmproxy.proxy.context import Context

from wsproxy.catalog import Catalog
from wsproxy.intercept.observed_hosts import ObservedHosts
from wsproxy.simulate import Simulator

from .redirect_addon import RedirectAddon


class TrialAddon(RedirectAddon):
    """Answers requests to speech APIs on this machine, and passes all others through.

    Args:
        catalog: the speech APIs.

    Attributes:
        observed: what the clients did.
    """

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(self._simulated)
        self.observed = ObservedHosts()
        self._catalog = catalog
        self._simulator = Simulator(catalog=catalog)

    async def running(self) -> None:
        await self._simulator.__aenter__()
        await super().running()

    async def done(self) -> None:
        await super().done()
        await self._simulator.__aexit__()

    async def _simulated(self, host: str, target: str) -> tuple[str, int] | None:
        return (self._simulator.host, self._simulator.port) if self._is_api(host) else None

    def _is_api(self, host: str) -> bool:
        return self._catalog.at_host(host, "/")[0] is not None

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Pass TLS of other hosts through, without decrypting it."""
        host = _host(data.context, data.client_hello.sni)
        if not self._is_api(host):
            data.ignore_connection = True
            self.observed.at(host).passed += 1

    def tls_established_client(self, data: tls.TlsData) -> None:
        self.observed.at(_host(data.context, data.conn.sni)).trusted += 1

    def tls_failed_client(self, data: tls.TlsData) -> None:
        self.observed.at(_host(data.context, data.conn.sni)).rejected += 1

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        observed = self.observed.at(flow.request.pretty_host)
        observed.requests += 1
        if flow.request.headers.get("Upgrade", "").lower() == "websocket":
            observed.upgrades += 1
        await super().requestheaders(flow)


def _host(context: Context, sni: str | None) -> str:
    return sni or (context.server.address[0] if context.server.address else "?")
