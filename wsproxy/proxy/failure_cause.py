"""Where and on whose side something failed, read from what mitmproxy reports.

mitmproxy reports a text and a connection. The functions here translate them into the terms of
a trace's `failure` record.
"""

from __future__ import annotations

import errno
import os
import re
import time
from dataclasses import dataclass

from mitmproxy.connection import Client, Server
from mitmproxy.http import HTTPFlow

from wsproxy.recorder import file_descriptors
from wsproxy.trace import Failure


@dataclass(frozen=True, slots=True)
class FailureCause:
    """A failure without its time; the attributes are those of `Failure`."""

    where: str
    from_client: bool
    message: str

    def at(self, t_ns: int) -> Failure:
        """The record of the failure; `t_ns` counts from the session's start."""
        return Failure(t_ns, self.where, self.from_client, self.message)


_TOO_MANY_FILES = os.strerror(errno.EMFILE)

# Patterns for mitmproxy's texts, with where they failed and whether the client did; the first
# match counts.
_PATTERNS = (
    (re.compile(r"client disconnected|client closed", re.IGNORECASE), "handshake", True),
    (
        re.compile(r"name or service|getaddrinfo|name resolution|nodename", re.IGNORECASE),
        "dns",
        False,
    ),
    (re.compile(r"TLS|certificate|OpenSSL", re.IGNORECASE), "tls-server", False),
    (re.compile(r"upstream proxy", re.IGNORECASE), "proxy", False),
    # The text for a connection that ends during the TLS handshake; the pattern for connections
    # that were never made would match it, too.
    (re.compile(r"^connection closed$"), "tls-server", False),
    # A server that disconnects had been connected.
    (re.compile(r"server (closed|disconnected)", re.IGNORECASE), "http", False),
    (
        re.compile(r"\bconnect|refused|unreachable|timed out|Errno", re.IGNORECASE),
        "connect",
        False,
    ),
)

# mitmproxy's advice about its options is none for users of wsproxy.
_ADVICE = re.compile(r" If you plan to redirect requests away from this server, .*", re.DOTALL)


def from_text(message: str) -> FailureCause:
    """The cause as far as a text alone determines it."""
    message = _ADVICE.sub("", message)
    found = FailureCause("http", False, message)
    for pattern, where, from_client in _PATTERNS:
        if pattern.search(message):
            found = FailureCause(where, from_client, message)
            break
    # Without a free descriptor no name is resolved and no certificate is read.
    hidden = found.where in ("dns", "tls-server") and file_descriptors.are_exhausted()
    if hidden or _TOO_MANY_FILES in message:
        return FailureCause("recorder", False, f"{file_descriptors.explanation()}: {message}")
    return found


def from_exchange(flow: HTTPFlow, elapsed_ns: int) -> FailureCause:
    """The cause of an HTTP exchange that broke.

    Args:
        elapsed_ns: time since the request.
    """
    cause = from_text(flow.error.msg if flow.error else "")
    connection = flow.client_conn if cause.from_client else flow.server_conn
    if connection.error and connection.timestamp_tls_setup is not None:
        where = "tls-client" if cause.from_client else "tls-server"
        return FailureCause(where, cause.from_client, connection.error)
    if not cause.from_client:
        return cause
    elapsed = elapsed_ns / 1e9
    return FailureCause(
        cause.where, True, f"the client left {elapsed:.1f} s after its request, before an answer"
    )


def from_request(message: str) -> FailureCause:
    """The cause of a request that was not forwarded: no server has seen it."""
    return FailureCause("request", True, f"wsproxy answered 400 and asked no server: {message}")


def from_connect(message: str, since: float) -> FailureCause:
    """The cause of a connection that was not made.

    Args:
        since: Unix time of the request for it, seconds.
    """
    cause = from_text(message)
    if not cause.from_client and "cancelled" not in message:
        return cause
    elapsed = time.time() - since
    return FailureCause(
        "connect", False, f"no connection after {elapsed:.1f} s; the client left then"
    )


def from_client_tls(client: Client, server: Server) -> FailureCause:
    """The cause of a failed TLS handshake with the client: usually it does not trust the CA.

    mitmproxy performs the handshake with the server first. A client that leaves during that has
    seen nothing of TLS: the cause is the server that did not answer.
    """
    begun = server.timestamp_tcp_setup
    if client.error == "connection closed early" and begun and server.timestamp_tls_setup is None:
        elapsed = time.time() - begun
        message = f"no TLS handshake after {elapsed:.1f} s; the client left then"
        return FailureCause("tls-server", False, message)
    return FailureCause("tls-client", True, client.error or "")
