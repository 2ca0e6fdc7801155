"""Ids of the catalog on the command line, completed by the shell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from click.types import StringParamType

from wsproxy.catalog import Catalog, load
from wsproxy.errors import CatalogError
from wsproxy.report.safe_text import safe

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class _CatalogId(StringParamType):
    def known(self, catalog: Catalog) -> Iterable[tuple[str, str]]:
        """The ids that complete a word, and what they stand for."""
        raise NotImplementedError

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The ids that begin with the word; if there is none, those with a part that does."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  # for a shell only

        try:
            known = [*self.known(load())]
        except CatalogError:
            return []  # a shell cannot show the mistake; the command reports it
        word = incomplete.lower()
        found = [each for each in known if each[0].lower().startswith(word)]
        found = found or [each for each in known if f".{word}" in each[0].lower()]
        # A shell reads lines, and prints the title as it is.
        return [CompletionItem(id_, help=safe(title)) for id_, title in found]


class ConditionId(_CatalogId):
    """The id of a condition, or the end of one.

    Args:
        simulated: complete only conditions that a server can cause.
    """

    def __init__(self, *, simulated: bool = False) -> None:
        self._simulated = simulated

    def known(self, catalog: Catalog) -> Iterable[tuple[str, str]]:
        return (
            (each.id, each.title)
            for each in catalog.conditions
            if each.simulated or not self._simulated
        )


class ProviderId(_CatalogId):
    """The id of a provider."""

    def known(self, catalog: Catalog) -> Iterable[tuple[str, str]]:
        return ((each.id, each.name) for each in catalog.providers)
