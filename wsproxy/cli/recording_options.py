"""Options that `record` and `run` share, and the lines they print about sessions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wsproxy.address import parse_address
from wsproxy.capture import needs
from wsproxy.capture.keeping import BadLimit, Keeping
from wsproxy.errors import UsageError
from wsproxy.recording import POLICIES, Policy, Recording
from wsproxy.report.text import api, ending, safe, size

if TYPE_CHECKING:
    from wsproxy.capture import embed

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
            "--max-payload",
            default="64MiB",
            show_default=True,
            metavar="SIZE",
            help="How much is kept of the payload of one frame; of a longer one its beginning, its "
            "length and its SHA-256.",
        ),
        click.option(
            "--max-size",
            default="",
            metavar="SIZE",
            help="Size after which a trace goes on in another file, such as 100MB; they are read "
            "as one.",
        ),
        click.option(
            "--max-folder",
            default="",
            metavar="SIZE",
            help="Size of all traces in the folder over which the oldest finished ones are "
            "removed, such as 10GB.",
        ),
        click.option(
            "--fsync",
            type=click.Choice(POLICIES),
            default="end",
            show_default=True,
            help="When traces are brought to the disk itself, so that they survive a power cut: "
            "never (when the system does it), end (once a trace is complete), block (all the "
            "time).",
        ),
        click.option(
            "--strict",
            is_flag=True,
            help="Refuse new sessions, with status 503, while traces cannot be written.",
        ),
        click.option(
            "--allow-host",
            "allow_hosts",
            multiple=True,
            metavar="NAME",
            help="A further name by which apps call the recorder in reverse mode (repeatable). By "
            "default the API's, loopback names and what --listen names; * is any name.",
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
    allow_hosts: tuple[str, ...],
    options: tuple[str, ...],
    max_payload: str,
    max_size: str,
    max_folder: str,
    fsync: Policy,
    strict: bool,
    auth: str | None = None,
) -> embed.Settings:
    """What `--listen` and the options above ask for.

    Raises:
        RecorderMissing: nothing can be recorded here.
        UsageError: an address, a size or a password that is none.
    """
    needs.check()
    from wsproxy.capture import embed  # noqa: PLC0415  # it imports mitmproxy

    host, port = parse_address(listen)
    if auth is not None and not all(auth.partition(":")):
        raise UsageError("--auth: give USER:PASSWORD")  # not repeated: it may be a password
    try:
        keeping = Keeping.parse(max_payload, max_size, max_folder, fsync, strict=strict)
    except BadLimit as error:
        raise UsageError(f"--{error.name.replace('_', '-')}: {error.problem}") from None
    return embed.Settings(
        host, port, mode, out, hosts, confdir, options, auth, keeping, allow_hosts
    )


def warnings(settings: embed.Settings, running: embed.Running) -> list[str]:
    """What is unsafe in how it is set up, a line each."""
    found = []
    if running.open_to_all:
        host = running.address[0] if running.address is not None else settings.host
        found.append(
            f"listening on {host} lets everybody on the network use this proxy: ask for "
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
    if session.by_rule:
        lines.append(f"    taken out by rule: {safe(', '.join(session.by_rule))}")
    lines += [f"    {path}" for path in recording.paths]
    return lines
