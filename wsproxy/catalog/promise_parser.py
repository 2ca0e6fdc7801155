"""Reads what a catalog file says of a promise."""

from __future__ import annotations

from .promise import Promise
from .toml_table import Table


def promise(table: Table) -> Promise:
    """What a table of [[api.promise]] says."""
    found = Promise(
        what=table.take("what", str),
        settings=table.message_patterns("settings"),
        unless=table.message_patterns("unless"),
        messages=table.message_patterns("messages"),
        fields=table.strings("fields"),
        texts=table.strings("texts"),
        words=table.take("words", int, 0),
        pause=table.number("pause"),
    )
    if table.valid and not (found.messages or found.fields or found.texts):
        table.mistake("", "needs messages, fields or texts")
    return found
