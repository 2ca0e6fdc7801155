"""Options that `record` and `run` share, and the lines they print about sessions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wsproxy.capture import embed
from wsproxy.errors import UsageError
from wsproxy.recording import Recording
from wsproxy.report.text import api, ending, safe, size

from .address import parse_address

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


def settings_of(
    listen: str,
    *,
    mode: str,
    out: Path,
    hosts: tuple[str, ...],
    confdir: Path | None,
    options: tuple[str, ...],
    auth: str | None = None,
) -> embed.Settings:
    """What `--listen` and the options above ask for.

    Raises:
        UsageError: an address or a password that is none.
    """
    host, port = parse_address(listen)
    if auth is not None and not all(auth.partition(":")):
        raise UsageError("--auth: give USER:PASSWORD")  # not repeated: it may be a password
    return embed.Settings(host, port, mode, out, hosts, confdir, options, auth)


def warnings(settings: embed.Settings, running: embed.Running) -> list[str]:
    """What is unsafe in how it is set up, a line each."""
    found = []
    if running.open_to_all:
        found.append(
            f"listening on {settings.host} lets everybody on the network use this proxy: ask for "
            "a password with --auth USER:PASSWORD, or listen on 127.0.0.1"
        )
    if running.ca_key_is_readable:
        found.append(
            f"other users of this machine can read {running.ca_key}, and with it the traffic of "
            f"all who trust this CA: chmod 600 {running.ca_key}"
        )
    return found


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
