"""Reads what a catalog file says of a promise."""

from __future__ import annotations

from .promise import Promise
from .success import MessagePattern
from .toml_table import Table


def promise(table: Table) -> Promise:
    """What a table of [[api.promise]] says."""
    found = Promise(
        what=table.take("what", str),
        settings=_patterns(table, "settings"),
        unless=_patterns(table, "unless"),
        messages=_patterns(table, "messages"),
        fields=table.strings("fields"),
        texts=table.strings("texts"),
        words=table.take("words", int, 0),
        pause=table.number("pause"),
    )
    if table.valid and not (found.messages or found.fields or found.texts):
        table.mistake("", "needs messages, fields or texts")
    return found


def _patterns(table: Table, key: str) -> tuple[MessagePattern, ...]:
    return tuple(MessagePattern.parse(text) for text in table.strings(key))
