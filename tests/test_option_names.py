"""One name of an option has one meaning, which docs/options.md gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from wsproxy.cli.main import cli

TABLE = Path(__file__).parent.parent / "docs" / "options.md"

# Names that nobody may give to something else.
STABLE = {
    "record": {"--listen", "--mode", "--out", "--host", "--set", "--confdir"},
    "run": {"--listen", "--mode", "--out", "--host", "--set", "--confdir"},
    "list": {"--json"},
    "show": {"--json"},
    "explain": {"--json"},
    "replay client": {"--to", "--out", "--json", "--timeout", "--keep-ids"},
    "replay server": {"--listen", "--out", "--json"},
}


@dataclass(frozen=True)
class Use:
    """An option of a command."""

    command: str
    name: str
    kind: str


def kind(option: click.Option) -> str:
    """What a value of an option is; one name has one kind of values in all commands."""
    many = "list of " if option.multiple else ""
    if option.is_flag:
        return "flag"
    if option.count:
        return "count"
    if isinstance(option.type, click.Choice):
        return many + "|".join(option.type.choices)
    if isinstance(option.type, click.Path):
        return many + "path"
    return many + {"integer range": "integer", "float range": "number"}.get(
        option.type.name, option.type.name
    )


def uses(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[Use]:
    context = click.Context(command, parent=parent, info_name=name)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            for option in (*parameter.opts, *parameter.secondary_opts):
                yield Use(name, option, kind(parameter))
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            assert found is not None
            yield from uses(found, f"{name} {each}".removeprefix("wsproxy "), context)


USES = list(uses(cli, "wsproxy"))


def documented() -> dict[str, tuple[str, str, set[str]]]:
    """Kind, meaning and commands by the name of an option, as the table has them."""
    rows = [line.strip("| ").split(" | ") for line in TABLE.read_text().splitlines()]
    found: dict[str, tuple[str, str, set[str]]] = {}
    for row in rows:
        if len(row) == 4 and row[0].startswith("`-"):
            name, its_kind, meaning, commands = row
            assert name.strip("`") not in found, f"{name} has two rows"
            used = set(re.findall(r"`([^`]+)`", commands))
            found[name.strip("`")] = its_kind.replace("\\|", "|"), meaning, used
    return found


def test_option_names_each_has_one_kind_of_value() -> None:
    kinds: dict[str, set[str]] = {}
    for use in USES:
        kinds.setdefault(use.name, set()).add(use.kind)
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}


def test_option_names_table_lists_every_option_of_every_command() -> None:
    """A name that another command takes too needs its row changed: it has room for one meaning."""
    actual: dict[str, tuple[str, set[str]]] = {}
    for use in USES:
        actual.setdefault(use.name, (use.kind, set()))[1].add(use.command)
    assert {name: (row[0], row[2]) for name, row in documented().items()} == actual


def test_option_names_meanings_are_one_sentence() -> None:
    for name, (_, meaning, _) in documented().items():
        assert re.fullmatch(r"[^.;]+\.", meaning), (name, meaning)


@pytest.mark.parametrize("command", STABLE)
def test_option_names_that_scripts_use_are_there(command: str) -> None:
    assert STABLE[command] <= {use.name for use in USES if use.command == command}


def test_option_names_a_second_meaning_is_found() -> None:
    """The tests above can fail."""

    @click.command()
    @click.option("--to")
    @click.option("--sessions", is_flag=True)
    def another() -> None: ...

    found = {(use.name, use.kind) for use in uses(another, "another")}
    known = {(use.name, use.kind) for use in USES}
    assert ("--to", "text") in found & known
    assert ("--sessions", "flag") in found - known
    assert "another" not in documented()["--to"][2]
