"""`wsproxy list`: recorded sessions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from wsproxy.errors import TraceError
from wsproxy.report.json_output import dumps
from wsproxy.report.list_index import Listed, listed
from wsproxy.report.text import safe, size, when
from wsproxy.trace import find_traces

_AT_ONCE = 200  # sessions that are given to rich together, which takes a third of the time


@click.command(name="list")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--json", "as_json", is_flag=True, help="A JSON array for programs.")
def command(paths: tuple[str, ...], as_json: bool) -> None:
    """List recorded sessions, oldest first: of traces, of folders and all below them.

    Without a PATH, those in ./recordings. Traces that are still being written are listed
    as unfinished. A folder with 16 traces or more gets a hidden file, .wsproxy-index, so
    that the next time only those are opened that have changed.

    \b
      wsproxy list
      wsproxy list traces/monday traces/tuesday --json
    """
    sessions: list[tuple[Path, Listed]] = []
    unreadable = 0
    for path, found in listed(find_traces(paths or ["recordings"])):
        if isinstance(found, Listed):
            sessions.append((path, found))
            if found.unread:
                print(f"warning: {safe(found.unread)}", file=sys.stderr)  # noqa: T201
        else:
            unreadable += 1
            print(f"error: {safe(str(found))}", file=sys.stderr)  # noqa: T201
    sessions.sort(key=lambda pair: pair[1].started_at_ns or 0)
    if as_json:
        entries = [{"path": str(path), **each.entry} for path, each in sessions]
        click.echo(dumps(entries, indent=2))
    elif sessions:
        console = Console(highlight=False, soft_wrap=True)
        for start in range(0, len(sessions), _AT_ONCE):
            lines = [part for each in sessions[start : start + _AT_ONCE] for part in _lines(*each)]
            console.print(Text.assemble(*lines), end="")
    elif not unreadable:
        where = " ".join(paths) or "recordings"
        click.echo(f"no traces in {where}; `wsproxy run -- CMD` records what a command does")
    if unreadable:
        sys.exit(TraceError.exit_status)


def _lines(path: Path, session: Listed) -> Iterator[tuple[str, str]]:
    """A session in three lines: what, how it ended, where its trace is; each with its style."""
    entry = session.entry
    started = when(session.started_at_ns) if session.started_at_ns is not None else "?"
    again = f", attempt {entry['attempt']}" if (entry["attempt"] or 1) > 1 else ""
    made = {"replay": ", a replay", "derived": ", made from another trace"}
    again += made.get(entry["origin"] or "", "")
    found = "".join(f" → {safe(name)}" for name in entry["findings"][:2])
    yield (
        f"{started}  {safe(session.what)}{again}, {entry['duration_s']:.1f} s, "
        f"sent {entry['frames_sent']} frames ({size(entry['bytes_sent'])}), "
        f"received {entry['frames_received']} ({size(entry['bytes_received'])})\n",
        "bold",
    )
    incomplete = "" if entry["complete"] else " (incomplete)"
    yield f"    {safe(session.how)}{incomplete}{found}\n    {safe(str(path))}\n", ""
