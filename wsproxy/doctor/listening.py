"""The address that the recorder listens on."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from wsproxy.errors import Setting
from wsproxy.system.address import authority, is_loopback

from .result import CheckResult
from .setup import Setup


def check(setup: Setup) -> Iterator[CheckResult]:
    """Listen on it for a moment."""
    host, port = setup.listen
    where = authority(host, port)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        in_use = getattr(error, "errno", None) == errno.EADDRINUSE
        yield CheckResult(
            "address",
            "problem",
            f"cannot listen on {where}: {'the port is in use' if in_use else error}",
            "another recorder may be running there" if in_use else "the recorder does not start",
            settings=(Setting("listen"),),
        )
        return
    if is_loopback(host):
        yield CheckResult("address", "ok", f"can listen on {'a free port' if port == 0 else where}")
    else:
        yield CheckResult(
            "address",
            "warning",
            f"{where} is open to the network",
            "everyone on the network can use the recorder as a proxy",
            "listen on 127.0.0.1",
            () if setup.is_run else (Setting("auth"),),
        )
