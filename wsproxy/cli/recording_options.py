"""Options that `record` and `run` share, and the lines they print about sessions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wsproxy.recording import Recording
from wsproxy.report.text import safe
from wsproxy.session import Session

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
    host = safe(session.request.host) if session.request else "?"
    api = " ".join(part for part in (session.provider, session.api) if part) or host
    return (
        f"{api}  {session.duration_ns / 1e9:.1f} s  "
        f"↑ {session.sent.frames} frames {_size(session.sent.size)}  "
        f"↓ {session.received.frames} frames {_size(session.received.size)}"
    )


def ending_text(session: Session) -> str:
    """How a session ended, in a few words."""
    by = f" by the {session.closed_by}" if session.closed_by else ""
    match session.ending:
        case "close" if session.close is not None:
            code = session.close.code
            reason = safe(session.close.reason)
            return f"closed{by}: {'no code' if code is None else code} {reason}".rstrip()
        case "refused" | "http" if session.response is not None:
            return f"{session.ending}: HTTP {session.response.status}"
        case "failed" if session.failure is not None:
            return f"failed ({session.failure.where}): {safe(session.failure.message)}"
        case "eof":
            return f"ended without a Close frame (EOF){by}"
        case "reset":
            return f"connection reset{by}"
        case other:
            return other


def ended_lines(recording: Recording) -> list[str]:
    """What is printed when a trace is complete."""
    session = recording.session
    lines = [f"{session_line(recording)}  {ending_text(session)}"]
    lines += [f"    {f.severity}: {f.id}  {safe(f.title)}" for f in session.findings]
    lines.append(f"    {recording.path}")
    return lines


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
