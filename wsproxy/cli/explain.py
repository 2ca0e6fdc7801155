"""`wsproxy explain`: why a session failed, with evidence and fixes."""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType

from wsproxy.catalog import load
from wsproxy.diagnose import Finding, diagnose
from wsproxy.diagnose.session_groups import KEPT_SPANS, SessionSpan, findings_across
from wsproxy.errors import TraceError, UsageError
from wsproxy.report import json_schema, markdown, screen
from wsproxy.report.examination import (
    ExaminedSession,
    UnreadableTrace,
    examine_all,
    json_explanation,
)
from wsproxy.report.explanation import explain, state
from wsproxy.report.groups import Overview
from wsproxy.report.json_output import dumps
from wsproxy.report.safe_text import safe
from wsproxy.report.trimmed_lines import Trimmed
from wsproxy.session import Session
from wsproxy.trace import find_recordings
from wsproxy.trace.read_limits import Allowance
from wsproxy.wording import plural

from .catalog_option import catalog_option
from .progress import ProgressLine
from .width import console

DETAILED = 10  # sessions, of which fewer are explained in full


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
@click.option("--exit-status", is_flag=True, help="Exit with status 1 if a session failed, for CI.")
def command(
    traces: tuple[Path, ...],
    everything: bool,
    as_markdown: bool,
    as_json: bool,
    exit_status: bool,
) -> None:
    """Explain why the session in TRACE failed: what happened, the evidence, and how to fix it.

    Evidence refers to frames by the numbers that `wsproxy show` prints. If the catalog does
    not know the failure, its cause is reported as unknown, with everything observed. The
    output contains no credentials, but it does contain text of the session.

    For several traces, or for a FOLDER (searched recursively), sessions with the same first
    finding and the same sentence of the server form a group. Of fewer than 10 sessions, or with
    --all, the first session of each group is explained. Problems that only several sessions
    show, such as reconnect storms, are searched for in the last 1000.

    \b
      wsproxy explain recordings/20261121T004012Z-deepgram-listen-1f9a0c42.wstrace
      wsproxy explain recordings
      wsproxy explain trace.wstrace --markdown | gh issue create --title "NET-0001" --body-file -
      wsproxy explain trace.wstrace --json | jq '.findings[0].id'
      wsproxy explain recordings --exit-status

    \b
    Exit status:
      0  explained                               2  invalid option
      1  a session failed, with --exit-status    3  a trace cannot be read
    """
    if as_json and as_markdown:
        raise UsageError("--json and --markdown exclude each other")
    paths, others = find_recordings(traces)
    if len(paths) == 1 and paths[0] in traces:
        failed = _explain_one(
            paths[0], everything=everything, as_markdown=as_markdown, as_json=as_json
        )
        if exit_status and failed:
            sys.exit(1)
        return
    if others:
        skipped = plural(
            len(others), "replay or derived trace is", "replays and derived traces are"
        )
        print(f"note: {skipped} skipped; name a trace to explain it", file=sys.stderr)  # noqa: T201
    if not paths and not as_json:
        click.echo(f"no recordings in {safe(' '.join(map(str, traces)))}")
        return
    overview = Overview()
    with ProgressLine("explaining") as progress:
        reading = _Reading(paths, progress, as_json=as_json)
        if as_json:
            _print_array(_explanations(reading))
        else:
            for each in reading:
                overview.add(each)
    if not as_json:
        overview.unreadable = reading.unreadable
        overview.set_across(reading.across())
        if everything or overview.total < DETAILED:
            _explain_examples(overview)
        if as_markdown:
            click.echo(markdown.overview(overview, everything=everything), nl=False)
        else:
            _print(screen.overview(overview, everything=everything, how_to_show="--all"))
    if reading.unreadable:
        sys.exit(TraceError.exit_status)
    if exit_status and reading.failed:
        sys.exit(1)


def _explain_one(path: Path, everything: bool, as_markdown: bool, as_json: bool) -> bool:
    """Print the explanation of one session; returns whether it failed."""
    catalog = load()
    with ProgressLine(f"explaining {path.name}"):
        session = Session.read(path, catalog=catalog)
        findings = diagnose(session, catalog)
    if session.unread:
        print(f"warning: {safe(session.unread)}", file=sys.stderr)  # noqa: T201
    if as_json:
        click.echo(dumps(json_explanation(path, session, findings, catalog), indent=2))
    elif as_markdown:
        explained = explain(path, session, findings, catalog)
        click.echo(markdown.session(explained, everything=everything), nl=False)
    else:
        explained = explain(path, session, findings, catalog)
        _print(screen.session(explained, everything=everything, how_to_show="--all"))
    return state(session, findings) == "failed"


def _print(shown: RenderableType) -> None:
    console().print(Trimmed(shown), end="")


class _Reading:
    """Examines traces, and reports on stderr which of them cannot be read.

    Args:
        paths: of the traces.
        progress: shows how many are done.
        as_json: whether each has its line of `--json`.

    Attributes:
        unreadable, failed: how many traces could not be read, and how many sessions failed.
    """

    def __init__(self, paths: Sequence[Path], progress: ProgressLine, *, as_json: bool) -> None:
        self._paths = paths
        self._progress = progress
        self._as_json = as_json
        self.unreadable = 0
        self.failed = 0
        self._last: deque[SessionSpan] = deque(maxlen=KEPT_SPANS)

    def __iter__(self) -> Iterator[ExaminedSession]:
        for number, found in enumerate(examine_all(self._paths, as_json=self._as_json), 1):
            self._progress.number(number, len(self._paths), found.path.name)
            if isinstance(found, UnreadableTrace):
                self.unreadable += 1
                print(f"error: {safe(found.message)}", file=sys.stderr)  # noqa: T201
                continue
            if found.unread:
                print(f"warning: {safe(found.unread)}", file=sys.stderr)  # noqa: T201
            if found.span is not None:
                self._last.append(found.span)
            self.failed += found.state == "failed"
            yield found

    def across(self) -> list[Finding]:
        """Findings of the last sessions together."""
        return findings_across(self._last)


def _explain_examples(overview: Overview) -> None:
    """Explain the first session of each group."""
    catalog = load()
    allowance = Allowance()
    for group in overview.groups:
        with contextlib.suppress(TraceError):  # it was removed meanwhile
            session = Session.read(group.path, allowance, catalog)
            findings = diagnose(session, catalog)
            group.example = explain(group.path, session, findings, catalog)


def _explanations(reading: _Reading) -> Iterator[dict[str, Any]]:
    for each in reading:
        assert each.json is not None
        yield each.json
    if found := reading.across():
        yield json_schema.together(found)


def _print_array(items: Iterable[dict[str, Any]]) -> None:
    """Print a JSON array, each item as soon as it is known: all may not fit into memory."""
    before = "[\n  "
    for item in items:
        click.echo(before + dumps(item, indent=2).replace("\n", "\n  "), nl=False)
        before = ",\n  "
    click.echo("[]" if before.startswith("[") else "\n]")
