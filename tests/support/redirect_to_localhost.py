"""A mitmproxy script: whatever host is asked for, the connection goes to this machine."""

from __future__ import annotations

from mitmproxy.proxy.server_hooks import ServerConnectionHookData


def server_connect(data: ServerConnectionHookData) -> None:
    assert data.server.address is not None
    data.server.address = ("127.0.0.1", data.server.address[1])
