"""`wsproxy list`: recorded sessions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.text import Text

from wsproxy.errors import TraceError, UsageError
from wsproxy.report.json_output import dumps
from wsproxy.report.list_index import Listed, listed
from wsproxy.report.safe_text import safe
from wsproxy.report.session_filter import SessionFilter
from wsproxy.report.text import size, when
from wsproxy.session.outcome import FAILED, OUTCOMES
from wsproxy.trace import find_traces
from wsproxy.wording import plural

from .catalog_ids import ConditionId, ProviderId
from .point_in_time import PointInTime
from .progress import ProgressLine
from .width import columns, line_console, wrapped

_AT_ONCE = 200  # sessions that are given to rich together, which takes a third of the time


@click.command(name="list")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.option(
    "--since",
    type=PointInTime(),
    metavar="TIME",
    help="Only sessions that started at TIME or later.",
)
@click.option(
    "--until", type=PointInTime(), metavar="TIME", help="Only sessions that started before TIME."
)
@click.option(
    "--finding",
    type=ConditionId(),
    default="",
    metavar="ID",
    help="Only sessions with this finding. The beginning of an id is enough: deepgram.listen.",
)
@click.option(
    "--outcome",
    type=click.Choice(OUTCOMES),
    help="Only sessions with this outcome.",
)
@click.option("--failed", is_flag=True, help="The same as --outcome failed.")
@click.option(
    "--provider",
    type=ProviderId(),
    default="",
    metavar="NAME",
    help="Only sessions of this provider.",
)
@click.option("--model", default="", metavar="NAME", help="Only sessions that request this model.")
def command(
    paths: tuple[str, ...],
    as_json: bool,
    since: int | None,
    until: int | None,
    finding: str,
    outcome: str | None,
    failed: bool,
    provider: str,
    model: str,
) -> None:
    """List the sessions in traces and folders, oldest first.

    Folders are searched recursively. Without a PATH, list the sessions in ./recordings.
    Sessions that are still open are listed as unfinished. In a folder with 16 traces or more,
    a hidden file .wsproxy-index is written, so that only changed traces are opened the next
    time.

    TIME is a date, a date and time (UTC if it has no offset), or how long ago: 90s, 30m, 2h, 7d.

    \b
      wsproxy list
      wsproxy list --failed --since 2h
      wsproxy list traces/monday traces/tuesday --json
    """
    if failed and outcome not in (None, FAILED):
        raise UsageError(f"--failed and --outcome {outcome} exclude each other")
    if since is not None and until is not None and since >= until:
        raise UsageError("--since is not before --until: no session can be selected")
    wanted = SessionFilter(
        since, until, finding, FAILED if failed else outcome or "", provider, model
    )
    sessions: list[tuple[Path, Listed]] = []
    unreadable = others = 0
    for path, found in _with_progress(find_traces(paths or ["recordings"])):
        if isinstance(found, Listed):
            if wanted.accepts(found.started_at_ns, found.entry):
                sessions.append((path, found))
            else:
                others += 1
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
    elif others:
        click.echo(f"none of {plural(others, 'session')} is selected by these options")
    elif not unreadable:
        where = " ".join(paths) or "recordings"
        click.echo(f"no traces in {where}; record some with `wsproxy run -- CMD`")
    if unreadable:
        sys.exit(TraceError.exit_status)


def _with_progress(paths: list[Path]) -> Iterator[tuple[Path, Listed | TraceError]]:
    """The entries of traces; shows how many are read, as a long one takes seconds."""
    with ProgressLine("reading") as progress:
        progress.number(1, len(paths))
        for number, found in enumerate(listed(paths), 2):
            yield found
            progress.number(min(number, len(paths)), len(paths))


def _lines(path: Path, session: Listed, width: int | None) -> Iterator[tuple[str, str]]:
    """A session: what it was, how it ended, where its trace is; each with its style."""
    entry = session.entry
    started = when(session.started_at_ns) if session.started_at_ns is not None else "?"
    attempt = f", attempt {entry['attempt']}" if (entry["attempt"] or 1) > 1 else ""
    origin = {"replay": ", replay", "derived": ", derived"}.get(entry["origin"] or "", "")
    found = "".join(f" → {safe(name)}" for name in entry["findings"][:2])
    head = (
        f"{started}  {safe(session.what)}{attempt}{origin}, {entry['duration_s']:.1f} s, "
        f"sent {plural(entry['frames_sent'], 'frame')} ({size(entry['bytes_sent'])}), "
        f"received {entry['frames_received']} ({size(entry['bytes_received'])})"
    )
    yield wrapped(head, width, 4) + "\n", "bold"
    incomplete = "" if entry["complete"] else " (incomplete)"
    outcome = f"{safe(entry['outcome'])}, " if entry["outcome"] else ""
    end = wrapped(f"    {outcome}{safe(session.how)}{incomplete}{found}", width, 6)
    # The path stays on one line, so that it can be copied.
    yield f"{end}\n    {safe(str(path))}\n", ""
