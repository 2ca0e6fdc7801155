"""`wsproxy catalog`: look up what is known, and check a file of one's own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from wsproxy.catalog import Condition, load
from wsproxy.catalog.mistakes import mistakes
from wsproxy.diagnose import CHECKS, RULES
from wsproxy.errors import CatalogError, UsageError
from wsproxy.report import catalog as report
from wsproxy.report.jsontext import dumps
from wsproxy.report.text import safe

from .catalog_option import catalog_option
from .group import NearGroup


@click.group(name="catalog", cls=NearGroup)
def command() -> None:
    """Look up the failures that wsproxy knows, and check a file of your own.

    Your own files add to the catalog or override it: those of the config folder, those that
    WSPROXY_CATALOG names, and those that a command is given with --catalog. docs/catalog.md
    describes the format.

    \b
      wsproxy catalog search NET-0001
      wsproxy catalog show deepgram.listen.NET-0001
      wsproxy catalog check mine.toml
    """


@command.command(name="list")
@click.option("--provider", metavar="ID", help="Only this provider's, such as deepgram.")
@click.option("--json", "as_json", is_flag=True, help="A JSON array for programs.")
@catalog_option
def list_command(provider: str | None, as_json: bool) -> None:
    """List all conditions: id, severity, title."""
    catalog = load()
    if provider is not None and catalog.provider(provider) is None:
        known = ", ".join(p.id for p in catalog.providers)
        raise UsageError(f"no provider {provider!r} in the catalog; there are {known}")
    _print(catalog.conditions if provider is None else catalog.conditions_of(provider), as_json)


@command.command(name="show")
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs.")
@catalog_option
def show_command(name: str, as_json: bool) -> None:
    """Show all about one condition, by its ID or the end of it.

    \b
      wsproxy catalog show 3007-rate
    """
    condition = load().condition(name)
    if as_json:
        click.echo(dumps(report.as_json(condition), indent=2))
    else:
        Console(highlight=False).print(report.shown(condition))


@command.command(name="search")
@click.argument("words", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="A JSON array for programs.")
@catalog_option
def search_command(words: tuple[str, ...], as_json: bool) -> None:
    """Find the conditions in which all WORDS are, the best first.

    Searched are ids, codes and statuses, titles, texts, and what the wire shows.

    \b
      wsproxy catalog search 1011
      wsproxy catalog search "chunk duration"
    """
    found = report.search(load().conditions, [part for word in words for part in word.split()])
    if not found and not as_json:
        click.echo(f"nothing in the catalog has {safe(' '.join(words))!r} in it", err=True)
        sys.exit(1)
    _print(found, as_json)


def _print(conditions: Sequence[Condition], as_json: bool) -> None:
    if as_json:
        found = [report.as_json(condition) for condition in conditions]
        click.echo(dumps(found, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    for line in report.listed(conditions):
        console.print(line)


@command.command(name="check")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
def check_command(files: tuple[Path, ...]) -> None:
    """Name every mistake in FILE with its line, and hold its examples against the catalog."""
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
            what = "1 condition" if count == 1 else f"{count} conditions"
            click.echo(f"{safe(str(path))}: {what}, no mistakes")
    if wrong:
        sys.exit(CatalogError.exit_status)
