"""`wsproxy explain`: why a session failed, with evidence and fixes."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType

from wsproxy.catalog import Catalog, load
from wsproxy.diagnose import Finding, diagnose, summary
from wsproxy.diagnose.session_groups import SessionSpan, findings_across
from wsproxy.errors import TraceError, UsageError
from wsproxy.report import json_schema, markdown, screen
from wsproxy.report.explanation import explain, retry_after
from wsproxy.report.groups import Overview
from wsproxy.report.json_output import dumps
from wsproxy.report.text import safe
from wsproxy.report.trimmed import Trimmed
from wsproxy.session import Session
from wsproxy.trace import find_recordings
from wsproxy.trace.read_limits import Allowance

from .catalog_option import catalog_option
from .progress import ProgressLine
from .width import console

KEPT = 1000  # last sessions that are compared with each other


@click.command(name="explain")
@catalog_option
@click.argument(
    "traces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRACE|FOLDER..."
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Show everything; by default, long lists are shortened.",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a bug report.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; for several traces an array.")
def command(traces: tuple[Path, ...], everything: bool, as_markdown: bool, as_json: bool) -> None:
    """Explain why the session in TRACE failed: what happened, the evidence, and how to fix it.

    Evidence refers to frames by the numbers that `wsproxy show` prints. If the catalog does
    not know the failure, its cause is reported as unknown, with everything observed. The
    output contains no credentials, but it does contain text of the session.

    For several traces, or for a FOLDER (searched recursively), sessions with the same first
    finding form a group, and the first session of each group is explained. Problems that only
    several sessions show, such as reconnect storms, are searched for in the last 1000.

    \b
      wsproxy explain recordings/20261121T004012Z-deepgram-listen-1f9a0c42.wstrace
      wsproxy explain recordings
      wsproxy explain trace.wstrace --markdown | gh issue create --title "NET-0001" --body-file -
      wsproxy explain trace.wstrace --json | jq '.findings[0].id'
    """
    if as_json and as_markdown:
        raise UsageError("--json and --markdown exclude each other")
    paths, others = find_recordings(traces)
    catalog = load()
    if len(paths) == 1 and paths[0] in traces:
        path, session = paths[0], _read(paths[0], catalog)
        findings = diagnose(session, catalog)
        if as_json:
            click.echo(dumps(_explanation(path, session, findings, catalog), indent=2))
            return
        explained = explain(path, session, findings, catalog)
        if as_markdown:
            click.echo(markdown.session(explained, everything=everything), nl=False)
        else:
            _print(screen.session(explained, everything=everything, how_to_show="--all"))
        return
    if others:
        text = f"note: {len(others)} replays and derived traces are skipped"
        print(f"{text}; name a trace to explain it", file=sys.stderr)  # noqa: T201
    overview = Overview(catalog)
    with ProgressLine("explaining") as progress:
        reading = _Reading(progress.each(paths), catalog)
        if as_json:
            _print_array(_explanations(reading, catalog))
        else:
            for each in reading:
                overview.add(*each)
    if not as_json:
        overview.unreadable = reading.unreadable
        overview.set_across(reading.across())
        if as_markdown:
            click.echo(markdown.overview(overview, everything=everything), nl=False)
        else:
            _print(screen.overview(overview, everything=everything, how_to_show="--all"))
    if reading.unreadable:
        sys.exit(TraceError.exit_status)


def _print(shown: RenderableType) -> None:
    console().print(Trimmed(shown), end="")


def _read(path: Path, catalog: Catalog, allowance: Allowance | None = None) -> Session:
    """Read a trace, and warn on stderr if it contains more than is read."""
    session = Session.read(path, allowance, catalog)
    if session.unread:
        print(f"warning: {safe(session.unread)}", file=sys.stderr)  # noqa: T201
    return session


class _Reading:
    """Reads traces one after another, and reports on stderr which of them cannot be read.

    Args:
        paths: of the traces.
    """

    def __init__(self, paths: Iterable[Path], catalog: Catalog) -> None:
        self._paths = paths
        self._catalog = catalog
        self.unreadable = 0
        self._last: deque[SessionSpan] = deque(maxlen=KEPT)
        self._allowance = Allowance()  # one for all: a folder may hold thousands of traces

    def __iter__(self) -> Iterator[tuple[Path, Session, list[Finding]]]:
        for path in self._paths:
            try:
                session = _read(path, self._catalog, self._allowance)
            except TraceError as error:
                self.unreadable += 1
                print(f"error: {safe(str(error))}", file=sys.stderr)  # noqa: T201
                continue
            if (span := SessionSpan.of(session)) is not None:
                self._last.append(span)
            yield path, session, diagnose(session, self._catalog)

    def across(self) -> list[Finding]:
        """Findings of the last sessions together."""
        return findings_across(self._last)


def _explanation(
    path: Path, session: Session, findings: list[Finding], catalog: Catalog
) -> dict[str, Any]:
    outcome = summary(session, catalog)
    return json_schema.explanation(path, session, findings, outcome, retry_after(session))


def _explanations(reading: _Reading, catalog: Catalog) -> Iterator[dict[str, Any]]:
    for each in reading:
        yield _explanation(*each, catalog)
    if found := reading.across():
        yield json_schema.together(found)


def _print_array(items: Iterable[dict[str, Any]]) -> None:
    """Print a JSON array, each item as soon as it is known: all may not fit into memory."""
    before = "[\n  "
    for item in items:
        click.echo(before + dumps(item, indent=2).replace("\n", "\n  "), nl=False)
        before = ",\n  "
    click.echo("[]" if before.startswith("[") else "\n]")
