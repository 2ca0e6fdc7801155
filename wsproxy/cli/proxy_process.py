"""`wsproxy proxy-process`: a proxy for another wsproxy process; not for people."""

from __future__ import annotations

import sys

import click

from wsproxy.proxy import requirements


@click.command(name="proxy-process", hidden=True)
def command() -> None:
    """Run a proxy for the parent process, which configures it on stdin."""
    requirements.check()
    from wsproxy.proxy import child_process  # noqa: PLC0415  # it imports mitmproxy

    sys.exit(child_process.main())
