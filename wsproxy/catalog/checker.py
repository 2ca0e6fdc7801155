"""Finds all mistakes of a user's catalog file, with their lines.

The loader stops at the first mistake. The checker continues with a default value, so that one
mistake does not hide another.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsproxy.errors import CatalogError
from wsproxy.system.regular_file import read_text, reason

from .examples import failing_examples
from .loader import Catalog, CatalogFile, shipped_files
from .model import Condition, Provider
from .toml_parser import read_condition, read_head
from .toml_table import Table, read_toml

_MAX_MISTAKES = 100  # that are reported
_HEADER = re.compile(r"^\s*\[(?P<many>\[)?\s*(?P<name>[\w.-]+)\s*\]")
_KEY = re.compile(r"^\s*(?P<name>[A-Za-z0-9_-]+|\"[^\"]*\")\s*=")
_STEP = re.compile(r"(\.?[^.\[\]]+|\[\d+\])$")


@dataclass(frozen=True, slots=True)
class CatalogMistake:
    """A mistake; `where` is the key, empty for the file."""

    line: int
    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}" if self.where else self.problem


def mistakes(
    path: Path, checks: Collection[str], rules: Collection[str]
) -> tuple[list[CatalogMistake], int]:
    """Find all mistakes of a file, in its order, and count its conditions.

    Args:
        checks, rules: the names of all checks and rules.

    Raises:
        CatalogError: the file cannot be read.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: {reason(error)}") from None
    try:
        root = read_toml(text)
    except ValueError as error:
        line = re.search(r"at line (\d+)", str(error))
        return [CatalogMistake(int(line[1]) if line else 1, "", str(error))], 0
    lines = _Lines(text)
    tables = root.pop("condition", [])
    found = [*_in_head(root), *_in_conditions(root, tables, checks, rules)]
    if not found:
        found = list(_in_examples(path, text))
    placed = [CatalogMistake(lines.of(e.where), e.where, e.problem) for e in found[:_MAX_MISTAKES]]
    count = len(tables) if isinstance(tables, list) else 0
    return sorted(placed, key=lambda mistake: mistake.line), count


def _in_head(root: dict[str, Any]) -> list[CatalogError]:
    found: list[CatalogError] = []
    read_head(Table("", "", root, found), None)
    return found


def _in_conditions(
    root: dict[str, Any], tables: object, checks: Collection[str], rules: Collection[str]
) -> list[CatalogError]:
    provider = _provider(root)
    if not isinstance(tables, list):
        return [CatalogError("", "condition", "is not an array of tables: write [[condition]]")]
    if provider is None:
        return []
    found: list[CatalogError] = []
    seen: dict[str, int] = {}
    for number, table in enumerate(tables, 1):
        where = f"condition[{number}]"
        condition = read_condition(Table("", where, table, found), provider)
        first = seen.setdefault(condition.id.lower(), number)
        if first != number and condition.id:
            problem = f"{condition.id} is defined twice, first in condition[{first}]"
            found.append(CatalogError("", f"{where}.id", problem))
        found += _unknown_names(condition, where, checks, rules)
    return found


def _provider(root: dict[str, Any]) -> Provider | None:
    """The provider that the file describes or extends; None where it is unknown."""
    name, provider = read_head(Table("", "", root, []), None)
    known = Catalog(shipped_files()).provider(name)
    # A file that extends a provider, with a misspelled key, does not describe a new one.
    return provider if provider is not None and (provider.name or known is None) else known


def _unknown_names(
    condition: Condition, where: str, checks: Collection[str], rules: Collection[str]
) -> Iterator[CatalogError]:
    for name in condition.checks:
        if name not in checks:
            yield CatalogError("", f"{where}.checks", f"there is no check {name!r}")
    for number, match in enumerate(condition.matches, 1):
        if match.rule and match.rule not in rules:
            problem = f"there is no rule {match.rule!r}"
            yield CatalogError("", f"{where}.match[{number}].rule", problem)
    for key, advice in (("causes", condition.causes), ("remedies", condition.remedies)):
        for item in advice:
            if item.when and item.when not in rules:
                yield CatalogError("", f"{where}.{key}", f"there is no rule {item.when!r}")


def _in_examples(path: Path, text: str) -> Iterator[CatalogError]:
    """The examples that fail, with the file added to the shipped ones."""
    own = CatalogFile(str(path), text, path)
    try:
        catalog = Catalog([*shipped_files(), own])
        provider = catalog.provider(own.provider_id)
        assert provider is not None
        conditions = own.conditions(provider)
        # Its description of a provider may contradict the conditions in other files.
        catalog.conditions_of(provider.id)
    except CatalogError as error:
        yield error
        return
    for number, condition in enumerate(conditions, 1):
        for example, problem in failing_examples(condition, catalog):
            yield CatalogError("", f"condition[{number}].example[{example}]", problem)


class _Lines:
    """The line of each key of a TOML file, which tomllib does not report."""

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {"": 1}
        self._counts: dict[str, int] = {}
        table = ""
        for number, line in enumerate(text.splitlines(), 1):
            if header := _HEADER.match(line):
                table = self._open(header["name"].split("."), many=bool(header["many"]))
                self._lines.setdefault(table, number)
            elif key := _KEY.match(line):
                name = key["name"].strip('"')
                self._lines.setdefault(f"{table}.{name}" if table else name, number)

    def _open(self, names: list[str], *, many: bool) -> str:
        """The path of a table as `Table` names it; arrays count from 1."""
        path = ""
        for depth, name in enumerate(names):
            path = f"{path}.{name}" if path else name
            last = depth == len(names) - 1
            if last and (many or name in ("match", "example")):
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                path = f"{path}[{self._counts[path]}]"
        return path

    def of(self, where: str) -> int:
        """The line of a key, or of the nearest enclosing key in the file."""
        while where and where not in self._lines:
            shorter = _STEP.sub("", where)
            # A quoted key may contain anything, such as unbalanced brackets.
            where = shorter if shorter != where else ""
        return self._lines[where]
