"""`wsproxy proxy-process`: a proxy for another wsproxy process; not for people."""

from __future__ import annotations

import sys

import click

from wsproxy.capture import needs


@click.command(name="proxy-process", hidden=True)
def command() -> None:
    """Run a proxy for the parent process, which configures it on stdin."""
    needs.check()
    from wsproxy.capture import process  # noqa: PLC0415  # it imports mitmproxy

    sys.exit(process.main())
