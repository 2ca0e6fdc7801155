"""Whether sessions can be recorded here: mitmproxy is an extra, and Windows lacks too much."""

from __future__ import annotations

from importlib.util import find_spec

from wsproxy.errors import RecorderMissing

# What the relay asks the kernel through, and no Python for Windows has.
_OF_POSIX = ("fcntl", "termios")


def can_record() -> bool:
    """Whether `check` raises nothing."""
    try:
        check()
    except RecorderMissing:
        return False
    return True


def check() -> None:
    """See that recording is possible, before anything of mitmproxy is imported.

    Raises:
        RecorderMissing: it is not; the message says what is missing, and what to do.
    """
    missing = [name for name in _OF_POSIX if find_spec(name) is None]
    if missing:
        raise RecorderMissing(
            f"recording needs Linux or macOS: this Python has no module {missing[0]}; traces from "
            "there can be read, explained and replayed here"
        )
    if find_spec("mitmproxy") is None:
        raise RecorderMissing(
            "this needs mitmproxy, which is not installed: install wsproxy with its extra "
            "`record`, for example `pipx install '.[record]'` in a checkout of wsproxy"
        )
