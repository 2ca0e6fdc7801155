"""A running recorder that listens in more modes than the one it was started in."""

from __future__ import annotations

import asyncio

from mitmproxy import ctx

from wire_servers import unused_port
from wire_witness import wait_until


def listen(loop: asyncio.AbstractEventLoop, *modes: str) -> list[tuple[str, int]]:
    """Have the recorder of this process listen in further modes; returns their addresses.

    Args:
        loop: mitmproxy's event loop.
        modes: in mitmproxy's words.
    """
    addresses = [("127.0.0.1", unused_port()) for _ in modes]
    proxyserver = ctx.master.addons.get("proxyserver")
    there = set(proxyserver.listen_addrs())

    def begin() -> None:
        more = [
            f"{mode}@127.0.0.1:{port}" for mode, (_, port) in zip(modes, addresses, strict=True)
        ]
        ctx.options.update(mode=[*ctx.options.mode, *more])

    loop.call_soon_threadsafe(begin)
    wait_until(lambda: set(proxyserver.listen_addrs()) >= there | set(addresses))
    return addresses
