"""`wsproxy catalog`: look up known failures, and check a catalog file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from wsproxy.catalog import Condition, load
from wsproxy.catalog.checker import mistakes
from wsproxy.diagnose import CHECKS, RULES
from wsproxy.errors import CatalogError, UsageError, did_you_mean
from wsproxy.report import catalog as report
from wsproxy.report.json_output import dumps
from wsproxy.report.safe_text import safe
from wsproxy.report.trimmed_lines import Trimmed
from wsproxy.wording import plural

from .catalog_ids import ConditionId, ProviderId
from .catalog_option import catalog_option
from .group import NearGroup
from .width import console, line_console


@click.group(name="catalog", cls=NearGroup)
def command() -> None:
    """Look up known failures, and check your own catalog.

    Your own files add conditions to the catalog or override them. They are read from the
    config folder, from WSPROXY_CATALOG, and from --catalog. docs/catalog.md describes the
    format.

    \b
      wsproxy catalog search NET-0001
      wsproxy catalog show deepgram.listen.NET-0001
      wsproxy catalog check mine.toml
    """


@command.command(name="list")
@click.option(
    "--provider",
    type=ProviderId(),
    metavar="ID",
    help="List only the conditions of this provider, such as deepgram.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@catalog_option
def list_command(provider: str | None, as_json: bool) -> None:
    """List conditions: id, severity, title."""
    catalog = load()
    if provider is not None and catalog.provider(provider) is None:
        known = [each.id for each in catalog.providers]
        near = did_you_mean(provider, known) or f"; known: {', '.join(known)}"
        raise UsageError(f"unknown provider {provider!r}{near}")
    _print(catalog.conditions if provider is None else catalog.conditions_of(provider), as_json)


@command.command(name="show")
@click.argument("name", type=ConditionId(), metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@catalog_option
def show_command(name: str, as_json: bool) -> None:
    """Show the details of a condition, by its ID or the end of it.

    \b
      wsproxy catalog show 3007-rate
    """
    condition = load().condition(name)
    if as_json:
        click.echo(dumps(report.as_json(condition), indent=2))
    else:
        console().print(Trimmed(report.shown(condition)), end="")


@command.command(name="search")
@click.argument("words", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@catalog_option
def search_command(words: tuple[str, ...], as_json: bool) -> None:
    """Search conditions (all WORDS must match), best match first.

    Searches ids, codes and statuses, titles, descriptions, and the text of matching messages.

    \b
      wsproxy catalog search 1011
      wsproxy catalog search "chunk duration"
    """
    found = report.search(load().conditions, [part for word in words for part in word.split()])
    if not found and not as_json:
        click.echo(f"no condition matches {safe(' '.join(words))!r}", err=True)
        sys.exit(1)
    _print(found, as_json)


def _print(conditions: Sequence[Condition], as_json: bool) -> None:
    if as_json:
        found = [report.as_json(condition) for condition in conditions]
        click.echo(dumps(found, indent=2))
        return
    lines = line_console()
    for line in report.listed(conditions):
        lines.print(line)


@command.command(name="check")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
def check_command(files: tuple[Path, ...]) -> None:
    """Report every mistake in FILE with its line, and match its examples with the catalog."""
    wrong = False
    for path in files:
        try:
            found, count = mistakes(path, CHECKS, RULES)
        except CatalogError as error:
            click.echo(f"error: {safe(str(error))}", err=True)
            wrong = True
            continue
        for mistake in found:
            click.echo(f"{safe(str(path))}:{mistake.line}: {safe(str(mistake))}")
        wrong |= bool(found)
        if not found:
            click.echo(f"{safe(str(path))}: {plural(count, 'condition')}, no mistakes")
    if wrong:
        sys.exit(CatalogError.exit_status)
