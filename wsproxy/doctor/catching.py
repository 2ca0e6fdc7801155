"""Whether the kernel can catch connections (`wsproxy run --catch`)."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from wsproxy.errors import Setting
from wsproxy.intercept.catch import availability

from .result import CheckResult
from .setup import Setup


def check(setup: Setup) -> Iterator[CheckResult]:
    """Catch one connection of a child process."""
    if not setup.is_run:
        return
    system = f"{platform.system()} {platform.release()}"
    why = obstacle(setup)
    if why is None:
        yield CheckResult("catch", "ok", f"connections are caught ({system})")
        return
    matters = "programs that read no proxy variables and load no preload go past the recorder"
    if setup.catch == "off":
        yield CheckResult("catch", "note", why, matters)
        return
    yield CheckResult(
        "catch",
        "problem" if setup.catch == "on" else "note",
        f"connections are not caught on this system ({system}): {why}",
        matters,
        settings=(Setting("catch"),) if setup.catch == "on" else (),
    )


def obstacle(setup: Setup) -> str | None:
    """Why connections are not caught; None if they are."""
    if setup.catch == "off":
        return "connections are not caught, because that is turned off"
    return availability.obstacle(setup.cmd[0] if setup.cmd else "")
