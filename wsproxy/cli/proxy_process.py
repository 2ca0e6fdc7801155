"""`wsproxy proxy-process`: a proxy for another process of wsproxy; nothing for people."""

from __future__ import annotations

import sys

import click

from wsproxy.capture import needs


@click.command(name="proxy-process", hidden=True)
def command() -> None:
    """Run a proxy for the process that starts this, which asks for it on stdin."""
    needs.check()
    from wsproxy.capture import process  # noqa: PLC0415  # it imports mitmproxy

    sys.exit(process.main())
