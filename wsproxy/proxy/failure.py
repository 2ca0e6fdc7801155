"""Where something failed and on whose side, read out of what mitmproxy says about it.

mitmproxy gives a text and a connection, in words that are its own: here is what they mean
in the words of a trace's `failure` record.
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
    """A failure whose time is not known yet; as in `Failure`."""

    where: str
    from_client: bool
    message: str

    def at(self, t_ns: int) -> Failure:
        """The record of it; ns since the session's start."""
        return Failure(t_ns, self.where, self.from_client, self.message)


_TOO_MANY_FILES = os.strerror(errno.EMFILE)

# What mitmproxy's texts say, and what that means; the first that matches.
_MEANINGS = (
    (re.compile(r"client disconnected|client closed", re.IGNORECASE), "handshake", True),
    (
        re.compile(r"name or service|getaddrinfo|name resolution|nodename", re.IGNORECASE),
        "dns",
        False,
    ),
    (re.compile(r"TLS|certificate|OpenSSL", re.IGNORECASE), "tls-server", False),
    (re.compile(r"upstream proxy", re.IGNORECASE), "proxy", False),
    # What it says of a connection that ends in the TLS handshake; not to be taken for one
    # that was never made.
    (re.compile(r"^connection closed$"), "tls-server", False),
    # Who leaves had been there.
    (re.compile(r"server (closed|disconnected)", re.IGNORECASE), "http", False),
    (
        re.compile(r"\bconnect|refused|unreachable|timed out|Errno", re.IGNORECASE),
        "connect",
        False,
    ),
)


def of_text(message: str) -> FailureCause:
    """What a text alone tells."""
    found = FailureCause("http", False, message)
    for pattern, where, from_client in _MEANINGS:
        if pattern.search(message):
            found = FailureCause(where, from_client, message)
            break
    # A name cannot be resolved, and no certificate read, where no file can be opened.
    hidden = found.where in ("dns", "tls-server") and file_descriptors.are_exhausted()
    if hidden or _TOO_MANY_FILES in message:
        return FailureCause("recorder", False, f"{file_descriptors.explanation()}: {message}")
    return found


def of_exchange(flow: HTTPFlow, waited_ns: int) -> FailureCause:
    """An exchange that broke.

    Args:
        waited_ns: since the request.
    """
    cause = of_text(flow.error.msg if flow.error else "")
    connection = flow.client_conn if cause.from_client else flow.server_conn
    if connection.error and connection.timestamp_tls_setup is not None:
        where = "tls-client" if cause.from_client else "tls-server"
        return FailureCause(where, cause.from_client, connection.error)
    if not cause.from_client:
        return cause
    waited = waited_ns / 1e9
    return FailureCause(
        cause.where, True, f"the client left {waited:.1f} s after its request, before an answer"
    )


def of_request(message: str) -> FailureCause:
    """A request that was not passed on: no server has seen it."""
    return FailureCause("request", True, f"wsproxy answered 400 and asked no server: {message}")


def of_connect(message: str, since: float) -> FailureCause:
    """A connection that was not made.

    Args:
        since: Unix time when it was asked for, seconds.
    """
    cause = of_text(message)
    if not cause.from_client and "cancelled" not in message:
        return cause
    waited = time.time() - since
    return FailureCause(
        "connect", False, f"no connection after {waited:.1f} s; the client left then"
    )


def of_client_tls(client: Client, server: Server) -> FailureCause:
    """A TLS handshake with the client that failed: most often it does not trust the CA.

    mitmproxy shakes hands with the server first. A client that leaves meanwhile has seen
    nothing of TLS: then it is the server that did not answer.
    """
    begun = server.timestamp_tcp_setup
    if client.error == "connection closed early" and begun and server.timestamp_tls_setup is None:
        waited = time.time() - begun
        message = f"no TLS handshake after {waited:.1f} s; the client left then"
        return FailureCause("tls-server", False, message)
    return FailureCause("tls-client", True, client.error or "")
