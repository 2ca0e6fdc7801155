"""Hosts that are passed through, because a client rejected the CA."""

from __future__ import annotations

from collections.abc import Iterator

from wsproxy.catalog import load
from wsproxy.intercept import rejections

from .result import CheckResult
from .setup import Setup

_MAX_HOSTS = 10  # that are named


def check(setup: Setup) -> Iterator[CheckResult]:
    """Check the clients that are remembered in the folder of the CA."""
    try:
        remembered = rejections.Rejections(setup.confdir, rejections.identity(setup.ca))
    except OSError:
        return  # there is no CA yet
    hosts = sorted(remembered.hosts())
    if not hosts:
        return
    catalog = load()
    apis = [host for host in hosts if catalog.at_host(host, "/")[0] is not None]
    named = [*apis, *(host for host in hosts if host not in apis)][:_MAX_HOSTS]
    more = f" and {len(hosts) - len(named)} more" if len(hosts) > len(named) else ""
    yield CheckResult(
        "rejections",
        "warning" if apis else "note",
        f"clients have rejected the recorder's CA: {', '.join(named)}{more}",
        "connections of these clients to these hosts are passed through, not recorded, for 30 days",
        f"make the client trust the CA, then forget it: rm {remembered.path}",
    )
