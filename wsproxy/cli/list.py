"""`wsproxy list`: recorded sessions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.text import Text

from wsproxy.errors import TraceError
from wsproxy.index import Listed, listed
from wsproxy.report.jsontext import dumps
from wsproxy.report.text import safe, size, when
from wsproxy.trace import find_traces

from .width import columns, line_console, wrapped

_AT_ONCE = 200  # sessions that are given to rich together, which takes a third of the time


@click.command(name="list")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def command(paths: tuple[str, ...], as_json: bool) -> None:
    """List the sessions in traces and folders, oldest first.

    Folders are searched recursively. Without a PATH, list the sessions in ./recordings.
    Sessions that are still open are listed as unfinished. In a folder with 16 traces or more,
    a hidden file .wsproxy-index is written, so that only changed traces are opened the next
    time.

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
        console, width = line_console(), columns()
        for start in range(0, len(sessions), _AT_ONCE):
            some = sessions[start : start + _AT_ONCE]
            lines = [part for each in some for part in _lines(*each, width)]
            console.print(Text.assemble(*lines), end="")
    elif not unreadable:
        where = " ".join(paths) or "recordings"
        click.echo(f"no traces in {where}; record some with `wsproxy run -- CMD`")
    if unreadable:
        sys.exit(TraceError.exit_status)


def _lines(path: Path, session: Listed, width: int | None) -> Iterator[tuple[str, str]]:
    """A session: what it was, how it ended, where its trace is; each with its style."""
    entry = session.entry
    started = when(session.started_at_ns) if session.started_at_ns is not None else "?"
    attempt = f", attempt {entry['attempt']}" if (entry["attempt"] or 1) > 1 else ""
    origin = {"replay": ", replay", "derived": ", derived"}.get(entry["origin"] or "", "")
    found = "".join(f" → {safe(name)}" for name in entry["findings"][:2])
    head = (
        f"{started}  {safe(session.what)}{attempt}{origin}, {entry['duration_s']:.1f} s, "
        f"sent {entry['frames_sent']} frames ({size(entry['bytes_sent'])}), "
        f"received {entry['frames_received']} ({size(entry['bytes_received'])})"
    )
    yield wrapped(head, width, 4) + "\n", "bold"
    incomplete = "" if entry["complete"] else " (incomplete)"
    end = wrapped(f"    {safe(session.how)}{incomplete}{found}", width, 6)
    # The path stays on one line, so that it can be copied.
    yield f"{end}\n    {safe(str(path))}\n", ""
