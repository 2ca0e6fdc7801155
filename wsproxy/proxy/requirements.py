"""Checks that recording is possible: mitmproxy is an extra, and Windows lacks modules."""

from __future__ import annotations

from importlib.util import find_spec

from wsproxy.errors import RecorderMissing

# The relay needs these modules, and Python for Windows does not have them.
_POSIX_MODULES = ("fcntl", "termios")


def check() -> None:
    """Check that recording is possible, before any module of mitmproxy is imported.

    Raises:
        RecorderMissing: it is not possible; the message names what is missing and what to do.
    """
    missing = [name for name in _POSIX_MODULES if find_spec(name) is None]
    if missing:
        raise RecorderMissing(
            f"recording needs Linux or macOS: this Python has no module {missing[0]}; traces from "
            "those systems can be read, explained and replayed here"
        )
    if find_spec("mitmproxy") is None:
        raise RecorderMissing(
            "this needs mitmproxy, which is not installed: install wsproxy with its extra "
            "`record`, for example `pipx install '.[record]'` in a checkout of wsproxy"
        )
