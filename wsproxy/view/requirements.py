"""Checks that the server can run: tornado is an extra."""

from __future__ import annotations

from importlib.util import find_spec

from wsproxy.errors import UsageError


def check() -> None:
    """Check that tornado is installed, before a module that needs it is imported.

    Raises:
        UsageError: it is not; the message says what to install.
    """
    if find_spec("tornado") is None:
        raise UsageError(
            "this needs tornado, which is not installed: install wsproxy with its extra `view`, "
            "for example `pipx install '.[view]'` in a checkout of wsproxy"
        )
