"""Options that `record` and `run` share, and the lines they print about sessions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wsproxy.recording import Recording
from wsproxy.report.text import api, ending, safe, size

F = TypeVar("F", bound=Callable[..., Any])


def recording_options(function: F) -> F:
    """Add the options that say what is recorded and where."""
    options = [
        click.option(
            "--mode",
            default="regular",
            metavar="MODE",
            show_default=True,
            help="How sessions reach the recorder: regular (the app's proxy), reverse:URL (the "
            "app's base URL; http, https, ws or wss), socks5, transparent, upstream:URL (another "
            "proxy behind this one), local[:APP], wireguard.",
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            default=Path("recordings"),
            show_default=True,
            help="Folder for the traces.",
        ),
        click.option(
            "--host",
            "hosts",
            multiple=True,
            metavar="PATTERN",
            help="Record only hosts that match this regular expression (repeatable).",
        ),
        click.option(
            "--confdir",
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder of the proxy's CA; by default mitmproxy's own, ~/.mitmproxy.",
        ),
        click.option(
            "--set",
            "options",
            multiple=True,
            metavar="OPTION=VALUE",
            help="Set a mitmproxy option, such as ssl_insecure=true (repeatable).",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def session_line(recording: Recording) -> str:
    """One session on one line: who, how much each way, how long, how it ended."""
    session = recording.session
    return (
        f"{api(session)}  {session.duration_ns / 1e9:.1f} s  "
        f"↑ {session.sent.frames} frames {size(session.sent.size)}  "
        f"↓ {session.received.frames} frames {size(session.received.size)}"
    )


def ended_lines(recording: Recording) -> list[str]:
    """What is printed when a trace is complete."""
    session = recording.session
    lines = [f"{session_line(recording)}  {ending(session)}"]
    lines += [f"    {f.severity}: {f.id}  {safe(f.title)}" for f in session.findings]
    lines.append(f"    {recording.path}")
    return lines
