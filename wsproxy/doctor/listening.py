"""The address that the recorder listens on."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from wsproxy.system.address import authority, is_loopback

from .result import Result
from .setup import Setup


def check(setup: Setup) -> Iterator[Result]:
    """Listen on it for a moment."""
    host, port = setup.listen
    where = authority(host, port)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        in_use = getattr(error, "errno", None) == errno.EADDRINUSE
        yield Result(
            "address",
            "problem",
            f"cannot listen on {where}: {'the port is in use' if in_use else error}",
            "another recorder may be running there" if in_use else "the recorder does not start",
            "use --listen HOST:PORT; port 0 takes a free one",
        )
        return
    if is_loopback(host):
        yield Result("address", "ok", f"can listen on {'a free port' if port == 0 else where}")
    else:
        yield Result(
            "address",
            "warning",
            f"{where} is open to the network",
            "everyone on the network can use the recorder as a proxy",
            "listen on 127.0.0.1, or require a password: `wsproxy record --auth`",
        )
