"""The mitmproxy addon that passes through TLS which the recorder would break.

An app has other traffic than speech APIs. Where the recorder's own TLS would change the outcome
of a connection, the connection is relayed without being decrypted, and reported.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mitmproxy import ctx, tls
from mitmproxy.connection import Client
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers.tls import ClientTLSLayer, ServerTLSLayer
from mitmproxy.proxy.mode_specs import ReverseMode
from mitmproxy.tls import ClientHello
from OpenSSL import SSL

from wsproxy.intercept import pass_through_report as report
from wsproxy.intercept import rejections
from wsproxy.intercept.pass_through_report import PassThroughReport, Reason
from wsproxy.intercept.rejections import Rejections, TlsClient
from wsproxy.intercept.user_proxies import UserProxies

from .client_certificate import CertificateRequests
from .client_fingerprint import fingerprint
from .pass_through_layer import TlsLayer
from .recorded_hosts import RecordedHosts

logger = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

# Seconds after its TLS handshake in which a client that distrusts the certificate disconnects.
REJECTION_TIME = 2.0
MAX_KNOWN = 10_000  # servers and clients that are kept in memory

_NOT_VERIFIED = "Certificate verify failed: "
# In the texts of OpenSSL for the alerts of a client that does not accept a certificate.
_REJECTIONS = (
    "unknown ca",
    "bad certificate",
    "certificate unknown",
    "certificate expired",
    "certificate revoked",
    "unsupported certificate",
    "access denied",
)
_DISCONNECTED = "connection closed"  # mitmproxy's text for an end without an alert
_LEFT_EARLY = "connection closed early"  # and for one before the server's certificate was sent


@dataclass(slots=True)
class _Connection:
    """One TLS connection that is intercepted, or is about to be.

    Attributes:
        established: monotonic seconds of the end of the handshake with the client.
    """

    context: Context
    host: str
    port: int
    client: TlsClient
    established: float | None = None


class PassThroughAddon:
    """Decides for each TLS connection whether it is intercepted.

    Args:
        hosts: which hosts the user wants to record.
        proxies: the user's own proxy settings.
        counts: gets what is passed through.
    """

    def __init__(
        self, hosts: RecordedHosts, proxies: UserProxies, counts: PassThroughReport
    ) -> None:
        self._hosts = hosts
        self._proxies = proxies
        self._counts = counts
        self._requests = CertificateRequests()
        self._rejections: Rejections | None = None
        self._servers: dict[tuple[str, int], Reason] = {}
        self._clients: dict[TlsClient, Reason] = {}  # whose TLS fails for another reason
        self._trusting: dict[TlsClient, None] = {}
        self._open: dict[str, _Connection] = {}  # by the client's id, until it sends data

    # -- mitmproxy's hooks

    def running(self) -> None:
        confdir = Path(ctx.options.confdir).expanduser()
        ca = confdir / "mitmproxy-ca-cert.pem"
        self._rejections = Rejections(confdir, rejections.identity(ca))

    def done(self) -> None:
        self._open.clear()  # the recorder itself disconnects the clients now

    def next_layer(self, choice: NextLayer) -> None:
        """Take the place of mitmproxy's TLS layers."""
        stock, client = choice.layer, choice.context.client
        if isinstance(client.proxy_mode, ReverseMode):
            return  # the recorder itself is the server that the client wants
        connection = self._open.get(client.id)
        if isinstance(stock, ServerTLSLayer) and isinstance(stock.child_layer, ClientTLSLayer):
            choice.layer = TlsLayer(choice.context, stock, self)
        elif connection is not None and connection.established and choice.data_client():
            _remember(self._trusting, connection.client, None)
            del self._open[client.id]

    def tls_start_server(self, data: tls.TlsData) -> None:
        if data.ssl_conn is not None and not data.is_dtls:
            self._requests.watch(data.ssl_conn)

    def client_disconnected(self, client: Client) -> None:
        """Some clients check the certificate after the handshake, and disconnect."""
        connection = self._open.pop(client.id, None)
        if connection is None or connection.established is None:
            return
        is_early = time.monotonic() - connection.established < REJECTION_TIME
        server_left = connection.context.server.timestamp_end is not None
        if is_early and not server_left and connection.client not in self._trusting:
            self._reject(connection)

    # -- decisions of `TlsLayer`

    def on_hello(self, context: Context, hello: ClientHello) -> bool:
        address = context.server.address
        if address is None:
            return False
        host = hello.sni or address[0]
        client = TlsClient(host, fingerprint(hello))
        connection = _Connection(context, host, address[1], client)
        self._open[context.client.id] = connection
        return self._passes(connection, self._known_reason(connection))

    def on_server_handshake(self, context: Context, tls: SSL.Connection | None) -> bool:
        connection = self._open.get(context.client.id)
        if connection is None or tls is None or self._hosts.is_named(connection.host):
            return False
        reason = self._server_reason(connection, tls)
        if reason is None or not self._passes(connection, reason):
            return False
        if reason == report.CLIENT_CERTIFICATE or _is_unverified(context.server.error):
            _remember(self._servers, (connection.host, connection.port), reason)
        return True

    def on_client_handshake(self, context: Context, *, done: bool) -> None:
        connection = self._open.get(context.client.id)
        if connection is None:
            return
        if done:
            connection.established = time.monotonic()
            return
        del self._open[context.client.id]
        error = context.client.error or ""
        if error == _DISCONNECTED or any(text in error for text in _REJECTIONS):
            self._reject(connection)
        elif error != _LEFT_EARLY:
            _remember(self._clients, connection.client, report.failed(error))

    # -- reasons

    def _known_reason(self, connection: _Connection) -> Reason | None:
        """Why a connection is passed through before anything is sent to the server."""
        if self._hosts.is_named(connection.host):
            return None
        if self._is_excepted(connection) and not self._hosts.is_speech_api(connection.host):
            return report.IN_NO_PROXY
        if self._rejections is not None and connection.client in self._rejections:
            return report.REJECTED
        return self._clients.get(connection.client) or self._servers.get(
            (connection.host, connection.port)
        )

    def _is_excepted(self, connection: _Connection) -> bool:
        """Whether NO_PROXY has the name of the server, or its address."""
        address = connection.context.server.address
        hosts = {connection.host, address[0]} if address is not None else {connection.host}
        return any(self._proxies.excepts(host, connection.port) for host in hosts)

    def _server_reason(self, connection: _Connection, tls: SSL.Connection) -> Reason | None:
        """Why the recorder's TLS with the server does not do."""
        error = connection.context.server.error
        is_speech_api = self._hosts.is_speech_api(connection.host)
        if error is not None and _is_unverified(error):
            return report.unverified(error.removeprefix(_NOT_VERIFIED))
        if is_speech_api:
            return None  # a failure is recorded, and no known API requires a client certificate
        if tls in self._requests and not ctx.options.client_certs:
            return report.CLIENT_CERTIFICATE
        return report.failed(error) if error is not None else None

    def _passes(self, connection: _Connection, reason: Reason | None) -> bool:
        if reason is None:
            return False
        del self._open[connection.context.client.id]
        self._report(connection, reason, passed=True)
        return True

    def _reject(self, connection: _Connection) -> None:
        if self._hosts.is_named(connection.host):
            return
        if self._rejections is not None:
            self._rejections.add(connection.client)
        self._report(connection, report.REJECTED, passed=False)

    def _report(self, connection: _Connection, reason: Reason, *, passed: bool) -> None:
        is_speech_api = self._hosts.is_speech_api(connection.host)
        is_first = self._counts.add(
            connection.host, connection.port, reason, is_speech_api=is_speech_api, passed=passed
        )
        if is_first and is_speech_api and passed:
            logger.warning(
                "wsproxy: a connection to %s is passed through and not recorded: %s",
                connection.host,
                reason.text,
            )


def _is_unverified(error: str | None) -> bool:
    return error is not None and error.startswith(_NOT_VERIFIED)


def _remember(known: dict[K, V], key: K, value: V) -> None:
    """Add an entry; the oldest one is forgotten if there are too many."""
    known[key] = value
    if len(known) > MAX_KNOWN:
        del known[next(iter(known))]
