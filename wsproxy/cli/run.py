"""`wsproxy run -- CMD`: run a command and record its sessions."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsproxy.errors import WsproxyError
from wsproxy.intercept import environment, loaded_clients, past_connections
from wsproxy.intercept.loaded_clients import LoadedClient
from wsproxy.intercept.past_connections import PastConnection
from wsproxy.intercept.preloads import clients_folder
from wsproxy.recorder import SessionWriter, file_descriptors
from wsproxy.report.safe_text import safe
from wsproxy.wording import plural

from . import app_process, client_hints, passed_through
from .app_process import Catch
from .catalog_option import catalog_option
from .hints import message
from .logs import info_on_stderr
from .recording_options import (
    ended_lines,
    needs_explanation,
    recording_options,
    settings_of,
    warnings,
)
from .viewing import viewing

if TYPE_CHECKING:
    from wsproxy.proxy import embedding

_MAX_RELAYED = 5  # hosts that are named
_LINGER = 2.0  # seconds that connections may stay open after the command has ended


@click.command(name="run", context_settings={"ignore_unknown_options": False})
@catalog_option
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default="a free port",
    metavar="HOST:PORT",
    help="Address that the recorder listens on.",
)
@click.option(
    "--catch",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="On Linux, also record the connections of programs that ignore proxy settings. auto: "
    "where the system allows it.",
)
@click.option(
    "--catch-port",
    "catch_ports",
    type=click.IntRange(1, 65535),
    multiple=True,
    metavar="PORT",
    help="Catch connections to this port, in addition to 443 and 80 (repeatable).",
)
@recording_options
@click.argument("cmd", nargs=-1, required=True, metavar="-- CMD...")
def command(
    listen: str,
    catch: str,
    catch_ports: tuple[int, ...],
    cmd: tuple[str, ...],
    view: bool,
    **options: Any,
) -> None:
    """Run CMD, record its sessions, and exit with its exit status.

    CMD gets environment variables that send it through the recorder and make it trust the
    recorder's CA: proxy variables in upper and lower case, certificate variables, and preloads
    for Python, Node, Bun and Java, many of whose libraries read neither. On Linux, connections
    to ports 443 and 80 that go past all of this are caught.
    Recorded sessions are reported on stderr; CMD's stdout is left alone.

    \b
      wsproxy run -- python app.py
      wsproxy run --host deepgram -- npm start
    """
    app_process.check(cmd[0])
    settings = replace(settings_of(listen, **options), with_proxy=True)
    catching = Catch.choose(catch, catch_ports, cmd[0])
    from wsproxy.proxy import embedding  # noqa: PLC0415  # it imports mitmproxy

    file_descriptors.raise_limit()
    recorded = Recorded()
    ended: int | None = None
    try:
        with (
            # A browser may still write to its profile.
            tempfile.TemporaryDirectory(prefix="wsproxy-", ignore_cleanup_errors=True) as folder,
            info_on_stderr(),
            viewing(settings.out) if view else contextlib.nullcontext(),
            embedding.background(settings, on_end=recorded.add) as running,
        ):
            for line in warnings(settings, running):
                click.echo(f"wsproxy: warning: {line}", err=True)
            env = environment.for_command(
                running, settings.mode, Path(folder), proxy=running.proxy_address
            )
            ended, past = app_process.run(
                cmd, env, embedding.stopping_signals(), catching, running.serve_caught
            )
            with contextlib.suppress(KeyboardInterrupt):  # the user does not want to wait
                # The command's last sessions end shortly after it.
                running.drain(_LINGER)
            loaded = loaded_clients.read(clients_folder(Path(folder)))
        _report(recorded, running, settings.out, past + Counter(running.past), loaded)
    except Exception as error:
        if ended is None:
            raise
        # The exit status is that of the command, whatever failed here.
        with contextlib.suppress(OSError):  # such as that the reader has gone
            text = message(error) if isinstance(error, WsproxyError) else str(error)
            click.echo(f"wsproxy: error: {text}", err=True)
    sys.exit(ended)


@dataclass(slots=True)
class Recorded:
    """What is reported at the end; a command may open any number of sessions.

    Attributes:
        lines: for all sessions, in the order in which they ended.
        failed: the trace of the first session that failed, or is unproven.
    """

    count: int = 0
    lines: list[str] = field(default_factory=list)
    failed: Path | None = None

    def add(self, recording: SessionWriter) -> None:
        """Add a session that has ended; its content is not kept."""
        self.count += 1
        self.lines += ended_lines(recording)
        if self.failed is None and needs_explanation(recording.session):
            self.failed = recording.path


def _relayed_lines(relayed: Mapping[str, int]) -> list[str]:
    """How to record hosts that the catalog does not know."""
    most = Counter(relayed).most_common(_MAX_RELAYED)
    lines = [f"not decrypted: {plural(count, 'connection')} to {host}" for host, count in most]
    if lines:
        lines.append("these are no known speech APIs; --host 'NAME' records a host")
    return lines


def _unreached_lines(unreached: Mapping[str, int]) -> list[str]:
    """Which hosts that the catalog does not know could not be connected to, and why."""
    most = Counter(unreached).most_common(_MAX_RELAYED)
    lines = [f"not connected ({plural(count, 'attempt')}): {reason}" for reason, count in most]
    if lines:
        lines.append("of a host that is no known speech API, --host 'NAME' records that, too")
    return lines


def _report(
    recorded: Recorded,
    running: embedding.RunningProxy,
    out: Path,
    past: Mapping[PastConnection, int],
    loaded: Sequence[LoadedClient] = (),
) -> None:
    def say(text: str) -> None:
        click.echo(f"wsproxy: {text}" if text else "", err=True)

    if recorded.count:
        say(f"{plural(recorded.count, 'session')} recorded in {out}")
        for line in recorded.lines:
            click.echo(f"  {line}", err=True)
        if recorded.failed is not None:
            say(f"to see why: wsproxy explain {recorded.failed}")
    elif count := running.connections + sum(running.relayed.values()):
        say(
            f"nothing recorded: the command opened {plural(count, 'connection')} "
            "through the recorder, but no WebSocket, and no failed request to a known speech API"
        )
        for line in (*_unreached_lines(running.unreached), *_relayed_lines(running.relayed)):
            say(safe(line))
    else:
        say("nothing recorded: the command opened no connection through the recorder")
    for line in past_connections.lines(past):
        say(safe(line))
    if past or not (recorded.count or running.unreached):
        for line in client_hints.lines(loaded, [kind.program for kind in past]):
            click.echo(f"  {safe(line)}", err=True)
    for line in passed_through.lines(running):
        say(line)
