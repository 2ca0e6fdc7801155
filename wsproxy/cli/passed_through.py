"""What `run` and `record` print about TLS that was passed through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsproxy.report.safe_text import safe

if TYPE_CHECKING:
    from wsproxy.proxy.embedding import RunningProxy

_HOST = "record with --host '{host}'"
_REMEDIES = {
    "no-proxy": _HOST,
    "rejected": f"make the client trust it, then {_HOST}",
    "client-certificate": f"{_HOST} --set client_certs=FILE, a PEM file of the client's "
    "certificate and key",
    "unverified": f"name the file of its CA in SSL_CERT_FILE, or {_HOST} --set ssl_insecure=true",
    "failed": _HOST,
}


def lines(running: RunningProxy) -> list[str]:
    """A line for each server, safe to print: host names are those of the app."""
    return [safe(line) for line in running.passed_through(_REMEDIES)]
