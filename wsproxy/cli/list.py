"""`wsproxy list`: recorded sessions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from wsproxy.errors import TraceError
from wsproxy.report import jsonform
from wsproxy.report.jsontext import dumps
from wsproxy.report.text import api as api_name
from wsproxy.report.text import closed, ending, safe, size, when
from wsproxy.session import Session
from wsproxy.trace import find_traces


@click.command(name="list")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--json", "as_json", is_flag=True, help="A JSON array for programs.")
def command(paths: tuple[str, ...], as_json: bool) -> None:
    """List recorded sessions, oldest first: of traces, of folders and all below them.

    Without a PATH, those in ./recordings. Traces that are still being written are listed
    as unfinished.

    \b
      wsproxy list
      wsproxy list traces/monday traces/tuesday --json
    """
    found = find_traces(list(paths) or ["recordings"])
    sessions: list[tuple[Path, Session]] = []
    unreadable = 0
    for path in found:
        try:
            sessions.append((path, Session.glance(path)))
        except TraceError as error:
            unreadable += 1
            print(f"error: {safe(str(error))}", file=sys.stderr)  # noqa: T201
    sessions.sort(key=lambda pair: pair[1].start.started_at_ns if pair[1].start else 0)
    if as_json:
        entries: list[dict[str, Any]] = [jsonform.entry(*pair) for pair in sessions]
        click.echo(dumps(entries, indent=2))
    elif sessions:
        console = Console(highlight=False, soft_wrap=True)
        for pair in sessions:
            first, *rest = _lines(*pair)
            console.print(Text(first, style="bold"))
            console.print(Text("\n".join(rest)))
    elif not unreadable:
        where = " ".join(paths) or "recordings"
        click.echo(f"no traces in {where}; `wsproxy run -- CMD` records what a command does")
    if unreadable:
        sys.exit(TraceError.exit_status)


def _lines(path: Path, session: Session) -> list[str]:
    """A session in three lines: what, how it ended, where its trace is."""
    entry = jsonform.entry(path, session)
    started = when(session.start.started_at_ns) if session.start else "?"
    again = f", attempt {entry['attempt']}" if (entry["attempt"] or 1) > 1 else ""
    found = "".join(f" → {safe(name)}" for name in entry["findings"][:2])
    return [
        f"{started}  {api_name(session)}{again}, {entry['duration_s']:.1f} s, "
        f"sent {entry['frames_sent']} frames ({size(entry['bytes_sent'])}), "
        f"received {entry['frames_received']} ({size(entry['bytes_received'])})",
        f"    {_how(session, entry)}{'' if entry['complete'] else ' (incomplete)'}{found}",
        f"    {safe(str(path))}",
    ]


def _how(session: Session, entry: dict[str, Any]) -> str:
    """As `ending`, from the end record where the frames were not read."""
    if session.ending == "close" and session.close is None:
        return closed(entry["closed_by"], entry["close_code"], entry["close_reason"])
    return ending(session)
