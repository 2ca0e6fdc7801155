"""`wsproxy explain`: why a session failed, with evidence, and what to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from wsproxy.catalog import load
from wsproxy.diagnose import diagnose, summary
from wsproxy.errors import TraceError
from wsproxy.report import jsonform
from wsproxy.report.text import explanation, safe
from wsproxy.session import Session


@click.command(name="explain")
@click.argument(
    "traces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRACE..."
)
@click.option("--json", "as_json", is_flag=True, help="JSON for programs; an array for several.")
def command(traces: tuple[Path, ...], as_json: bool) -> None:
    """Say why the session in TRACE failed: what happened, what shows it, what to do.

    Evidence names frames by the numbers that `wsproxy show` gives them. What the catalog
    does not know is said to be unknown, with everything seen. Credentials are in no trace,
    text and audio are.

    \b
      wsproxy explain recordings/20261121T004012Z-deepgram-listen-1f9a0c42.wstrace
      wsproxy explain trace.wstrace --json | jq '.findings[0].id'
    """
    catalog = load()
    console = Console(highlight=False)
    found = []
    status = 0
    for path in traces:
        try:
            session = Session.read(path)
        except TraceError as error:
            if len(traces) == 1:
                raise
            print(f"error: {error}", file=sys.stderr)  # noqa: T201
            status = error.exit_status
            continue
        findings = diagnose(session, catalog)
        if as_json:
            found.append(jsonform.explanation(path, session, findings, summary(session, catalog)))
            continue
        if len(traces) > 1:
            console.print(Rule(Text(safe(str(path))), align="left"))
        console.print(explanation(session, findings, catalog))
    if as_json:
        shown = found[0] if len(traces) == 1 else found
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    sys.exit(status)
