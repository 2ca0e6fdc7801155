"""Why mitmproxy cannot start: it only logs that."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from wsproxy.errors import Setting, UsageError
from wsproxy.redact import MIN_SECRET
from wsproxy.system.address import authority, public_url

CA_KEY = "mitmproxy-ca.pem"  # the key and its certificate

# Log messages of mitmproxy.
_NO_KEY = re.compile(r"Could not deserialize key data|Unable to load PEM file")
_NO_LISTENER = re.compile(r"failed to listen on (\S+):(\d+) with (.*)")


class ErrorLog(logging.Handler):
    """Keeps the first error that mitmproxy logs while it starts."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.first: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage().splitlines()[0]

    def __enter__(self) -> ErrorLog:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *exc: object) -> None:
        logging.getLogger().removeHandler(self)


def explain(message: str, confdir: Path | str) -> UsageError:
    """A logged error of mitmproxy as an error of ours, with the settings that matter for it."""
    if _NO_KEY.search(message):
        return UsageError(
            f"cannot read the CA in {confdir}: {CA_KEY} holds no key; remove it, and a new CA is "
            "created",
            Setting("confdir"),
        )
    failed = _NO_LISTENER.search(message)
    if failed is None:
        return UsageError(message)
    why = (
        "the port is in use"
        if "in use" in message
        else failed[3].rpartition("] ")[2].rpartition("): ")[2]
    )
    where = authority(failed[1], int(failed[2]))
    return UsageError(f"cannot listen on {where}: {why}", Setting("listen"))


def without_values(message: str, mode: str, options: Iterable[str]) -> str:
    """An error of mitmproxy without the values that it repeats, which may be credentials.

    Args:
        mode: that was set.
        options: that were set, as NAME=VALUE.
    """
    server = mode.partition(":")[2]
    for url in filter(lambda each: "://" in each, (mode, server, server.rpartition("@")[0])):
        message = message.replace(url, public_url(url))
    values = (option.partition("=")[2] for option in options)
    for value in filter(lambda each: len(each) >= MIN_SECRET, values):
        message = message.replace(value, public_url(value) if "://" in value else "...")
    return message
