"""Options of `record` and `run`, and the lines that they print about sessions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wsproxy.errors import InvalidValue
from wsproxy.proxy import requirements
from wsproxy.recorder import POLICIES, Policy, SessionWriter
from wsproxy.recorder.limits import InvalidLimit, RecorderLimits
from wsproxy.report.safe_text import safe, short
from wsproxy.report.text import api, ending, size
from wsproxy.session import Session
from wsproxy.session.outcome import FAILED, UNPROVEN
from wsproxy.system.address import parse_address
from wsproxy.trace import FindingRecord
from wsproxy.wording import plural

if TYPE_CHECKING:
    from wsproxy.proxy import embedding

_EVIDENCE = 120  # characters of the evidence in a line

F = TypeVar("F", bound=Callable[..., Any])


def recording_options(function: F) -> F:
    """Add the options for what is recorded and where."""
    options = [
        click.option(
            "--mode",
            default="regular",
            metavar="MODE",
            show_default=True,
            help="How sessions reach the recorder: regular (as the app's proxy), reverse:URL (as "
            "the app's base URL; http, https, ws or wss), socks5, transparent, upstream:URL "
            "(through another proxy), local[:APP], wireguard.",
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            default=Path("recordings"),
            show_default=True,
            help="Folder to write traces to.",
        ),
        click.option(
            "--host",
            "hosts",
            multiple=True,
            metavar="PATTERN",
            help="Record only hosts that match this regular expression (repeatable). Their TLS is "
            "never passed through unrecorded.",
        ),
        click.option(
            "--confdir",
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder of the proxy's CA.  [default: ~/.mitmproxy]",
        ),
        click.option(
            "--max-payload",
            default="64MiB",
            show_default=True,
            metavar="SIZE",
            help="Maximum size of a recorded payload. Of a longer one, keep the beginning, the "
            "length and the SHA-256.",
        ),
        click.option(
            "--max-size",
            default="",
            metavar="SIZE",
            help="Continue a trace in another file after this size, such as 100MB; both are read "
            "as one trace.",
        ),
        click.option(
            "--max-folder",
            default="",
            metavar="SIZE",
            help="Remove the oldest finished traces when all traces in the folder exceed this "
            "size, such as 10GB.",
        ),
        click.option(
            "--fsync",
            type=click.Choice(POLICIES),
            default="end",
            show_default=True,
            help="When to fsync traces, so that they survive a power failure. never: leave it to "
            "the system. end: when a trace is complete. block: after every block.",
        ),
        click.option(
            "--strict",
            is_flag=True,
            help="Refuse new sessions with status 503 while traces cannot be written.",
        ),
        click.option(
            "--allow-host",
            "allow_hosts",
            multiple=True,
            metavar="NAME",
            help="In reverse mode, accept this name in the Host header as well; *: any name "
            "(repeatable).  [default: the API's name, loopback names and that in --listen]",
        ),
        click.option(
            "--view",
            is_flag=True,
            help="Show the sessions in the browser as they are recorded, as `wsproxy view` does; "
            "the URL is printed on stderr.",
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
) -> embedding.ProxySettings:
    """The settings for `--listen` and the options above.

    Raises:
        RecorderMissing: mitmproxy is not installed.
        UsageError: an invalid address, size or password.
    """
    requirements.check()
    from wsproxy.proxy import embedding  # noqa: PLC0415  # it imports mitmproxy

    host, port = parse_address(listen)
    if auth is not None and not all(auth.partition(":")):
        raise InvalidValue("auth", None, "expected USER:PASSWORD")  # it may be a password
    try:
        limits = RecorderLimits.parse(max_payload, max_size, max_folder, fsync, strict=strict)
    except InvalidLimit as error:
        raise InvalidValue(error.name, None, error.problem) from None
    return embedding.ProxySettings(
        host, port, mode, out, hosts, confdir, options, auth, limits, allow_hosts
    )


def warnings(settings: embedding.ProxySettings, running: embedding.RunningProxy) -> list[str]:
    """What is unsafe in the set-up, one line each."""
    found = []
    if running.open_to_all:
        host = running.address[0] if running.address is not None else settings.host
        found.append(
            f"everyone on the network can use this proxy, which listens on {host}; require a "
            "password with --auth USER:PASSWORD, or listen on 127.0.0.1"
        )
    if running.ca_key_is_readable:
        found.append(
            f"other users of this machine can read {running.ca_key}, the key of the CA, and so "
            f"the traffic of everyone who trusts it; run chmod 600 {running.ca_key}"
        )
    return found


def session_line(recording: SessionWriter) -> str:
    """One session on one line: API, duration, amounts in each direction."""
    session = recording.session
    return (
        f"{api(session)}  {session.duration_ns / 1e9:.1f} s  "
        f"↑ {plural(session.sent.frames, 'frame')} {size(session.sent.size)}  "
        f"↓ {plural(session.received.frames, 'frame')} {size(session.received.size)}"
    )


def _finding_line(finding: FindingRecord) -> str:
    """A finding with its first evidence: what is wrong, and what shows it."""
    evidence = f": {short(finding.evidence[0], _EVIDENCE)}" if finding.evidence else ""
    return f"    {safe(finding.severity)}: {safe(finding.id)}  {safe(finding.title)}{evidence}"


def needs_explanation(session: Session) -> bool:
    """Whether an ended session failed, or nothing proves that it succeeded."""
    outcome = session.end.outcome if session.end is not None else None
    return session.failed or outcome in (FAILED, UNPROVEN)


def ended_lines(recording: SessionWriter) -> list[str]:
    """The lines that are printed when a trace is complete."""
    session = recording.session
    outcome = f"{session.end.outcome}, " if session.end and session.end.outcome else ""
    lines = [f"{session_line(recording)}  {outcome}{ending(session)}"]
    lines += [_finding_line(each) for each in session.findings if each.severity != "info"]
    if session.heuristic_redactions:
        lines.append(f"    redacted by heuristic: {safe(', '.join(session.heuristic_redactions))}")
    lines += [f"    {path}" for path in recording.paths]
    return lines
