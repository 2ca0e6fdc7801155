"""`wsproxy proxy-process`: a proxy for another process of wsproxy; nothing for people."""

from __future__ import annotations

import sys

import click

from wsproxy.proxy import requirements


@click.command(name="proxy-process", hidden=True)
def command() -> None:
    """Run a proxy for the process that starts this, which asks for it on stdin."""
    requirements.check()
    from wsproxy.proxy import child_process  # noqa: PLC0415  # it imports mitmproxy

    sys.exit(child_process.main())
