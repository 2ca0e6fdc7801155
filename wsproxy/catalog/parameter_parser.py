"""Reads what a catalog file says of a parameter of a URL."""

from __future__ import annotations

from .parameter_form import ParameterForm
from .toml_table import Table


def parameter(table: Table) -> ParameterForm:
    """What a table of [[api.parameter]] says."""
    return ParameterForm(
        name=table.take("name", str),
        values=table.pattern("values"),
        takes=table.take("takes", str, ""),
        least=table.number("least"),
        most=table.number("most"),
        longest=table.take("longest", int, 0),
        not_above=table.take("not_above", str, ""),
        otherwise=table.number("otherwise"),
        only_with=table.strings("only_with"),
        not_with=table.strings("not_with"),
        rates=tuple(_part_and_rate(table, text) for text in table.strings("rates")),
        only_in_url=table.take("only_in_url", bool, False),
        one_each=table.take("one_each", bool, False),
    )


def _part_and_rate(table: Table, text: str) -> tuple[str, int]:
    part, _, rate = text.partition("=")
    if not part or not rate.isdecimal():
        table.mistake("rates", f"needs PART=RATE, not {text}")
        return "", 0
    return part, int(rate)
